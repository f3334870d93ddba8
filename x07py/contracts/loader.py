"""Reading contract files: where the project is, which paths are safe, and JSON without duplicate keys."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from x07py.contracts.defaults import filled
from x07py.errors import ContractError
from x07py.files import CONTRACT_BYTES, cannot_read, load_json, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable

JsonObject = dict[str, Any]


_CONTRACTS = (
    "arch/manifest.x07arch.json",
    "arch/msg/index.x07msg.json",
    "arch/rr/index.x07rr.json",
    "arch/budgets/index.x07budgets.json",
)


_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def check_id(name: object, use: str) -> None:
    """Refuse an id of a contract that is more than a word, where it becomes part of something else.

    Args:
        name: the id, as a file states it.
        use: what becomes of it, as ``a file is named after it``.

    Raises:
        ContractError: ``X07_CONTRACT_PATH``.
    """
    if not isinstance(name, str) or not _ID.fullmatch(name):
        raise ContractError(
            "X07_CONTRACT_PATH",
            f"{str(name)[:80]!r} is no id: {use}",
            where="an id of the document",
            hint="ids are letters, digits, then dots, hyphens and underscores too, 128 at most",
        )


def find_root(start: Path | None = None) -> Path:
    """Return the project's folder, from `start` (default: the working directory) upwards.

    The nearest folder with contracts under ``arch/``, as far up as the repository (``.git``) goes; else the nearest
    with a ``pyproject.toml``; else the repository. A folder that is only called ``arch`` says nothing. Without any,
    `start` itself is the root, so that errors name the place where a file was looked for.
    """
    here = (start or Path.cwd()).resolve()
    folders = [here, *here.parents]
    repository = next((number for number, folder in enumerate(folders) if (folder / ".git").exists()), None)
    if repository is not None:
        folders = folders[: repository + 1]
    for markers in (_CONTRACTS, ("pyproject.toml",), (".git",)):
        for folder in folders:
            if any((folder / marker).exists() for marker in markers):
                return folder
    return here


def resolve_inside(root: Path, relative: str) -> Path:
    """Return `relative` below `root`.

    Raises:
        ContractError: ``X07_CONTRACT_PATH`` if the path is absolute, has a ``..`` segment, or leaves `root` by a link.
    """
    path = PurePosixPath(relative)
    unsafe = path.is_absolute() or ".." in path.parts or "\\" in relative or "\0" in relative
    inside = root if unsafe else Path(os.path.realpath(root / path))  # a link to itself leads to itself
    if unsafe or not inside.is_relative_to(os.path.realpath(root)):
        raise ContractError(
            "X07_CONTRACT_PATH",
            f"path {relative!r} leaves the project",
            where=str(root),
            hint="use a path relative to the project root, without '..'",
        )
    return inside


def parse_json(text: str | bytes) -> Any:
    """Parse JSON (RFC 8259, bytes are UTF-8) and refuse what other parsers resolve in different ways.

    Raises:
        ValueError: not JSON, an object has a key twice, or an escape spells half of a character.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    document = load_json(text, object_pairs_hook=_unique)
    if "\\ud" in text or "\\uD" in text:
        json.dumps(document, ensure_ascii=False).encode()
    return document


def _unique(pairs: Iterable[tuple[str, Any]]) -> JsonObject:
    result: JsonObject = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"key {key!r} stands twice in one object")
        result[key] = value
    return result


def read_object(path: Path, *, root: Path, code: int | str, hint: str) -> JsonObject:
    """Read a JSON file whose root is an object.

    Args:
        path: the file.
        root: the project, which no link leads out of.
        code: code of the error when the file is missing, unreadable, or not such JSON.
        hint: what the reader of the error should do.

    Raises:
        ContractError: with `code`.
        FileError: ``X07IO_READ`` if the file exists and cannot be read, or a link leads out of the project.
    """
    try:
        document = parse_json(read_file(path, limit=CONTRACT_BYTES, root=root))
    except FileNotFoundError:
        raise ContractError(code, "the file does not exist", where=str(path), hint=hint) from None
    except (ValueError, RecursionError) as error:
        raise ContractError(code, f"not valid JSON: {error}", where=str(path), hint=hint) from None
    except OSError as error:
        raise cannot_read(path, error, hint) from None
    if not isinstance(document, dict):
        raise ContractError(code, "the root is not a JSON object", where=str(path), hint=hint)
    return document


def read_contract(path: Path, *, root: Path, code: int | str, hint: str) -> JsonObject:
    """Read a contract as `read_object` does, and fill in what a file of x07py's own formats leaves out."""
    return filled(read_object(path, root=root, code=code, hint=hint))


def find_by_id(index: JsonObject, collection: str, wanted: str) -> JsonObject | None:
    """Return the entry of ``index[collection]`` whose ``id`` is `wanted`, or None."""
    rows = index.get(collection)
    if not isinstance(rows, list):
        return None
    return next((row for row in rows if isinstance(row, dict) and row.get("id") == wanted), None)


def ids_of(index: JsonObject, collection: str) -> list[str]:
    """Return the ids of ``index[collection]``, for messages that say what there is to choose from."""
    rows = index.get(collection)
    return sorted(str(row.get("id")) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else []
