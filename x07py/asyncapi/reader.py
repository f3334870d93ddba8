"""Reading an AsyncAPI document with the local files that it refers to.

Every ``$ref`` becomes ``FILE#POINTER`` when its file is read, FILE relative to the project or, of a document that lies
elsewhere, empty; so a reference means the same wherever it is followed from. No file outside of the project is read but
the document itself, and no URL.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from x07py.arch.place import unescaped
from x07py.contracts.loader import parse_json, resolve_inside
from x07py.errors import ContractError, UsageError
from x07py.files import SOURCE_BYTES, cannot_read, read_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from x07py.contracts.loader import JsonObject

_MOST_NODES = 200_000
_MOST_FILES = 200
_DATA = ("enum", "const", "default", "examples", "example")
"""Keywords whose values are data: what looks like a reference there is none."""
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "schemas")
"""Keywords whose values are tables by names."""


@dataclass(slots=True)
class Reader:
    """A document with the notes about what could not be taken from it.

    Args:
        root: the project; files that references name have to lie in it.
        name: the document's path below `root`, empty if it lies elsewhere.
        document: what it holds.
        notes: what was left out, for people.
        files: what has been read, by path below `root`; None for what cannot be.
    """

    root: Path
    name: str
    document: JsonObject
    notes: list[str] = field(default_factory=list)
    files: dict[str, Any] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def table(self, owner: Any, name: str) -> dict[str, Any]:
        """Return a table below `owner`, references followed; an empty one if it is not there."""
        value = self.follow(owner.get(name)) if isinstance(owner, dict) else None
        return value if isinstance(value, dict) else {}

    def rows(self, owner: Any, name: str) -> list[Any]:
        """Return what a list below `owner` holds, references followed; nothing if it is no list."""
        value = self.follow(owner.get(name)) if isinstance(owner, dict) else None
        return [self.follow(row) for row in value] if isinstance(value, list) else []

    def follow(self, value: Any) -> Any:
        """Return what a reference means; None, with a note, for one that leads nowhere or out of the project."""
        seen: set[str] = set()
        while (reference := reference_of(value)) is not None:
            file, _, pointer = reference.partition("#")
            value = None if reference in seen else self._file(file)
            seen.add(reference)
            for part in pointer.split("/")[1:]:
                value = _below(value, part)
            if value is None:
                self.note(f"left out: {self.shown(reference)} does not lead to a place in the project")
                return None
        return value

    def shown(self, reference: str) -> str:
        """Return a reference as people know it."""
        file, _, pointer = reference.partition("#")
        return f"#{pointer}" if file in {"", self.name} else reference.rstrip("#")

    def _file(self, name: str) -> Any:
        if name in {"", self.name}:
            return self.document
        if name not in self.files:
            self.files[name] = self._read(name)
        return self.files[name]

    def _read(self, name: str) -> Any:
        if "://" in name or len(self.files) >= _MOST_FILES:
            return None
        try:
            path = resolve_inside(self.root, name)
            return absolute(parse(read_file(path, limit=SOURCE_BYTES)), name)
        except (ContractError, OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            self.note(f"left out: {name} cannot be read: {getattr(reason, 'message', reason)}")
            return None


def open_document(path: Path, root: Path) -> Reader:
    """Read a document.

    Raises:
        FileError: ``X07IO_READ``.
        UsageError: ``X07_ASYNCAPI_PARSE`` if it is neither JSON nor YAML with an object.
    """
    try:
        data = read_file(path, limit=SOURCE_BYTES)
    except OSError as error:
        raise cannot_read(path, error, "check the path") from None
    full, inside = path.resolve(), root.resolve()
    name = full.relative_to(inside).as_posix() if full.is_relative_to(inside) else ""
    try:
        document = absolute(parse(data), name)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, str(error)) from None
    if not isinstance(document, dict):
        raise _unreadable(path, "it holds no object")
    return Reader(root, name, document)


def reference_of(value: Any) -> str | None:
    """Return where a value refers to, None if it is no reference."""
    found = value.get("$ref") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def absolute(value: Any, file: str) -> Any:
    """Return a value of `file` with each reference as ``FILE#POINTER``."""

    def full(reference: str) -> str:
        target, _, pointer = reference.partition("#")
        if target and "://" not in target:
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
        return f"{target or file}#{pointer}"

    return with_references(value, full)


def with_references(value: Any, change: Callable[[str], str], *, names: bool = False) -> Any:
    """Return a value with each reference changed.

    Args:
        value: anything of JSON.
        change: gives the new reference.
        names: whether the keys of `value` are names that somebody chose, and no keywords.
    """
    if isinstance(value, list):
        return [with_references(one, change) for one in value]
    if not isinstance(value, dict):
        return value
    made = {
        key: one if key in _DATA and not names else with_references(one, change, names=key in _NAMED)
        for key, one in value.items()
    }
    reference = reference_of(value)
    return made if reference is None else made | {"$ref": change(reference)}


def _below(value: Any, part: str) -> Any:
    name = unescaped(part)
    if isinstance(value, list):
        return value[int(name)] if name.isascii() and name.isdigit() and int(name) < len(value) else None
    return value.get(name) if isinstance(value, dict) else None


def _unreadable(path: Path, why: str) -> UsageError:
    return UsageError(
        "X07_ASYNCAPI_PARSE", f"not an AsyncAPI document: {why}", where=str(path), hint="give a JSON or YAML file"
    )


def parse(data: bytes) -> Any:
    """Return what JSON or YAML means.

    Raises:
        ValueError: neither, or YAML that stands for too much.
    """
    return parse_json(data) if data.lstrip()[:1] in {b"{", b"["} else _yaml(data)


def _yaml(data: bytes) -> Any:
    try:
        yaml = import_module("yaml")
    except ImportError:
        raise ValueError("YAML needs the distribution PyYAML: pip install 'x07py[asyncapi]'") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _refuse_bomb(yaml.compose(data, loader))
        return json.loads(json.dumps(yaml.load(data, loader), default=str))
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _refuse_bomb(root: Any) -> None:
    """Refuse a document that aliases blow up: each node counts as often as it stands in the document written out.

    Raises:
        ValueError: for too many nodes, or a node inside itself.
    """
    sizes: dict[int, int] = {}
    open_: set[int] = set()
    stack = [] if root is None else [(root, False)]
    while stack:
        node, done = stack.pop()
        parts = _parts(node)
        if done:
            open_.discard(id(node))
            sizes[id(node)] = 1 + sum(sizes[id(part)] for part in parts)
            if sizes[id(node)] > _MOST_NODES:
                raise ValueError(f"its aliases stand for more than {_MOST_NODES} values")
        elif id(node) not in sizes:
            if id(node) in open_:
                raise ValueError("an alias stands inside of what it names")
            open_.add(id(node))
            stack.append((node, True))
            stack += [(part, False) for part in parts if id(part) not in sizes]


def _parts(node: Any) -> list[Any]:
    if not isinstance(node.value, list):
        return []
    return [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
