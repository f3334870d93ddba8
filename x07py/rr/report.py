"""What commands say about cassettes: one entry in a line, one entry whole, counts, and the difference of two."""

from __future__ import annotations

import base64
import difflib
import json
from typing import TYPE_CHECKING, Any

from x07py.errors import EnvelopeError, RecordError
from x07py.msg import Envelope, MessageRecord
from x07py.rr.difference import describe_difference
from x07py.rr.entry import UNLIMITED
from x07py.rr.index import Index

if TYPE_CHECKING:
    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry


def show_bytes(data: bytes) -> str | dict[str, str]:
    """Return text if `data` is printable UTF-8, else an object with its Base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return text if text.isprintable() or not data else {"base64": base64.b64encode(data).decode()}


def show_text(text: str) -> str:
    """Return `text` as a terminal may print it: control characters, and bytes that are not UTF-8, as escapes."""
    return text if text.isprintable() else "".join(map(_show_char, text))


def _show_char(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\x{ord(char) - 0xDC00:02x}" if "\udc80" <= char <= "\udcff" else char.encode("unicode_escape").decode()


def describe_envelope(data: bytes) -> dict[str, Any]:
    """Return the fields of an encoded envelope.

    Raises:
        EnvelopeError: 9504 to 9509 if `data` is none.
    """
    envelope = Envelope.decode(data)
    return {
        "topic": show_text(envelope.topic),
        "key": show_bytes(envelope.key),
        "value": show_bytes(envelope.value),
        "headers": {show_text(name): show_text(value) for name, value in envelope.headers.items()},
    }


def describe_record(data: bytes) -> dict[str, Any]:
    """Return the fields of an encoded message record, its envelope decoded if it is one.

    Raises:
        RecordError: 9603 or 9604 if `data` is none.
    """
    record = MessageRecord.decode(data)
    return {
        "operation": {1: "publish", 2: "deliver"}.get(record.op_tag, str(record.op_tag)),
        "driver": {1: "kafka", 2: "amqp"}.get(record.driver_kind, str(record.driver_kind)),
        "endpoint": show_text(record.endpoint_hash),
        "envelope": _envelope_or_bytes(record.env),
        "ack_tag": record.ack_tag,
        "ack": show_bytes(record.ack),
    }


def describe_message(data: bytes) -> tuple[str, dict[str, Any]]:
    """Return ``record`` or ``envelope``, as the magic bytes say, and the fields.

    Raises:
        RecordError: 9603 or 9604.
        EnvelopeError: 9504 to 9509, also for bytes that are neither.
    """
    if data[4:8] == b"X7MR":
        return "record", describe_record(data)
    return "envelope", describe_envelope(data)


def _meta(text: str) -> Any:
    """Return the metadata, or the text as it stands if it is not JSON (another tool may have written it)."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return show_text(text)


def _envelope_or_bytes(data: bytes) -> Any:
    try:
        return describe_envelope(data)
    except EnvelopeError:
        return show_bytes(data)


def _record_or_bytes(data: bytes) -> Any:
    try:
        return describe_record(data)
    except RecordError:
        return show_bytes(data)


def describe_entry(number: int, entry: Entry) -> dict[str, Any]:
    """Return everything that an entry holds, decoded as far as it decodes."""
    report: dict[str, Any] = {
        "number": number,
        "kind": show_text(entry.kind),
        "op": show_text(entry.op),
        "key": show_text(entry.key),
        "scope": show_text(entry.scope),
        "err": entry.err,
        "latency_ticks": entry.latency_ticks,
        "request": _envelope_or_bytes(entry.req),
        "response": _record_or_bytes(entry.resp),
        "meta": _meta(entry.meta),
        "req_sha256": show_text(entry.req_sha256),
    }
    if entry.extra:
        report["extra"] = {show_text(name): show_bytes(value) for name, value in entry.extra.items()}
    return report


def entry_line(number: int, entry: Entry) -> str:
    """Return one line about an entry: number, operation, scope, message, error."""
    envelope = _envelope_or_bytes(entry.req)
    if not _is_envelope(envelope):
        response = _record_or_bytes(entry.resp)
        envelope = response.get("envelope") if isinstance(response, dict) else None
    message = ""
    if _is_envelope(envelope):
        message = f"{envelope['topic']} key={envelope['key']!r} value={str(envelope['value'])[:60]!r}"
    error = f"error {entry.err}" if entry.err else ""
    return "  ".join(
        part for part in (f"{number:>6}", show_text(entry.op), show_text(entry.scope), message, error) if part
    )


def _is_envelope(described: Any) -> bool:
    return isinstance(described, dict) and "topic" in described


def statistics(data: bytes) -> dict[str, Any]:
    """Return counts of a cassette: entries, bytes, errors, virtual ticks, and entries by operation, key and scope.

    Raises:
        CassetteError: 2008 or 2014 if it is damaged.
    """
    index = Index(data, max_entries=2**64, limits=UNLIMITED)
    rows = [
        {"kind": kind, "op": op, "key": key, "scope": scope, "entries": len(members)}
        for (kind, op, key, scope), members in (
            (tuple(show_text(part.decode("utf-8", "replace")) for part in bucket), index.members[number])
            for bucket, number in index.ids.items()
        )
    ]
    return {
        "entries": len(index),
        "bytes": len(data),
        "errors": len(index.errors),
        "latency_ticks": sum(index.ticks.values()),
        "operations": sorted(rows, key=lambda row: (row["op"], row["key"], row["scope"])),
    }


def compare(old: Cassette, new: Cassette) -> list[dict[str, str]]:
    """Return the differences of two cassettes in file order; entries are alike if operation, request and answer are.

    Time and metadata that differ from run to run (latency, offsets, timestamps) do not count.
    """
    before, after = [_identity(entry) for entry in old.entries], [_identity(entry) for entry in new.entries]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    changes: list[dict[str, str]] = []
    for tag, i1, i2, j1, j2 in matcher.get_opcodes():
        if tag == "equal":
            continue
        paired = min(i2 - i1, j2 - j1)
        for step in range(paired):
            one, two = old.entries[i1 + step], new.entries[j1 + step]
            changes.append(_change("~", entry_line(i1 + step, one), _detail(one, two)))
        changes += [_change("-", entry_line(number, old.entries[number])) for number in range(i1 + paired, i2)]
        changes += [_change("+", entry_line(number, new.entries[number])) for number in range(j1 + paired, j2)]
    return changes


def _identity(entry: Entry) -> tuple[object, ...]:
    return (entry.kind, entry.op, entry.key, entry.scope, entry.err, entry.req, entry.resp)


def _detail(old: Entry, new: Entry) -> str:
    parts = [
        f"  {name}\n    - {getattr(old, name)}\n    + {getattr(new, name)}"
        for name in ("kind", "op", "key", "scope", "err")
        if getattr(old, name) != getattr(new, name)
    ]
    if old.req != new.req:
        parts.append(describe_difference(old.req, new.req))
    if old.resp != new.resp:
        parts.append(describe_difference(_envelope_of(old.resp), _envelope_of(new.resp)))
    return "\n".join(parts)


def _envelope_of(resp: bytes) -> bytes:
    try:
        return MessageRecord.decode(resp).env
    except RecordError:
        return resp


def _change(kind: str, line: str, detail: str = "") -> dict[str, str]:
    return {"change": kind, "line": line, "detail": detail}
