"""A report of ``x07 arch check`` as text for people and as a document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.cli.output import console
from x07py.printing import escaped

if TYPE_CHECKING:
    from x07py.arch.check import Report
    from x07py.diag import Diagnostic

_PARSING = ("_PARSE", "_READ", "_SCHEMA_VERSION", "_SCHEMA_INVALID", "_LOCK_INVALID", "_MANIFEST_INVALID")


def report_document(report: Report) -> dict[str, Any]:
    """Return the JSON report, schema ``x07.arch.report``."""
    document = {
        "schema_version": "x07.arch.report@0.1.0",
        "manifest": {"path": report.manifest_path, "jcs_sha256_hex": report.manifest_digest},
        "stats": report.stats(),
        "diags": [_diagnostic(row) for row in report.findings],
        "suggested_patches": [patch.document() for patch in report.patches],
    }
    return {**document, "changed": report.changed.document()} if report.changed else document


def _diagnostic(row: Diagnostic) -> dict[str, Any]:
    stage = "parse" if row.code.endswith(_PARSING) else "lint"
    document: dict[str, Any] = {"code": row.code, "severity": row.severity, "stage": stage, "message": row.message}
    if row.path:
        at = {"line": row.line or 1, "col": row.column or 1}
        document["loc"] = {"kind": "text", "span": {"file": row.path, "start": at, "end": at}}
    optional = {"data": {**row.data, **({"hint": row.hint} if row.hint else {})}, "notes": list(row.notes)}
    return {**document, **{name: value for name, value in optional.items() if value}}


def print_text(report: Report) -> None:
    """Print a report for people."""
    out = console()
    for row in report.findings:
        out.print(f"{row.severity}[{row.code}]", style="bold red" if row.severity == "error" else "yellow", end="")
        out.print(f": {row.message}")
        if row.path:
            out.print(f"  --> {escaped(row.location())}", style="cyan")
        if row.source:
            out.print(f"   {row.line:>4} | {row.source}")
        for note in row.notes:
            out.print(f"   note: {note}")
        if row.hint:
            out.print(f"   help: {row.hint}")
        out.print()
    out.print(report.summary(), style="red" if report.exit_code else "green")
    for widens, command in ((False, "--write"), (True, "--write --allow-widening")):
        if notes := [f"{patch.path}: {patch.note}" for patch in report.patches if patch.widens == widens]:
            out.print(f"`x07 arch check {command}` would: {'; '.join(notes)}")
