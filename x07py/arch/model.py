"""What a scan says about one module, whatever language it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from x07py.diag import Diagnostic

ImportKind = Literal["run", "type", "dynamic"]


@dataclass(frozen=True, slots=True)
class Place:
    """A line (1-based), a column (1-based) and the text of the line, stripped on the right."""

    line: int
    column: int
    source: str


@dataclass(frozen=True, slots=True)
class Import:
    """One import as written.

    Args:
        base: absolute dotted name that is imported for sure.
        name: what is taken from `base` by ``from``, which may be a module below it or not; empty without.
        kind: ``type`` stands below ``TYPE_CHECKING`` and does not run; ``dynamic`` goes through importlib.
        place: where it stands.
    """

    base: str
    name: str
    kind: ImportKind
    place: Place


@dataclass(frozen=True, slots=True)
class Use:
    """A use of something that a solve world may refuse: full dotted name, or ``import ?`` and ``set order``."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class BareBytes:
    """An exported function whose parameter (or result, if `param` is empty) is bare ``bytes``."""

    symbol: str
    param: str
    type: str
    place: Place


@dataclass(frozen=True, slots=True)
class Module:
    """One scanned module: id, path below the root, imports, uses, exported names and bare bytes at its border."""

    id: str
    path: str
    is_package: bool
    imports: tuple[Import, ...]
    uses: tuple[Use, ...]
    exports: tuple[str, ...]
    bare_bytes: tuple[BareBytes, ...]


def at(place: Place, path: str) -> dict[str, object]:
    """Return the location fields of a finding."""
    return {"path": path, "line": place.line, "column": place.column, "source": place.source}


def finding(code: str, message: str, **fields: object) -> Diagnostic:
    """Return a finding; severity ``error`` unless the code starts with ``W_``."""
    severity = "warning" if code.startswith("W_") else "error"
    return Diagnostic(code, message=message, **{"severity": severity, **fields})  # type: ignore[arg-type]
