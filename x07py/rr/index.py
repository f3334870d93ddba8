"""Index of a cassette: one linear pass over the frames, then every look-up is O(1).

Grows by about 60 bytes an entry beside the file's own bytes: where request, response and metadata stand, and which
bucket (kind, op, key, scope) the entry belongs to. Values are cut out of the file only when somebody asks for them.
"""

from __future__ import annotations

import struct
from array import array
from functools import lru_cache
from typing import NamedTuple

from x07py.errors import CassetteError
from x07py.rr.entry import Entry, EntryLimits, Span, decode_text, parse_err, scan_entry

_U32 = struct.Struct("<I")
_unpack = _U32.unpack_from
_MOST_DIGITS = 9
"""Digits of a latency in the usual layout; a longer one takes the full path."""


class Bucket(NamedTuple):
    """What a look-up names: entries of one bucket answer in the order in which they were recorded."""

    kind: bytes
    op: bytes
    key: bytes
    scope: bytes

    def describe(self) -> str:
        """Return operation and scope as text."""
        return f"{str(self.op, 'utf-8', 'replace')} {str(self.scope, 'utf-8', 'replace')}".rstrip()


@lru_cache(maxsize=1024)
def bucket_named(kind: str, op: str, key: str, scope: str) -> Bucket:
    """Return the bucket of these names, which are asked for again and again."""
    return Bucket(kind.encode(), op.encode(), key.encode(), scope.encode("utf-8", "surrogateescape"))


def _head(name: bytes, tag: int) -> bytes:
    return _U32.pack(len(name)) + name + b"%c" % tag


_ERR, _KEY, _KIND = _head(b"err", 2), _head(b"key", 3), _head(b"kind", 3)
_TICKS, _META, _OP = _head(b"latency_ticks", 2), _head(b"meta", 3), _head(b"op", 3)
_REQ, _SHA, _RESP, _SCOPE = _head(b"req", 3), _head(b"req_sha256", 3), _head(b"resp", 3), _head(b"scope", 3)


