"""Editing the manifest so that only the lines concerned change: comments, order, indentation and line ends stay.

tomlkit makes the edit. Three things that it does not do are done on its text: a new line goes below the table's last
entry and not below the comment of the next table, it gets the line end of the file, and a new table goes to the end.
Whatever happens, the result must parse to exactly the old content with the one change, else nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

from x07py.contracts.distributions import normalized
from x07py.contracts.project import PYPROJECT
from x07py.errors import PackageError
from x07py.files import parse_toml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Change = Callable[[Any], None]
"""Makes a change to a document, be it plain or one that keeps its layout."""


def set_dependency(file: Path, data: bytes, name: str, requirement: str) -> bytes:
    """Return the manifest `data`, to stand at `file`, with the package `name` required.

    Raises:
        PackageError: ``X07PKG_EDIT`` if the file is written in a way that cannot be edited safely.
    """
    text, place = data.decode("utf-8"), _place(file)
    wanted = parse_toml(text)
    new_table = _descend(wanted, place) is None
    _descend(wanted, place, create=True)[name] = requirement
    if new_table:
        edited = _with_new_table(text, place, name, requirement)
        if _parses_to(edited, wanted):
            return edited.encode()
    return _edited(file, data, lambda document: _descend(document, place, create=True).__setitem__(name, requirement))


def remove_dependency(file: Path, data: bytes, name: str) -> bytes:
    """Return the manifest `data` without the package `name`, which it has.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    return _edited(file, data, lambda document: _descend(document, _place(file)).__delitem__(name))


