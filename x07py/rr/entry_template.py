"""Writing cassette entries that have much in common: what they share is made once, a large response stays in pieces."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING, NamedTuple

from x07py.rr.entry import NUMBER, STRING, encode_text, too_large

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.rr.entry import EntryLimits

_pack = struct.Struct("<I").pack
_MOST_STARTS = 256
"""Errors and latencies of which the beginning of an entry is kept; most are short."""


class Row(NamedTuple):
    """What an entry holds beside its template: request, response (a large one in pieces), metadata, error, ticks."""

    req: bytes
    resp: bytes | tuple[bytes, ...]
    meta: bytes = b""
    err: int = 0
    ticks: int = 0


Fields = tuple[bytes, bytes | tuple[bytes, ...], bytes, int, int]
"""A `Row`, or a plain tuple of the same, which takes a third of the time to make."""


class EntryTemplate:
    """Writer of entries that share kind, operation, key and scope; all but the row's own bytes is made once."""

    def __init__(self, kind: str, op: str, key: str, scope: str = "") -> None:
        self.kind: str = kind
        self.op: str = op
        self.key: str = key
        self.scope: str = scope
        self._key_bytes = len(encode_text(key))
        self._names = _field(b"key", STRING, encode_text(key)) + _field(b"kind", STRING, encode_text(kind))
        self._op_req = _field(b"op", STRING, encode_text(op)) + _head(b"req", STRING)
        self._tail = _field(b"scope", STRING, encode_text(scope)) if scope else b""
        self._starts: dict[tuple[int, int, bool], bytes] = {}
        self._last = b"", _field(b"req_sha256", STRING, hashlib.sha256().hexdigest().encode())

    def frames(self, rows: Iterable[Fields], limits: EntryLimits) -> list[bytes]:
        """Return the framed entries of `rows`, one after the other, in pieces.

        Raises:
            CassetteError: 2005, 2006 or 2007 when a request, a response or the key is larger than `limits`.
        """
        if self._key_bytes > limits.key:
            raise too_large(2007, "key", self._key_bytes, limits.key)
        starts, op_req, tail, pack, sha256 = self._starts, self._op_req, self._tail, _pack, hashlib.sha256
        last_req, last_sha = self._last
        fixed = len(op_req) + len(last_sha) + len(_RESP_HEAD) + len(tail) + 8
        with_meta = fixed + len(_META_HEAD) + 4
        frames: list[bytes] = []
        for req, resp, meta, err, ticks in rows:
            if len(req) > limits.req:
                raise too_large(2005, "req", len(req), limits.req)
            pieces = _pieces(resp)
            if (resp_size := sum(map(len, pieces))) > limits.resp:
                raise too_large(2006, "resp", resp_size, limits.resp)
            if req != last_req:
                last_req, last_sha = req, _SHA_HEAD + sha256(req).hexdigest().encode()
            start = starts.get((err, ticks, not meta)) or self._start(err, ticks, has_meta=bool(meta))
            sizes = len(start) + len(req) + resp_size
            if meta:
                frames += (pack(with_meta + sizes + len(meta)), start, _META_HEAD, pack(len(meta)), meta)
            else:
                frames += (pack(fixed + sizes), start)
            frames += (op_req, pack(len(req)), req, last_sha, _RESP_HEAD, pack(resp_size), *pieces, tail)
        self._last = last_req, last_sha
        return frames

    def content(self, rows: Iterable[Fields]) -> bytes:
        """Return what the entries of `rows` say, each thing once: a published message stands in its response again."""
        parts = [encode_text(part) for part in (self.key, self.op, self.scope)]
        last = b""
        for req, resp, meta, _, _ in rows:
            pieces = _pieces(resp)
            if req != last and not any(req in piece for piece in pieces):
                parts.append(req)
            parts += (b"".join(pieces), meta)
            last = req
        return b"\n".join(parts)

    def _start(self, err: int, ticks: int, *, has_meta: bool) -> bytes:
        count = 7 + bool(self._tail) + bool(ticks) + has_meta
        latency = _field(b"latency_ticks", NUMBER, b"%d" % ticks) if ticks else b""
        start = b"\x01\x05" + _pack(count) + _field(b"err", NUMBER, b"%d" % err) + self._names + latency
        if len(self._starts) < _MOST_STARTS:
            self._starts[err, ticks, not has_meta] = start
        return start


def _pieces(resp: bytes | tuple[bytes, ...]) -> tuple[bytes, ...]:
    return resp if isinstance(resp, tuple) else (resp,)


def _head(name: bytes, tag: int) -> bytes:
    return _pack(len(name)) + name + b"%c" % tag


def _field(name: bytes, tag: int, value: bytes) -> bytes:
    return _head(name, tag) + _pack(len(value)) + value


_META_HEAD, _RESP_HEAD = _head(b"meta", STRING), _head(b"resp", STRING)
_SHA_HEAD = _head(b"req_sha256", STRING) + _pack(64)
