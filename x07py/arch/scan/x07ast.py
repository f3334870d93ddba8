"""Reading an x07AST module (``*.x07.json``): its id, imports and exports."""

from __future__ import annotations

from typing import Any

from x07py.arch.model import Module
from x07py.contracts.loader import parse_json


def scan_x07ast(text: bytes, path: str) -> Module:
    """Return what an x07AST file says.

    Raises:
        ValueError, RecursionError: it is not JSON, or not a module.
    """
    document = parse_json(text)
    if not isinstance(document, dict) or document.get("kind") not in {"entry", "module"}:
        raise ValueError("kind is neither 'entry' nor 'module'")
    name = document.get("module_id")
    if not isinstance(name, str) or not name:
        raise ValueError("module_id is missing")
    imports = _strings(document, "imports")
    exports = _strings(document, "exports")
    for declaration in document.get("decls", []) if isinstance(document.get("decls", []), list) else []:
        if isinstance(declaration, dict) and declaration.get("kind") == "export":
            exports += _strings(declaration, "names")
    return Module(
        id=name,
        path=path,
        imports=tuple((one, (), "run", 0) for one in sorted(set(imports))),
        exports=tuple(exports),
    )


def _strings(table: dict[str, Any], key: str) -> list[str]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise ValueError(f"{key} is not a list of names")
    return rows
