"""JSON Schemas of every file and report that x07py reads or writes, by their file name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "schemas", _PACKAGE.parent / "schemas")
"""In a wheel the schemas are inside the package; in a checkout they stand at the root of the repository."""
SHIPPED = (_PACKAGE, *_FOLDERS)
"""The folders of x07py itself that it reads at run time."""


EDITOR_FOLDER = ".x07/schemas"
"""Where `x07 arch check` puts the schemas that a project's files name for editors."""


def editor_schema(name: str, path: str) -> dict[str, Any]:
    """Return the entry by which editors find the schema of a project's file: a path, so that no network is needed.

    Args:
        name: the schema, for example ``x07py.arch.manifest``.
        path: the file, relative to the project.
    """
    return {"$schema": f"{'../' * path.count('/')}{EDITOR_FOLDER}/{name}.schema.json"}


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema ``NAME.schema.json``, for example ``load_schema("x07.arch.rr.index")``.

    Raises:
        LookupError: no such schema ships with x07py (a defect of the caller).
    """
    schema: dict[str, Any] = json.loads(schema_bytes(name))
    return schema


def schema_bytes(name: str) -> bytes:
    """Return a schema as its file has it.

    Raises:
        LookupError: no such schema ships with x07py.
    """
    path = _file(name)
    if path is None:
        raise LookupError(f"no schema {name!r} ships with x07py")
    return path.read_bytes()


@cache
def is_shipped(name: str) -> bool:
    """Tell whether a schema of this name ships with x07py."""
    return _file(name) is not None


def _file(name: str) -> Path | None:
    paths = (folder / f"{name}.schema.json" for folder in _FOLDERS)
    return next((path for path in paths if path.is_file()), None)
