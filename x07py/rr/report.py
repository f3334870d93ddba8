"""What commands say about cassettes: one entry in a line, one entry whole, counts."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, NoReturn

from x07py.errors import EnvelopeError, RecordError
from x07py.msg import Envelope, MessageRecord
from x07py.printing import escaped
from x07py.rr.entry import UNLIMITED
from x07py.rr.index import Index

if TYPE_CHECKING:
    from x07py.rr.entry import Entry

_DEPTH = 60


def show_bytes(data: bytes) -> str | dict[str, str]:
    """Return text if `data` is printable UTF-8, else an object with its Base64."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}
    return text if text.isprintable() or not data else {"base64": base64.b64encode(data).decode()}


def describe_envelope(data: bytes) -> dict[str, Any]:
    """Return the fields of an encoded envelope.

    Raises:
        EnvelopeError: 9504 to 9509 if `data` is none.
    """
    envelope = Envelope.decode(data)
    return {
        "topic": escaped(envelope.topic),
        "key": show_bytes(envelope.key),
        "value": show_bytes(envelope.value),
        "headers": {escaped(name): escaped(value) for name, value in envelope.headers.items()},
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
        "endpoint": escaped(record.endpoint_hash),
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
    """Return the metadata; the text as it stands if it is not JSON or too deep (another tool may have made it)."""
    try:
        found = _DECODER.decode(text) if text else {}
    except (ValueError, RecursionError):
        return escaped(text)
    return found if _is_shallow(found) else escaped(text)


def _is_shallow(value: Any) -> bool:
    """Tell whether a document is nested no deeper than a person can read."""
    level = [value]
    for _ in range(_DEPTH):
        level = [
            part
            for one in level
            if isinstance(one, dict | list)
            for part in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return True
    return False


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_constant=_no_number)


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
        "kind": escaped(entry.kind),
        "op": escaped(entry.op),
        "key": escaped(entry.key),
        "scope": escaped(entry.scope),
        "err": entry.err,
        "latency_ticks": entry.latency_ticks,
        "request": _envelope_or_bytes(entry.req),
        "response": _record_or_bytes(entry.resp),
        "meta": _meta(entry.meta),
        "req_sha256": escaped(entry.req_sha256),
    }
    if entry.extra:
        report["extra"] = {escaped(name): show_bytes(value) for name, value in entry.extra.items()}
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
    return "  ".join(part for part in (f"{number:>6}", escaped(entry.op), escaped(entry.scope), message, error) if part)


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
            (tuple(escaped(part.decode("utf-8", "replace")) for part in bucket), index.members[number])
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
