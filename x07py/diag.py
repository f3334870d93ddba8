"""One diagnostic type for every check, so that each command renders findings alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding of a check.

    Args:
        code: stable identifier, listed by ``x07 explain``.
        severity: ``error`` findings fail the command, the others do not.
        message: what is wrong, one sentence without a full stop.
        path: file that the finding is about, relative to the project root, ``/`` separated.
        line: 1-based line, if known.
        column: 1-based column, if known.
        source: the source line that the finding points at, if there is one.
        hint: what to do about it, one sentence.
        notes: further facts, one a line (an import chain, the files that differ).
        data: machine-readable facts; keys are part of the report format.
    """

    code: str
    severity: Severity
    message: str
    path: str | None = None
    line: int | None = None
    column: int | None = None
    source: str | None = None
    hint: str | None = None
    notes: tuple[str, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    def location(self) -> str:
        """Return ``path:line:column`` as far as it is known, or an empty string."""
        parts = [str(part) for part in (self.path, self.line, self.column) if part is not None]
        return ":".join(parts)


def github_line(row: Diagnostic) -> str:
    """Return a finding as a workflow command that GitHub shows beside the line."""
    kind = {"error": "error", "warning": "warning", "info": "notice"}[row.severity]
    places = {"file": row.path, "line": row.line, "col": row.column, "title": row.code}
    fields = ",".join(f"{name}={_property(str(value))}" for name, value in places.items() if value is not None)
    text = "\n".join([". ".join(filter(None, [row.message, row.hint])), *row.notes])
    return f"::{kind} {fields}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
