"""Reading an x07AST module (``*.x07.json``): id, imports, exports, the types at its border, scopes in its bodies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.model import Module
from x07py.contracts.loader import parse_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.model import BareBytes, Scope
    from x07py.arch.scan.scopes import Functions

_POLICY_SCOPE, _BUDGET_SCOPE = "std.rr.with_policy_v1", "budget.scope_from_arch_v1"
_BYTES = frozenset(
    (
        "bytes",
        "bytes_view",
        "option_bytes",
        "option_bytes_view",
        "result_bytes",
        "result_bytes_view",
        "result_result_bytes",
    )
)


def scan_x07ast(text: bytes, path: str) -> Module:
    """Return what an x07AST file says.

    Raises:
        ValueError, RecursionError: it is not JSON, or not a module.
    """
    document = parse_json(text)
    if not isinstance(document, dict) or document.get("kind") not in ("entry", "module"):
        raise ValueError("kind is neither 'entry' nor 'module'")
    name = document.get("module_id")
    if not isinstance(name, str) or not name:
        raise ValueError("module_id is missing")
    imports = _strings(document, "imports")
    exports = _strings(document, "exports")
    for declaration in _declarations(document, "export"):
        exports += _strings(declaration, "names")
    return Module(
        id=name,
        path=path,
        imports=tuple((one, (), "run", 0) for one in sorted(set(imports))),
        exports=tuple(exports),
        bare_bytes=tuple(_bare_bytes(document, name, set(exports))),
        scopes=tuple(row for body in _bodies(document) for row in _scopes(body)),
    )


def x07ast_functions(text: bytes) -> Functions:
    """Return the functions (``defn``, ``defasync``) that an x07AST file defines.

    Raises:
        ValueError, RecursionError: it is not JSON.
    """
    found: Functions = {}
    for row in _declarations(parse_json(text), "defn", "defasync"):
        body = row.get("body")
        whole = isinstance(body, list) and len(body) == 3 and body[0] == _BUDGET_SCOPE
        found[str(row.get("name"))] = (_literal(body[1]) if isinstance(body, list) and whole else "", 0)
    return found


def _declarations(document: dict[str, Any], *kinds: str) -> Iterator[dict[str, Any]]:
    rows = document.get("decls", [])
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and row.get("kind") in kinds:
            yield row


def _bodies(document: dict[str, Any]) -> Iterator[Any]:
    yield document.get("solve")
    for row in _declarations(document, "defn", "defasync"):
        yield row.get("body")


def _scopes(body: Any) -> Iterator[Scope]:
    """Yield scopes and operations, outer ones first; of a policy scope only the part that it holds is looked at."""
    stack: list[tuple[Any, str]] = [(body, "")]
    while stack:
        part, policy = stack.pop()
        if not isinstance(part, list) or not part:
            continue
        head, rest = part[0], part[1:]
        if head == _POLICY_SCOPE:
            policy = _literal(rest[0]) if rest else ""
            yield "policy", policy, head, 0
            rest = rest[3:4]
        elif head == _BUDGET_SCOPE:
            yield "budget", _literal(rest[0]) if rest else "", head, 0
            rest = rest[1:]
        elif isinstance(head, str):
            if head.startswith("std."):
                yield "op", policy, head, 0
        else:
            rest = part
        stack += [(one, policy) for one in reversed(rest)]


def _literal(part: Any) -> str:
    """Return the text of a ``bytes.lit``, or an empty string for what only a run can tell."""
    literal = isinstance(part, list) and len(part) == 2 and part[0] == "bytes.lit" and isinstance(part[1], str)
    return part[1] if literal else ""


def _bare_bytes(document: dict[str, Any], name: str, exports: set[str]) -> Iterator[BareBytes]:
    for row in _declarations(document, "defn", "defasync"):
        full = str(row.get("name"))
        if full not in exports:
            continue
        symbol = full.removeprefix(f"{name}.")
        params = row.get("params", [])
        for param in params if isinstance(params, list) else ():
            if isinstance(param, dict) and str(param.get("ty")) in _BYTES and not param.get("brand"):
                yield symbol, str(param.get("name")), str(param["ty"]), 0
        if str(row.get("result")) in _BYTES and not row.get("result_brand"):
            yield symbol, "", str(row["result"]), 0


def _strings(table: dict[str, Any], key: str) -> list[str]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise ValueError(f"{key} is not a list of names")
    return rows
