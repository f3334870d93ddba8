"""Entries that were recorded before a rule of redaction: refused where a recording goes on, or written anew."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from x07py.errors import CassetteError, EnvelopeError, RecordError
from x07py.files import load_json
from x07py.msg import Envelope, MessageRecord
from x07py.rr.cassette import Cassette
from x07py.rr.redaction import REDACTED

if TYPE_CHECKING:
    from x07py.rr.entry import Entry
    from x07py.rr.redaction import Redaction

_DELIVERED = 2


def redacted_entry(entry: Entry, redaction: Redaction) -> Entry:
    """Return an entry as it would have been recorded under `redaction`; itself if that is no other."""
    req, resp, meta = _request(entry.req, redaction), entry.resp, entry.meta
    try:
        record = MessageRecord.decode(resp)
        old = Envelope.decode(record.env)
    except (RecordError, EnvelopeError):
        resp = _response(resp, redaction)
    else:
        new = redaction.envelope(old)
        if new is not old:
            resp = record._replace(env=new.encode()).encode()
            if record.op_tag == _DELIVERED:
                meta = _noted(meta, redaction.hidden_in(new))
    scope = _scope(entry.scope, redaction)
    if (req, resp, scope) == (entry.req, entry.resp, entry.scope):
        return entry
    digest = hashlib.sha256(req).hexdigest() if entry.req_sha256 else ""
    return dataclasses.replace(entry, req=req, resp=resp, meta=meta, scope=scope, req_sha256=digest)


def redacted_cassette(content: bytes, redaction: Redaction) -> tuple[bytes, list[int]]:
    """Return a cassette as it would have been recorded under `redaction`, and the numbers of entries that are others.

    Raises:
        CassetteError: 2008 or 2014 if it is malformed.
    """
    entries = list(Cassette.load(content).entries)
    new = [redacted_entry(entry, redaction) for entry in entries]
    changed = [number for number, (old, now) in enumerate(zip(entries, new, strict=True)) if old is not now]
    return (Cassette.from_entries(new).to_bytes() if changed else content), changed


def refuse_unredacted(content: bytes, redaction: Redaction, name: str) -> None:
    """Refuse to go on with a recording whose entries hold what is redacted now.

    Raises:
        CassetteError: 2065.
    """
    changed = redacted_cassette(content, redaction)[1]
    if changed:
        raise CassetteError(
            2065,
            f"{len(changed)} entries hold what is redacted now; the first is number {changed[0]}",
            where=name,
            hint=f"x07 rr redact {name} rewrites them; give it the same names and fields",
        )


def _request(req: bytes, redaction: Redaction) -> bytes:
    try:
        old = Envelope.decode(req)
    except EnvelopeError:
        return _document(req, redaction)
    new = redaction.envelope(old)
    return req if new is old else new.encode()


def _response(resp: bytes, redaction: Redaction) -> bytes:
    if resp[:1] in (b"{", b"[", b'"'):
        return _document(resp, redaction)
    try:
        text = resp.decode()
    except UnicodeDecodeError:
        return resp
    return redaction.text(text).encode()


def _document(data: bytes, redaction: Redaction) -> bytes:
    try:
        old = load_json(data)
    except (ValueError, RecursionError):
        return data
    new = redaction.document(old)
    return data if new == old else _json(new).encode("utf-8", "surrogateescape")


def _scope(scope: str, redaction: Redaction) -> str:
    """Return the scope of a question, which ends with what was asked."""
    place, brace, asked = scope.partition("{")
    return place + _document((brace + asked).encode("utf-8", "surrogateescape"), redaction).decode(
        "utf-8", "surrogateescape"
    )


def _noted(meta: str, hidden: list[str]) -> str:
    """Return metadata with what is hidden noted in it; as it is if another tool has written something else there."""
    try:
        found = load_json(meta or "{}")
    except ValueError:
        return meta
    return _json({**found, REDACTED: hidden}) if isinstance(found, dict) else meta


def _json(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character, which JSON can spell and bytes cannot
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text