def set_requirement(file: Path, data: bytes, distribution: str, extra: str, specifier: str | None) -> bytes:
    """Return ``pyproject.toml`` with a distribution required for the manager; as it is, where it lists none.

    Args:
        file: where the data shall stand.
        data: the file as it is.
        distribution: normalized name.
        extra: an extra to add to those that are asked for; empty for none.
        specifier: versions, PEP 440; None leaves what is said of them.

    Raises:
        PackageError: ``X07PKG_EDIT``, also where a build backend fills the dependencies in.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    def change(text: str) -> str:
        one = Requirement(text)
        one.extras |= {extra} if extra else set()
        one.specifier = one.specifier if specifier is None else SpecifierSet(specifier)
        return str(one)

    return _requirements(file, data, distribution, change, f"{distribution}[{extra}]" if extra else distribution)


def drop_requirement(file: Path, data: bytes, distribution: str, extra: str) -> bytes:
    """Return ``pyproject.toml`` without an extra of a distribution, or without the distribution if `extra` is empty.

    Raises:
        PackageError: ``X07PKG_EDIT``.
    """
    from packaging.requirements import Requirement

    def change(text: str) -> str:
        one = Requirement(text)
        one.extras -= {extra}
        return str(one) if extra else ""

    return _requirements(file, data, distribution, change, None)


def required_distributions(data: bytes) -> set[str]:
    """Return the normalized names of what a ``pyproject.toml`` requires."""
    document = parse_toml(data.decode("utf-8"))
    listed = document.get("project", {}).get("dependencies", [])
    table = document.get("tool", {}).get("poetry", {}).get("dependencies", {})
    return {_name(text) for text in listed} | {normalized(name) for name in table}


def _name(requirement: str) -> str:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return normalized(Requirement(requirement).name)
    except InvalidRequirement:
        return ""


def _requirements(file: Path, data: bytes, distribution: str, change: Callable[[str], str], new: str | None) -> bytes:
    """Change the entry of a distribution by its text; `new` is changed and put in where there is none."""
    document = parse_toml(data.decode("utf-8"))
    project = document.get("project", {})
    if "project" in document and "dependencies" not in project.get("dynamic", ()):
        return _edited(file, data, lambda one: _in_list(one["project"], distribution, change, new))
    if "dependencies" in document.get("tool", {}).get("poetry", {}):
        place = ("tool", "poetry", "dependencies")
        return _edited(file, data, lambda one: _in_table(_descend(one, place), distribution, change, new))
    if "project" in document and new is not None:
        raise PackageError(
            "X07PKG_EDIT",
            "the dependencies of the project are filled in when it is built",
            where=str(file),
            hint=f"add {change(new)} where they come from, then run x07 pkg sync",
        )
    return data


def _in_list(project: Any, distribution: str, change: Callable[[str], str], new: str | None) -> None:
    rows = project.get("dependencies", [])
    at = next((number for number, text in enumerate(rows) if _name(str(text)) == distribution), None)
    if at is not None:
        text = change(str(rows[at]))
        if not text:
            del rows[at]
        elif text != rows[at]:
            rows[at] = text
    elif new is not None and "dependencies" in project:
        rows.append(change(new))
    elif new is not None:
        project["dependencies"] = [change(new)]


def _in_table(table: Any, distribution: str, change: Callable[[str], str], new: str | None) -> None:
    """The same in a table of poetry: a name to versions, or to a table of versions and extras."""
    from packaging.requirements import Requirement

    key = next((name for name in table if normalized(name) == distribution), None)
    if key is None and new is None:
        return
    value = "*" if key is None else table[key]
    rest = dict(value) if isinstance(value, MutableMapping) else {"version": str(value)}
    extras = ",".join(rest.get("extras", ()))
    text = change(new if key is None and new is not None else f"{distribution}[{extras}]")
    if not text:
        del table[key]
        return
    one = Requirement(text)
    rest["version"] = str(one.specifier) or rest.get("version", "*")
    rest["extras"] = sorted(one.extras)
    plain = rest["version"] if not one.extras and rest.keys() == {"version", "extras"} else _inline(rest, table)
    table[key or distribution] = plain


def _inline(fields: dict[str, Any], beside: Any) -> Any:
    if type(beside) is dict:
        return fields
    import tomlkit

    table = tomlkit.inline_table()
    table.update(fields)
    return table


def _edited(file: Path, data: bytes, change: Change) -> bytes:
    import tomlkit

    text = data.decode("utf-8")
    wanted, document = parse_toml(text), tomlkit.parse(text)
    change(wanted)
    change(document)
    edited = _tidied(text, document, wanted)
    if not _parses_to(edited, wanted):
        raise PackageError(
            "X07PKG_EDIT",
            "the manifest is written in a way that cannot be edited safely",
            where=str(file),
            hint=f"write its dependencies as a table [{'.'.join(_place(file))}]",
        )
    return edited.encode()


def _place(file: Path) -> tuple[str, ...]:
    return ("tool", "x07", "dependencies") if file.name == PYPROJECT else ("dependencies",)


def _descend(document: Any, place: Sequence[str], *, create: bool = False) -> Any:
    for key in place:
        if create and key not in document:
            document[key] = {}
        document = document.get(key) if isinstance(document, MutableMapping) else None
    return document


def _with_new_table(text: str, place: Sequence[str], name: str, requirement: str) -> str:
    import tomlkit

    end = _line_end(text)
    entry = tomlkit.document()
    entry[name] = requirement
    gap = "" if not text else end if text.endswith("\n") else end * 2
    return f"{text}{gap}[{'.'.join(place)}]{end}{tomlkit.dumps(entry).strip()}{end}"


def _line_end(text: str) -> str:
    return "\r\n" if text.count("\r\n") * 2 > text.count("\n") else "\n"


def _tidied(text: str, document: Any, wanted: dict[str, Any]) -> str:
    """Return `text` with the one change that `document` has: in the right place, with the line end of the file."""
    import tomlkit

    old, new = text.splitlines(keepends=True), tomlkit.dumps(document).splitlines(keepends=True)
    codes = SequenceMatcher(a=old, b=new, autojunk=False).get_opcodes()
    for start, end, new_start, new_end in _smallest_first(code[1:] for code in codes if code[0] != "equal"):
        lines = [line.rstrip("\r\n") + _line_end(text) for line in new[new_start:new_end] if line.strip()]
        for at in (_up_to_table(old, start), start) if start == end else (start,):
            edited = "".join([*old[:at], *lines, *old[at if start == end else end :]])
            if _parses_to(edited, wanted):
                return edited
    return "".join(new)


def _smallest_first(spans: Iterable[tuple[int, int, int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """Yield each span of changed lines, before it those of its first lines that may be all that has to change."""
    for start, end, new_start, new_end in spans:
        if start < end and new_start < new_end:
            yield start, start + 1, new_start, new_start + 1
            yield start, start + 1, new_start, new_start
            yield from ((start, start, new_start, stop) for stop in range(new_start + 1, new_end))
        yield start, end, new_start, new_end


def _up_to_table(lines: list[str], start: int) -> int:
    """Return the first blank line of the blank lines and comments directly above `start`, or `start`."""
    above = start
    while above and (not lines[above - 1].strip() or lines[above - 1].lstrip().startswith("#")):
        above -= 1
    return next((at for at in range(above, start) if not lines[at].strip()), start)


def _parses_to(text: str, wanted: dict[str, Any]) -> bool:
    try:
        return parse_toml(text) == wanted
    except ValueError:
        return False
