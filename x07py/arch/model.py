"""What a scan says about one module, whatever language it is written in.

A module is plain tuples of names and offsets, so that many are read from the cache in one go; where an offset stands
(line, column, the line itself) is worked out for findings only, from the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from x07py.diag import Diagnostic

if TYPE_CHECKING:
    from x07py.arch.scan.allowances import Allowance

Depth = Literal[0, 1, 2]
"""How much of a module a check needs: its imports; bare bytes at its border too; its exports too."""

ImportKind = Literal["run", "type", "dynamic"]

Import: TypeAlias = tuple[str, tuple[str, ...], ImportKind, int]
"""One import statement, or one name of it: what is imported for sure (absolute; with dots in front if it
lies beyond the top package), the names that are taken from it by
``from`` (each may be a module below it or not), whether it runs (``type`` stands below ``TYPE_CHECKING`` and does not;
``dynamic`` goes through importlib), and its offset in the text."""

BareBytes: TypeAlias = tuple[str, str, str, int]
"""Bare bytes at a border: exported function, parameter (empty for the result), type, offset."""


Scope: TypeAlias = tuple[str, str, str, int]
"""A scope of a contract, or an operation: ``policy`` or ``budget`` and the contract's id (empty: only a run can tell);
or ``op`` and the policy of the innermost scope around it (empty for none, ``*`` for one that is not named). Then the
operation, and the offset."""


ContractName: TypeAlias = tuple[str, str, int]
"""What a call of x07py's public functions names: ``topic``, ``source`` or ``profile``, the name and its offset; or a
constant of the module and its text."""


class Module(NamedTuple):
    """One scanned module.

    Args:
        id: dotted name.
        path: path of the file below the root, ``/`` separated.
        imports: what it imports, in no special order.
        exports: names of public functions and classes; empty unless the scan was that deep.
        bare_bytes: bare bytes at its border; empty unless the scan was that deep.
        secrets: offsets of passwords and keys in its text.
        scopes: scopes of contracts that it opens, and operations in them.
        lexical: whether it was read by its tokens alone, since this Python does not have its syntax.
        names: topics, queues and profiles in calls of x07py's public functions, and constants that such calls may name.
        allows: comments that allow what a line reaches.
    """

    id: str
    path: str
    imports: tuple[Import, ...]
    exports: tuple[str, ...] = ()
    bare_bytes: tuple[BareBytes, ...] = ()
    secrets: tuple[int, ...] = ()
    scopes: tuple[Scope, ...] = ()
    lexical: bool = False
    names: tuple[ContractName, ...] = ()
    allows: tuple[Allowance, ...] = ()


def finding(code: str, message: str, **fields: object) -> Diagnostic:
    """Return a finding; severity ``error`` unless the code starts with ``W_``."""
    severity = "warning" if code.startswith("W_") else "error"
    return Diagnostic(code, message=message, **{"severity": severity, **fields})  # type: ignore[arg-type]
