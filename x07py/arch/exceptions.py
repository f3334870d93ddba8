"""Exceptions, each with a reason: the manifest's, for findings of one code in files that a pattern names, and comments
in code, for what one line reaches.

They are counted in the summary, and one that excuses nothing is a finding itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.arch.model import finding
from x07py.arch.place import POINTER
from x07py.arch.rules.worlds import CODES
from x07py.arch.scan.allowances import allows
from x07py.arch.scan.patterns import compile_globs, literal_glob

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.model import Module
    from x07py.diag import Diagnostic

FIRST_REASON = "was so when the manifest was made; look at it, and say here why it is right"


_BY_CODE = {"E_ARCH_SECRET_IN_MODULE": "secret"}
_KNOWN = {*CODES, *_BY_CODE.values()}


class Excused(NamedTuple):
    """What is left of findings, and how many were taken out."""

    findings: list[Diagnostic]
    excepted: int


def excuse(manifest: Manifest, findings: Iterable[Diagnostic]) -> Excused:
    """Take out the findings that the manifest's exceptions name; time is linear in findings times exceptions."""
    rows = [(row, compile_globs([row["path"]])) for row in manifest.document.get("exceptions", ())]
    used: set[int] = set()
    left: list[Diagnostic] = []
    count = 0
    for one in findings:
        hits = [
            place
            for place, (row, pattern) in enumerate(rows)
            if row["code"] == one.code and one.path and one.path != manifest.path and pattern.fullmatch(one.path)
        ]
        used.update(hits)
        count += bool(hits)
        if not hits:
            left.append(one)
    left += [_unused(manifest, place) for place in range(len(rows)) if place not in used]
    return Excused(left, count)


def excuse_in_code(graph: Graph, findings: Iterable[Diagnostic]) -> Excused:
    """Take out the findings that comments of their lines allow; a comment without a reason allows nothing."""
    comments = {
        (module.path, line): (what, at)
        for module in graph.modules.values()
        for at, line, what, reason in module.allows
        if reason
    }
    used: set[tuple[str, int, str]] = set()
    left: list[Diagnostic] = []
    count = 0
    for one in findings:
        capability = _capability(one)
        what, at = comments.get((one.path or "", one.line or 0), ((), 0))
        hits = [(one.path or "", at, word) for word in what if allows((word,), capability)]
        used.update(hits)
        count += bool(hits)
        if not hits:
            left.append(one)
    left += [row for module in graph.modules.values() if module.allows for row in _idle(graph, module, used)]
    return Excused(left, count)


def _capability(one: Diagnostic) -> str:
    capability: str = _BY_CODE.get(one.code) or one.data.get("capability", "")
    return capability if capability in _KNOWN else ""


def _idle(graph: Graph, module: Module, used: set[tuple[str, int, str]]) -> Iterator[Diagnostic]:
    """Yield the comments of a module that allow nothing: for want of a reason, or of something to allow."""
    for at, line, what, reason in module.allows:
        facts = {"module_id": module.id, "module_path": module.path}
        place = graph.sources.at_line(module.path, at)
        if not what or not reason:
            yield finding(
                "E_ARCH_ALLOW_REASON",
                f"the comment names no {'reason' if what else 'capability'}, so it allows nothing",
                **place,
                hint="# x07: allow clock -- why that is right here",
                data=facts,
            )
            continue
        for word in what:
            if (module.path, at, word) not in used:
                yield finding(
                    "E_ARCH_EXCEPTION_UNUSED",
                    f"the comment allows {word}, and no finding of that stands in line {line}",
                    **place,
                    hint="take it out" if word in _KNOWN else f"one of {', '.join(sorted(_KNOWN))}",
                    data={**facts, "name": word},
                )


def exceptions_for(findings: Iterable[Diagnostic]) -> list[dict[str, str]]:
    """Return exceptions that excuse findings in files, to be given a better reason."""
    pairs = sorted({(row.code, row.path) for row in findings if row.path})
    return [{"code": code, "path": literal_glob(path), "reason": FIRST_REASON} for code, path in pairs]


def _unused(manifest: Manifest, place: int) -> Diagnostic:
    row = manifest.document["exceptions"][place]
    return finding(
        "E_ARCH_EXCEPTION_UNUSED",
        f"an exception for {row['code']} in {row['path']!r} excuses nothing",
        path=manifest.path,
        hint="take it out",
        data={"name": row["path"], POINTER: f"/exceptions/{place}"},
    )
