"""Schemas for editors: a file of the project names one by a path below ``.x07``, and the check puts it there."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from x07py.contracts.journal import make_own_folder
from x07py.contracts.schemas import EDITOR_FOLDER, schema_bytes
from x07py.errors import FileError
from x07py.files import CONTRACT_BYTES, read_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_NAMED = re.compile(rf"(\.\./)*{re.escape(EDITOR_FOLDER)}/(x07py\.[a-z.-]+)\.schema\.json")


def named_schema(document: Any) -> str | None:
    """Return the schema that a document names for editors, None if it names none of x07py's."""
    named = _NAMED.fullmatch(str(document.get("$schema", ""))) if isinstance(document, dict) else None
    return named[2] if named else None


def place_schemas(root: Path, schemas: Iterable[str]) -> None:
    """Put schemas that files name for editors where they name them, as this x07py has them.

    It is a convenience: where the folder cannot be written, nothing is.

    Args:
        root: the project.
        schemas: their names, as `named_schema` returns them.
    """
    for name in sorted(schemas):
        with suppress(OSError, ValueError, LookupError, FileError):
            data, target = schema_bytes(name), root / EDITOR_FOLDER / f"{name}.schema.json"
            if not target.exists() or read_file(target, limit=CONTRACT_BYTES, root=root) != data:
                make_own_folder(root)
                replace_file(target, data, root=root)
