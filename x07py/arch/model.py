"""What a scan says about one module, whatever language it is written in.

A module is plain tuples of names and offsets, so that many are read from the cache in one go; where an offset stands
(line, column, the line itself) is worked out for findings only, from the file.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from x07py.diag import Diagnostic

Depth = Literal[0, 1, 2]
"""How much of a module a check needs: its imports; bare bytes at its border too; its exports and uses too."""

ImportKind = Literal["run", "type", "dynamic"]

Import: TypeAlias = tuple[str, tuple[str, ...], ImportKind, int]
"""One import statement, or one name of it: what is imported for sure (absolute), the names that are taken from it by
``from`` (each may be a module below it or not), whether it runs (``type`` stands below ``TYPE_CHECKING`` and does not;
``dynamic`` goes through importlib), and its offset in the text."""

Use: TypeAlias = tuple[str, int]
"""A use of something that a solve world may refuse: full dotted name or one of the two below; and offset."""

BareBytes: TypeAlias = tuple[str, str, str, int]
"""Bare bytes at a border: exported function, parameter (empty for the result), type, offset."""


Scope: TypeAlias = tuple[str, str, str, int]
"""A scope of a contract, or an operation: ``policy`` or ``budget`` and the contract's id (empty: only a run can tell);
or ``op`` and the policy of the innermost scope around it (empty for none, ``*`` for one that is not named). Then the
operation, and the offset."""


DYNAMIC_IMPORT = "import ?"
"""The name of the use of an import whose target is known at run time only."""
SET_ORDER = "set order"
"""The name of the use of a set's order."""


class Module(NamedTuple):
    """One scanned module.

    Args:
        id: dotted name.
        path: path of the file below the root, ``/`` separated.
        imports: what it imports, in no special order.
        uses: what a solve world may refuse; empty unless the scan was that deep.
        exports: names of public functions and classes; empty unless the scan was that deep.
        bare_bytes: bare bytes at its border; empty unless the scan was that deep.
        secrets: offsets of passwords and keys in its text.
        scopes: scopes of contracts that it opens, and operations in them.
    """

    id: str
    path: str
    imports: tuple[Import, ...]
    uses: tuple[Use, ...] = ()
    exports: tuple[str, ...] = ()
    bare_bytes: tuple[BareBytes, ...] = ()
    secrets: tuple[int, ...] = ()
    scopes: tuple[Scope, ...] = ()


def finding(code: str, message: str, **fields: object) -> Diagnostic:
    """Return a finding; severity ``error`` unless the code starts with ``W_``."""
    severity = "warning" if code.startswith("W_") else "error"
    return Diagnostic(code, message=message, **{"severity": severity, **fields})  # type: ignore[arg-type]
