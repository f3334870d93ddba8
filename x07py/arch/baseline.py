"""A baseline: findings that a project had when it started, so that only new ones fail, and it only gets better."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from x07py.arch.check import EXIT_CLEAN, EXIT_FINDINGS, Report, outcome
from x07py.arch.documents import pretty, schema_faults
from x07py.arch.model import finding
from x07py.contracts.loader import parse_json
from x07py.diag import Diagnostic, Related
from x07py.errors import ArchError
from x07py.files import CONTRACT_BYTES, cannot_read, read_file, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from x07py.arch.graph import Graph

SCHEMA = "x07.arch.baseline@0.1.0"
_HINT = "restore it from version control, or make it anew: remove it and run with --update-baseline"
_SHOWN = 20
Key = tuple[str, str, str]
"""Code, path and message: what stays the same when lines above a finding come and go."""


def hold(report: Report, path: Path, *, update: bool) -> Report:
    """Take the findings that the baseline accepts out of a report; report what the baseline holds too much.

    Args:
        report: a report with exit code 0 or 2; others are returned as they are.
        path: the baseline file.
        update: write it: all findings if there is none, else without those that no longer occur.

    Raises:
        ArchError: ``E_ARCH_BASELINE`` if it is missing or not a baseline.
        FileError: ``X07IO_READ``, ``X07IO_WRITE``.
    """
    if report.exit_code not in {EXIT_CLEAN, EXIT_FINDINGS}:
        return report
    graph = report.checked[1] if report.checked else None
    parts = [_parts(row, graph) for row in report.findings]
    found = Counter(_key(one) for rows in parts for one in rows)
    accepted = found if update and not path.exists() else _read(path)
    if update:
        accepted &= found
        replace_file(path, _bytes(accepted))
    left, kept = accepted.copy(), []
    for rows in parts:
        new = []
        for row in rows:
            if left[_key(row)] > 0:
                left[_key(row)] -= 1
            else:
                new.append(row)
        if new:
            kept.append(
                new[0]
                if len(rows) == 1
                else replace(new[0], notes=tuple(_noted(new[1:])), related=tuple(_places(new[1:])))
            )
    report.accepted = len(report.findings) - len(kept)
    report.findings = [*kept, *_stale(left, path)]
    report.exit_code = outcome(report.findings)
    return report


def _parts(row: Diagnostic, graph: Graph | None) -> list[Diagnostic]:
    """Return a finding about two nodes as one for each import: each is accepted, mended or new by itself."""
    if graph is None or "node_from" not in row.data:
        return [row]
    what = row.message.rpartition(": ")[0]
    edges = graph.between(row.data["node_from"], row.data["node_to"])
    if len(edges) == 1:
        return [row]
    return [
        replace(
            row,
            message=f"{what}: {edge.module.id} imports {edge.target}",
            **graph.at(edge),
            data={
                **row.data,
                "module_path": edge.module.path,
                "module_id": edge.module.id,
                "import": edge.target,
            },
        )
        for edge in edges
    ]


def _noted(rows: Sequence[Diagnostic]) -> Iterator[str]:
    yield from (f"{row.path}:{row.line} imports {row.data['import']}" for row in rows[:_SHOWN])
    if len(rows) > _SHOWN:
        yield f"and {len(rows) - _SHOWN} more"


def _places(rows: Sequence[Diagnostic]) -> Iterator[Related]:
    for row in rows:
        yield Related(row.path or "", row.line or 1, row.column or 1, row.message.rpartition(": ")[2])


def _key(row: Diagnostic) -> Key:
    return row.code, row.path or "", row.message


def _stale(left: Counter[Key], path: Path) -> Iterable[Diagnostic]:
    gone = sorted((+left).elements())
    if gone:
        yield finding(
            "W_ARCH_BASELINE_STALE",
            f"{len(gone)} findings of the baseline no longer occur",
            path=str(path),
            hint=f"x07 arch check --baseline {path} --update-baseline",
            notes=tuple(f"{code} {where}: {message}" for code, where, message in gone[:20]),
        )


def _bytes(accepted: Counter[Key]) -> bytes:
    rows = [
        {"code": code, "path": where, "message": message, "count": count}
        for (code, where, message), count in sorted(accepted.items())
    ]
    return pretty({"schema_version": SCHEMA, "findings": rows})


def _read(path: Path) -> Counter[Key]:
    try:
        document: Any = parse_json(read_file(path, limit=CONTRACT_BYTES))
    except FileNotFoundError:
        raise ArchError(
            "E_ARCH_BASELINE", "there is no baseline", where=str(path), hint="make it with --update-baseline"
        ) from None
    except OSError as error:
        raise cannot_read(path, error) from None
    except (ValueError, RecursionError) as error:
        raise ArchError("E_ARCH_BASELINE", f"not valid JSON: {error}", where=str(path), hint=_HINT) from None
    for fault in schema_faults(document, "x07.arch.baseline"):
        what = f"{fault.instance_path or 'the document'}: {fault.message}"
        raise ArchError("E_ARCH_BASELINE", what, where=str(path), hint=_HINT)
    return Counter({(row["code"], row["path"], row["message"]): row["count"] for row in document["findings"]})
