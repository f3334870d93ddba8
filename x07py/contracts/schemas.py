"""JSON Schemas of every file and report that x07py reads or writes, by their file name."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import x07py

_PACKAGE = Path(x07py.__file__).parent
_FOLDERS = (_PACKAGE / "schemas", _PACKAGE.parent / "schemas")
"""In a wheel the schemas are inside the package; in a checkout they stand at the root of the repository."""
SHIPPED = (_PACKAGE, *_FOLDERS)
"""The folders of x07py itself that it reads at run time."""


@cache
def load_schema(name: str) -> dict[str, Any]:
    """Return the schema ``NAME.schema.json``, for example ``load_schema("x07.arch.rr.index")``.

    Raises:
        LookupError: no such schema ships with x07py (a defect of the caller).
    """
    for folder in _FOLDERS:
        path = folder / f"{name}.schema.json"
        if path.is_file():
            schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return schema
    raise LookupError(f"no schema {name!r} ships with x07py")
