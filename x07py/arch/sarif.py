"""Findings as SARIF 2.1.0, which code hosts and editors read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py._version import __version__
from x07py.codes import all_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.diag import Diagnostic

_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def sarif_document(findings: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return one SARIF log with one run."""
    codes = all_codes()
    rules = [
        {"id": code, "shortDescription": {"text": codes[code].title}, "help": {"text": codes[code].fix}}
        for code in sorted({row.code for row in findings})
    ]
    return {
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [
            {
                "tool": {"driver": {"name": "x07 arch check", "version": __version__, "rules": rules}},
                "columnKind": "utf16CodeUnits",
                "results": [_result(row) for row in findings],
            }
        ],
    }


def _result(row: Diagnostic) -> dict[str, Any]:
    text = ". ".join(filter(None, [row.message, row.hint]))
    result: dict[str, Any] = {"ruleId": row.code, "level": _LEVELS[row.severity], "message": {"text": text}}
    if row.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": row.path}}
        if row.line:
            place["region"] = {"startLine": row.line, "startColumn": row.column or 1}
        result["locations"] = [{"physicalLocation": place}]
    return result