class Index:
    """Positions of all entries of one buffer of frames."""

    def __init__(self, buf: bytes | bytearray, *, max_entries: int, limits: EntryLimits) -> None:
        """Index `buf`.

        Raises:
            CassetteError: 2014 for a partial frame, 2004 for too many entries, 2005 to 2008 as `scan_entry`.
        """
        self.buf = buf
        self.limits = limits
        self.frames: array[int] = array("Q")
        self.positions: array[int] = array("Q")
        self.bucket_of: array[int] = array("I")
        self.buckets: list[Bucket] = []
        self.members: list[array[int]] = []
        self.ids: dict[Bucket, int] = {}
        self.errors: dict[int, bytes] = {}
        self.ticks: dict[int, int] = {}
        self._prefixes: dict[int, tuple[bytes, bytes, bytes]] = {}
        self._unusual: set[int] = set()
        self._texts: dict[int, tuple[str, str, str, str]] = {}
        self._read(max_entries)

    def __len__(self) -> int:
        return len(self.frames)

    def _read(self, max_entries: int) -> None:
        buf, pos, size = self.buf, 0, len(self.buf)
        while pos < size:
            if size - pos < 4 or _unpack(buf, pos)[0] > size - pos - 4:
                raise CassetteError(
                    2014,
                    "the last frame is cut off",
                    where=f"byte {pos}",
                    hint="x07 rr recover keeps every whole entry",
                )
            start = pos + 4
            pos = start + _unpack(buf, pos)[0]
            if len(self.frames) >= max_entries:
                raise CassetteError(
                    2004,
                    f"more than {max_entries} entries",
                    where=f"byte {start - 4}",
                    hint="raise max_entries in the policy under arch/rr",
                )
            try:
                common = self._read_common(start, pos)
            except struct.error:  # a length that should stand at the very end of the file
                common = False
            if not common:
                self._read_any(start, pos)
            self.frames.append(start - 4)

    def _read_any(self, start: int, end: int) -> None:
        span = scan_entry(self.buf, start, end, self.limits)
        self._store(span)
        self._remember_prefix(start, span)

    def _store(self, span: Span, shift: int = 0) -> None:
        """Index an entry whose positions in `span` are `shift` bytes too small."""
        number = len(self.frames)
        self._unusual.add(number)
        err = self._cut(span.err, shift)
        if err != b"0":
            self.errors[number] = err
        if span.latency_ticks:
            self.ticks[number] = span.latency_ticks
        self.positions.extend([edge + shift for edge in (*span.req, *span.resp, *span.meta)])
        self._assign(Bucket(*(self._cut(part, shift) for part in (span.kind, span.op, span.key, span.scope))))

    def _cut(self, part: tuple[int, int], shift: int) -> bytes:
        return bytes(self.buf[part[0] + shift : part[1] + shift])

    def _remember_prefix(self, start: int, span: Span) -> None:
        """Keep the bytes from the start of the entry to the end of ``kind``: most entries repeat them."""
        buf = self.buf
        key, kind = bytes(buf[slice(*span.key)]), bytes(buf[slice(*span.kind)])
        expected = (_ERR, _U32.pack(1) + b"0", _KEY, _U32.pack(len(key)), key, _KIND, _U32.pack(len(kind)), kind)
        prefix = bytes(buf[start : start + 6]) + b"".join(expected)
        if buf.startswith(prefix, start):
            self._prefixes[buf[start + 2]] = (prefix, key, kind)

    def _read_common(self, start: int, end: int) -> bool:
        """Index an entry of the usual layout without errors; return False for any other, untouched."""
        buf = self.buf
        if end - start < 64:
            return False
        known = self._prefixes.get(buf[start + 2])
        if known is None or not buf.startswith(known[0], start):
            return False
        pos = start + len(known[0])
        left = _unpack(buf, start + 2)[0] - 6
        starts = buf.startswith
        ticks = meta_start = meta_end = scope_start = scope_end = 0
        if starts(_TICKS, pos):
            ticks, pos = self._read_ticks(pos + 18)
            left -= 1
        if starts(_META, pos):
            meta_start = pos + 13
            pos = meta_end = meta_start + _unpack(buf, pos + 9)[0]
            left -= 1
        if not starts(_OP, pos) or pos > end:
            return False
        op_start = pos + 11
        pos = op_end = op_start + _unpack(buf, pos + 7)[0]
        if not starts(_REQ, pos) or pos > end:
            return False
        req_start = pos + 12
        pos = req_end = req_start + _unpack(buf, pos + 8)[0]
        if starts(_SHA, pos) and pos <= end:
            pos += 19 + _unpack(buf, pos + 15)[0]
            left -= 1
        if not starts(_RESP, pos) or pos > end:
            return False
        resp_start = pos + 13
        pos = resp_end = resp_start + _unpack(buf, pos + 9)[0]
        if pos < end and starts(_SCOPE, pos):
            scope_start = pos + 14
            pos = scope_end = scope_start + _unpack(buf, pos + 10)[0]
            left -= 1
        if pos != end or left or req_end - req_start > self.limits.req or resp_end - resp_start > self.limits.resp:
            return False
        if ticks:
            self.ticks[len(self.frames)] = ticks
        self.positions.extend((req_start, req_end, resp_start, resp_end, meta_start, meta_end))
        self._assign(Bucket(known[2], bytes(buf[op_start:op_end]), known[1], bytes(buf[scope_start:scope_end])))
        return True

    def _read_ticks(self, pos: int) -> tuple[int, int]:
        """Return the latency at `pos` and the end of it, or of nothing where it is no short number."""
        size = _unpack(self.buf, pos)[0]
        digits = bytes(self.buf[pos + 4 : pos + 4 + size]) if size <= _MOST_DIGITS else b""
        return (int(digits), pos + 4 + size) if digits.isdigit() else (0, len(self.buf))

    def _assign(self, bucket: Bucket) -> None:
        number = self.ids.get(bucket)
        if number is None:
            number = self.ids[bucket] = len(self.buckets)
            self.buckets.append(bucket)
            self.members.append(array("I"))
        self.members[number].append(len(self.bucket_of))
        self.bucket_of.append(number)

    def err(self, number: int) -> int:
        """Return the error code of entry `number`, 0 for success.

        Raises:
            CassetteError: 2008 if the entry holds no number there, which opening a cassette does not check.
        """
        text = self.errors.get(number)
        return parse_err(text, self.frames[number]) if text is not None else 0

    def payload(self, number: int) -> bytes:
        """Return the entry document `number` (0 is the first)."""
        start = self.frames[number]
        return bytes(self.buf[start + 4 : start + 4 + _unpack(self.buf, start)[0]])

    def req(self, number: int) -> bytes:
        """Return the request bytes of entry `number`."""
        return bytes(self.buf[self.positions[6 * number] : self.positions[6 * number + 1]])

    def has_req(self, number: int, req: bytes) -> bool:
        """Tell whether the request of entry `number` is `req`, without copying it."""
        start, end = self.positions[6 * number], self.positions[6 * number + 1]
        return end - start == len(req) and self.buf.startswith(req, start)

    def resp(self, number: int) -> bytes:
        """Return the response bytes of entry `number`."""
        return bytes(self.buf[self.positions[6 * number + 2] : self.positions[6 * number + 3]])

    def meta(self, number: int) -> bytes:
        """Return the metadata of entry `number`, canonical JSON, or nothing."""
        return bytes(self.buf[self.positions[6 * number + 4] : self.positions[6 * number + 5]])

    def entry(self, number: int) -> Entry:
        """Return entry `number`; one of the usual layout is cut out where its parts are known to stand.

        Raises:
            CassetteError: 2008 if its error is no number, which opening a cassette does not check.
        """
        if number in self._unusual:
            return Entry.decode(self.payload(number))
        place = self.bucket_of[number]
        texts = self._texts.get(place)
        if texts is None:
            kind, op, key, scope = self.buckets[place]
            texts = self._texts[place] = decode_text(kind), decode_text(op), decode_text(key), decode_text(scope)
        kind_, op_, key_, scope_ = texts
        buf = self.buf
        req, req_end, resp, resp_end, meta, meta_end = self.positions[6 * number : 6 * number + 6]
        sha256 = bytes(buf[req_end + 19 : resp - 13]) if buf.startswith(_SHA, req_end) else b""
        return Entry(
            kind=kind_,
            op=op_,
            key=key_,
            req=bytes(buf[req:req_end]),
            resp=bytes(buf[resp:resp_end]),
            latency_ticks=self.ticks.get(number, 0),
            meta=decode_text(bytes(buf[meta:meta_end])),
            scope=scope_,
            req_sha256=decode_text(sha256),
        )

    def append(self, payload: bytes) -> None:
        """Index one more entry document behind the others.

        Raises:
            CassetteError: 2005 to 2008 as `scan_entry`; then nothing was added.
        """
        span = scan_entry(payload, 0, len(payload), self.limits)
        if isinstance(self.buf, bytes):
            self.buf = bytearray(self.buf)
        start = len(self.buf) + 4
        self.buf += _U32.pack(len(payload)) + payload
        self._store(span, start)
        self.frames.append(start - 4)
