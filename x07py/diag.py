"""One diagnostic type for every check, so that each command renders findings alike."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from x07py.printing import escaped, terminal

Severity = Literal["error", "warning", "info"]


class Related(NamedTuple):
    """Another place that shows a finding: file, 1-based line and column, and what stands there."""

    path: str
    line: int
    column: int
    message: str


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
        related: further places that show the finding.
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
    related: tuple[Related, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    def location(self) -> str:
        """Return ``path:line:column`` as far as it is known, or an empty string."""
        parts = [str(part) for part in (self.path, self.line, self.column) if part is not None]
        return ":".join(parts)


def github_lines(row: Diagnostic, *, each: bool) -> list[str]:
    """Return a finding as workflow commands that GitHub shows beside lines.

    Args:
        row: the finding.
        each: whether each related place is one more instance of it, with a command of its own.
    """
    if not each:
        return [_github(row)]
    what = row.message.rpartition(": ")[0]
    alone = replace(row, related=(), notes=())
    others = [
        replace(alone, path=one.path, line=one.line, column=one.column, message=f"{what}: {one.message}")
        for one in row.related
    ]
    return [_github(one) for one in (alone, *others)]


def _github(row: Diagnostic) -> str:
    kind = {"error": "error", "warning": "warning", "info": "notice"}[row.severity]
    places = {"file": row.path, "line": row.line, "col": row.column, "title": row.code}
    fields = ",".join(f"{name}={_property(escaped(str(value)))}" for name, value in places.items() if value is not None)
    rows = [". ".join(filter(None, [row.message, row.hint])), *row.notes]
    text = "\n".join(terminal(escaped(line)) for one in rows for line in one.split("\n"))
    return f"::{kind} {fields}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
