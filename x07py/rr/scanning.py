"""Secrets that stand in recordings already: known values, patterns of providers, and text that looks random.

A table of our own, because the well-kept rule sets scan lines of source: what they know does not look into Base64,
JSON in JSON, gzip, or fields of a cassette. Known values and patterns are looked for in every reading of an entry that
the guard has; randomness only in texts as they stand, since every decoding of something else looks random.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import FileError
from x07py.files import load_json, read_file
from x07py.rr.cassette import Cassette
from x07py.rr.cassette_files import project_of
from x07py.rr.folder import cassettes_in
from x07py.rr.guard import readings, secret_in
from x07py.rr.text_side import text_side_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BASELINE = "scan.baseline.json"
"""The file of what is accepted, in the folder of cassettes."""
BASELINE_SCHEMA = "x07.rr.scan.baseline@0.1.0"
_LARGEST = 2**26
_PATTERNS = {
    "aws-access-key": rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "github-token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90})\b",
    "gitlab-token": rb"\bglpat-[A-Za-z0-9_-]{20,40}\b",
    "slack-token": rb"\bxox[abeoprs]-[A-Za-z0-9-]{10,100}",
    "slack-webhook": rb"hooks\.slack\.com/services/T[A-Za-z0-9_/]{20,80}",
    "stripe-key": rb"\b[rs]k_live_[A-Za-z0-9]{20,100}\b",
    "google-api-key": rb"\bAIza[A-Za-z0-9_-]{35}",
    "google-oauth": rb"\bya29\.[A-Za-z0-9_-]{20,200}",
    "openai-or-anthropic-key": rb"\bsk-[A-Za-z0-9_-]{20,200}",
    "npm-token": rb"\bnpm_[A-Za-z0-9]{36}\b",
    "pypi-token": rb"\bpypi-AgE[A-Za-z0-9_-]{50,300}",
    "sendgrid-key": rb"\bSG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",
    "azure-account-key": rb"AccountKey=[A-Za-z0-9+/]{60,100}",
    "json-web-token": rb"\beyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,1000}",
    "private-key": rb"-----BEGIN (?:[A-Z]{2,9} )?PRIVATE KEY-----",
    "password-in-address": rb"://[^/\s:@\"'<>]{1,100}:(?!<redacted>)[^/\s@\"'<>]{3,200}@",
}
_PROVIDERS = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_RANDOM = re.compile(rb"[A-Za-z0-9+/_-]{24,200}")
_LEAST_ENTROPY = 4.4
_DIGEST = re.compile(rb"(?:[0-9a-f]+|[0-9A-F]+)\Z|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\Z")


class Found(NamedTuple):
    """What looks like a secret, without its text.

    Args:
        file: name of the file.
        place: entry and field, or line.
        rule: name of a provider's pattern, ``known-value`` or ``random-text``.
        fingerprint: tells this finding from others, in a baseline.
    """

    file: str
    place: str
    rule: str
    fingerprint: str


def scan(path: Path, name: str) -> Iterator[Found]:
    """Yield what looks like a secret in a cassette, in an interrupted recording, or in a text side.

    Args:
        path: the file.
        name: what it is called in findings.

    Raises:
        CassetteError: as `Cassette.load`.
        FileError: it cannot be read.
    """
    seen: set[tuple[str, str]] = set()
    for place, data in _parts(path):
        for rule, text in _in(data):
            fingerprint = hashlib.sha256(f"{name}\0{rule}\0".encode() + text).hexdigest()[:16]
            if (place, fingerprint) not in seen:
                seen.add((place, fingerprint))
                yield Found(name, place, rule, fingerprint)


def recorded_files(folder: Path) -> list[Path]:
    """Return the cassettes and interrupted recordings below a folder, each with its text side if that is there."""
    return [file for one in cassettes_in(folder) for file in (one, text_side_of(one)) if file.is_file()]


def read_baseline(path: Path) -> list[dict[str, str]]:
    """Return the findings that are accepted, each with a reason.

    Raises:
        FileError: ``X07RR_BASELINE`` if it is not what `x07 rr scan --accept` writes, or a reason is missing.
    """
    try:
        document: Any = load_json(read_file(path, limit=_LARGEST))
        rows = document["accepted"]
        if document["schema_version"] != BASELINE_SCHEMA or not all(
            isinstance(row.get(key), str) and row[key].strip()
            for row in rows
            for key in ("file", "rule", "fingerprint", "reason")
        ):
            raise ValueError
    except FileNotFoundError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError):
        raise FileError(
            "X07RR_BASELINE",
            "the baseline of the scan cannot be used",
            where=str(path),
            hint="every line of it has file, rule, fingerprint and a reason; restore it, or delete it and accept anew",
        ) from None
    return list(rows)


def sorted_out(found: Iterable[Found], accepted: list[dict[str, str]]) -> tuple[list[Found], list[dict[str, str]]]:
    """Return the findings that nobody accepted, and the acceptances that accept nothing."""
    known = {(row["file"], row["fingerprint"]) for row in accepted}
    every = list(found)
    there = {(one.file, one.fingerprint) for one in every}
    return (
        [one for one in every if (one.file, one.fingerprint) not in known],
        [row for row in accepted if (row["file"], row["fingerprint"]) not in there],
    )


def _parts(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".md":
        for number, line in enumerate(read_file(path, limit=_LARGEST, root=project_of(path)).split(b"\n"), 1):
            yield f"line {number}", line
        return
    for number, entry in enumerate(Cassette.load(path).entries):
        for field in ("req", "resp", "meta", "scope", "key"):
            value = getattr(entry, field)
            data = value if isinstance(value, bytes) else value.encode("utf-8", "surrogateescape")
            if data:
                yield f"entry {number}, {field}", data


def _in(data: bytes) -> Iterator[tuple[str, bytes]]:
    known = secret_in(data)
    if known is not None:
        yield "known-value", known.encode()
    for view in readings(data):
        for rule, pattern in _PROVIDERS.items():
            for found in pattern.finditer(view):
                yield rule, found[0]
    for found in _RANDOM.finditer(data):
        text = found[0]
        if _entropy(text) >= _LEAST_ENTROPY and _is_mixed(text) and not _DIGEST.match(text):
            yield "random-text", text


def _is_mixed(text: bytes) -> bool:
    return text != text.lower() and text != text.upper() and any(byte in b"0123456789" for byte in text)


def _entropy(text: bytes) -> float:
    """Return Shannon's entropy in bits a byte."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
