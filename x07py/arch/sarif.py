"""Findings as SARIF 2.1.0 (OASIS, errata 01), which code hosts and editors read."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from x07py._version import __version__
from x07py.codes import all_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.diag import Diagnostic

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}
_ROOT = "PROJECTROOT"


def sarif_document(findings: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return one SARIF log with one run; paths are relative to the project root."""
    codes = all_codes()
    names = sorted({row.code for row in findings})
    rules = [
        {
            "id": name,
            "shortDescription": {"text": codes[name].title},
            "fullDescription": {"text": codes[name].why},
            "help": {"text": codes[name].fix},
        }
        for name in names
    ]
    seen: Counter[str] = Counter()
    return {
        "version": "2.1.0",
        "$schema": _SCHEMA,
        "runs": [
            {
                "tool": {"driver": {"name": "x07 arch check", "version": __version__, "rules": rules}},
                "originalUriBaseIds": {_ROOT: {"description": {"text": "the project root"}}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(row, names.index(row.code), seen) for row in findings],
            }
        ],
    }


def _result(row: Diagnostic, rule: int, seen: Counter[str]) -> dict[str, Any]:
    text = "\n".join([". ".join(filter(None, [row.message, row.hint])), *row.notes])
    result: dict[str, Any] = {
        "ruleId": row.code,
        "ruleIndex": rule,
        "level": _LEVELS[row.severity],
        "message": {"text": text},
        "partialFingerprints": {"x07Finding/v1": _fingerprint(row, seen)},
    }
    if row.path:
        place: dict[str, Any] = {"artifactLocation": {"uri": quote(row.path), "uriBaseId": _ROOT}}
        if row.line:
            place["region"] = {"startLine": row.line, "startColumn": row.column or 1}
            if row.source is not None:
                place["region"]["snippet"] = {"text": row.source}
        result["locations"] = [{"physicalLocation": place}]
    if row.related:
        result["relatedLocations"] = [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(one.path), "uriBaseId": _ROOT},
                    "region": {"startLine": one.line, "startColumn": one.column},
                },
                "message": {"text": one.message},
            }
            for one in dict.fromkeys(row.related)
        ]
    return result


def _fingerprint(row: Diagnostic, seen: Counter[str]) -> str:
    """Return what stays the same when the lines above a finding move: what a baseline compares, and which of equals."""
    same = "\0".join((row.code, row.path or "", row.message))
    seen[same] += 1
    return hashlib.sha256(f"{same}\0{seen[same]}".encode()).hexdigest()
