"""Cassette entries: ``entry_v1`` documents, read without copying; `x07py.rr.entry_template` writes many alike.

An entry is a DataModel ok-document whose root is a map with ascending keys: ``err``, ``key``, ``kind``, ``op``,
``req`` and ``resp``, optionally ``latency_ticks``, and whatever else a writer adds. x07py adds four strings that
readers of version 1 skip: ``meta`` (canonical JSON: what the broker said about the message), ``req_sha256``
(lower-case hex), ``scope`` (what the operation addressed: topic, subscription, exchange).

`scan_entry` is one pass in byte order, because the first violation in byte order decides the code. A cassette has one
entry a message, so the common layout is tried first with a few comparisons (`x07py.rr.index`); what does not fit it
takes the full path, which alone decides what is an error. Generic decoding into Python values was six times slower.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from x07py.errors import CassetteError

_U32 = struct.Struct("<I")
_MAX_DEPTH = 64
_MAX_I31 = 2**31
_MAX_U32 = 2**32 - 1
NUMBER, STRING, _SEQUENCE, _MAP = 2, 3, 4, 5
"""Tags of values."""
_KINDS = {
    b"err": NUMBER,
    b"key": STRING,
    b"kind": STRING,
    b"latency_ticks": NUMBER,
    b"op": STRING,
    b"req": STRING,
    b"resp": STRING,
}
_OWN = (b"meta", b"req_sha256", b"scope")
_REQUIRED = frozenset({b"err", b"key", b"kind", b"op", b"req", b"resp"})


class EntryLimits(NamedTuple):
    """The most bytes that a field of an entry may have."""

    req: int
    resp: int
    key: int


UNLIMITED = EntryLimits(_MAX_I31, _MAX_I31, _MAX_I31)


class Span(NamedTuple):
    """Where the fields of one entry stand in the buffer: start and end offsets; ``latency_ticks`` as a number."""

    err: tuple[int, int]
    key: tuple[int, int]
    kind: tuple[int, int]
    op: tuple[int, int]
    req: tuple[int, int]
    resp: tuple[int, int]
    meta: tuple[int, int]
    req_sha256: tuple[int, int]
    scope: tuple[int, int]
    latency_ticks: int


def invalid(message: str, where: int) -> CassetteError:
    """Return error 2008 for the entry at byte `where`."""
    return CassetteError(
        2008,
        f"invalid entry: {message}",
        where=f"byte {where}",
        hint="the file is not a cassette, or is damaged; x07 rr recover keeps the entries before this one",
    )


def scan_entry(buf: bytes | bytearray, start: int, end: int, limits: EntryLimits) -> Span:
    """Check one entry document in ``buf[start:end]`` and return where its fields stand.

    Raises:
        CassetteError: 2008 for a malformed entry; 2005, 2006 or 2007 when ``req``, ``resp`` or ``key`` is too large.
    """
    if end - start < 6 or buf[start] != 1 or buf[start + 1] != _MAP:
        raise invalid("not an ok-document with a map", start)
    count = _U32.unpack_from(buf, start + 2)[0]
    pos = start + 6
    if count > (end - pos) // 5:
        raise invalid("more keys than bytes", start + 2)
    found: dict[bytes, tuple[int, int]] = {}
    previous = None
    for _ in range(count):
        name_start, pos = _read_bytes(buf, pos, end)
        name = bytes(buf[name_start:pos])
        if previous is not None and name <= previous:
            raise invalid(f"keys are not ascending at {name!r}", name_start)
        previous = name
        pos = _scan_field(buf, pos, end, name, limits, found)
    if pos != end:
        raise invalid("bytes are left over", pos)
    missing = _REQUIRED - found.keys()
    if missing:
        raise invalid(f"no {min(missing).decode()}", start)
    nowhere = (0, 0)
    ticks = found.get(b"latency_ticks")
    return Span(
        found[b"err"],
        found[b"key"],
        found[b"kind"],
        found[b"op"],
        found[b"req"],
        found[b"resp"],
        found.get(b"meta", nowhere),
        found.get(b"req_sha256", nowhere),
        found.get(b"scope", nowhere),
        int(buf[ticks[0] : ticks[1]]) if ticks else 0,
    )


def _scan_field(
    buf: bytes | bytearray, pos: int, end: int, name: bytes, limits: EntryLimits, found: dict[bytes, tuple[int, int]]
) -> int:
    kind = _KINDS.get(name)
    if kind is None:
        after = _skip_value(buf, pos, end, _MAX_DEPTH)
        if name in _OWN and buf[pos] == STRING:
            found[name] = (pos + 5, after)
        return after
    if pos >= end or buf[pos] != kind:
        raise invalid(f"{name.decode()} has the wrong kind", pos)
    start, after = _read_bytes(buf, pos + 1, end)
    size = after - start
    if name == b"req" and size > limits.req:
        raise too_large(2005, "req", size, limits.req, start)
    if name == b"resp" and size > limits.resp:
        raise too_large(2006, "resp", size, limits.resp, start)
    if name == b"key" and size > limits.key:
        raise too_large(2007, "key", size, limits.key, start)
    if name == b"latency_ticks":
        text = bytes(buf[start:after])
        if not text.isdigit() or len(text) > 4300 or int(text) > _MAX_U32:
            raise invalid("latency_ticks is not a number up to 4294967295", start)
    found[name] = (start, after)
    return after


def too_large(code: int, name: str, size: int, limit: int, where: int | None = None) -> CassetteError:
    """Return the error for a field of an entry that is larger than the policy allows; `where` is its byte."""
    return CassetteError(
        code,
        f"{name} has {size} bytes, the policy allows {limit}",
        where=None if where is None else f"byte {where}",
        hint=f"raise max_{name}_bytes in the policy under arch/rr, or make the message smaller",
    )


def _read_bytes(buf: bytes | bytearray, pos: int, end: int) -> tuple[int, int]:
    if end - pos < 4:
        raise invalid("truncated length", pos)
    size = _U32.unpack_from(buf, pos)[0]
    pos += 4
    if size > end - pos:
        raise invalid("truncated bytes", pos)
    return pos, pos + size


def _skip_value(buf: bytes | bytearray, pos: int, end: int, depth: int) -> int:
    """Return the end of the value at `pos`; nested maps are not checked for order (rule of the format)."""
    if pos >= end:
        raise invalid("truncated value", pos)
    tag = buf[pos]
    pos += 1
    if tag == 0:
        return pos
    if tag == 1:
        if pos >= end:
            raise invalid("truncated bool", pos)
        return pos + 1
    if tag in (NUMBER, STRING):
        return _read_bytes(buf, pos, end)[1]
    if tag not in (_SEQUENCE, _MAP):
        raise invalid(f"unknown value tag {tag}", pos - 1)
    if depth == 0:
        raise invalid("values are nested too deeply", pos)
    if end - pos < 4:
        raise invalid("truncated count", pos)
    count = _U32.unpack_from(buf, pos)[0]
    pos += 4
    if count > end - pos:
        raise invalid("more items than bytes", pos)
    for _ in range(count):
        if tag == _MAP:
            pos = _read_bytes(buf, pos, end)[1]
        pos = _skip_value(buf, pos, end, depth - 1)
    return pos


@dataclass(frozen=True, slots=True)
class Entry:
    """One recorded operation.

    Args:
        kind: ``rr`` for messages; documented vocabulary: http, process, tcp_stream, file, rr.
        op: stable operation name, for example ``std.msg.kafka.publish_env_v1``.
        key: match key; the profile id for messages.
        req: request bytes; the envelope of a publish.
        resp: response bytes; a message record for publishes and deliveries.
        err: 0, or the code of the error that the operation ended with.
        latency_ticks: virtual ticks (1 tick is 1 millisecond in recordings of x07py).
        meta: canonical JSON text of what the broker said, or an empty string.
        scope: what the operation addressed, or an empty string.
        req_sha256: lower-case hex digest of `req`, or an empty string.
        extra: other keys of the entry and their encoded values, kept as they are.
    """

    kind: str
    op: str
    key: str
    req: bytes
    resp: bytes
    err: int = 0
    latency_ticks: int = 0
    meta: str = ""
    scope: str = ""
    req_sha256: str = ""
    extra: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def decode(cls, payload: bytes) -> Entry:
        """Return the entry that `payload`, an entry document without its frame, holds.

        Raises:
            CassetteError: 2008 if it is malformed.
        """
        span = scan_entry(payload, 0, len(payload), UNLIMITED)
        texts = {name: decode_text(payload[slice(*getattr(span, name))]) for name in ("kind", "op", "key")}
        return cls(
            **texts,
            req=payload[slice(*span.req)],
            resp=payload[slice(*span.resp)],
            err=parse_err(payload[slice(*span.err)], span.err[0]),
            latency_ticks=span.latency_ticks,
            meta=decode_text(payload[slice(*span.meta)]),
            scope=decode_text(payload[slice(*span.scope)]),
            req_sha256=decode_text(payload[slice(*span.req_sha256)]),
            extra=_extra(payload),
        )

    def check_digest(self, number: int) -> None:
        """Compare the request with its digest, if the entry has one.

        Raises:
            CassetteError: 2062 if they differ.
        """
        if self.req_sha256 and hashlib.sha256(self.req).hexdigest() != self.req_sha256:
            raise CassetteError(
                2062,
                "the request does not have the digest that stands beside it",
                where=f"entry {number}",
                hint="the cassette was damaged or edited; restore it, or record it again",
            )

    def encode(self) -> bytes:
        """Return the entry document, canonical: ascending keys, optional ones only where they say something."""
        fields: dict[bytes, bytes] = {encode_text(name): value for name, value in self.extra.items()}
        fields[b"err"] = encode_value(NUMBER, b"%d" % self.err)
        for name in ("key", "kind", "op", "meta", "req_sha256", "scope"):
            value = getattr(self, name)
            if value or name in ("key", "kind", "op"):
                fields[name.encode()] = encode_value(STRING, encode_text(value))
        if self.latency_ticks:
            fields[b"latency_ticks"] = encode_value(NUMBER, b"%d" % self.latency_ticks)
        fields[b"req"] = encode_value(STRING, self.req)
        fields[b"resp"] = encode_value(STRING, self.resp)
        parts = [b"\x01\x05", _U32.pack(len(fields))]
        for key in sorted(fields):
            parts += (_U32.pack(len(key)), key, fields[key])
        return b"".join(parts)


def encode_value(tag: int, data: bytes) -> bytes:
    """Return one encoded leaf value: tag (2 number, 3 string), length, bytes."""
    return b"%c" % tag + _U32.pack(len(data)) + data


def parse_err(text: bytes, where: int) -> int:
    """Return the number in an ``err`` field, a decimal 32-bit integer.

    Raises:
        CassetteError: 2008 if the text is not such a number.
    """
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > 10:
        raise invalid("err is not a number", where)
    value = int(text)
    if not -_MAX_I31 <= value < 2 * _MAX_I31:
        raise invalid("err is out of range", where)
    return value


def decode_text(data: bytes) -> str:
    """Return a text of an entry; what is not UTF-8 in the file becomes surrogates."""
    return data.decode("utf-8", "surrogateescape")


def encode_text(text: str) -> bytes:
    """Return a text of an entry as the file has it; what is not UTF-8 there came in as surrogates."""
    return text.encode("utf-8", "surrogateescape")


def _extra(payload: bytes) -> dict[str, bytes]:
    """Return the keys that x07py has no field for, with their encoded values, of a payload that was scanned."""
    extra: dict[str, bytes] = {}
    pos, end = 6, len(payload)
    for _ in range(_U32.unpack_from(payload, 2)[0]):
        start, pos = _read_bytes(payload, pos, end)
        name = payload[start:pos]
        after = _skip_value(payload, pos, end, _MAX_DEPTH)
        if name not in _KINDS and not (name in _OWN and payload[pos] == STRING):
            extra[decode_text(name)] = payload[pos:after]
        pos = after
    return extra
