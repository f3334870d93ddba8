"""Streams of compression that stand in other bytes, unpacked within bounds: for the guard, which looks into them.

A stream is found by what its format begins with. Nothing says where it ends, and what stands behind it is no error:
whatever was unpacked until then counts. Zstandard, LZ4 and Snappy take cramjam, which everything that records on the
wire has; without it they are not looked into. Brotli, raw deflate, raw Snappy and LZ4 begin with nothing of their own.
"""

from __future__ import annotations

import zlib
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_UNPACKED = 4 * 2**20
_MOST_STREAMS = 32
_XZ_MEMORY = 2**26
_AT_ONCE, _RATIO = 2**16, 32


def unpacked(data: bytes) -> Iterator[bytes]:
    """Yield what the streams in `data` hold: `MOST_UNPACKED` bytes of 32 streams at most."""
    left = MOST_UNPACKED
    for at, unpack in islice(_streams(data), _MOST_STREAMS):
        text = unpack(data[at:], left)
        if text:
            left -= len(text)
            yield text
        if left <= 0:
            return


def _streams(data: bytes) -> Iterator[tuple[int, Callable[[bytes, int], bytes]]]:
    for head, unpack in _HEADS.items():
        at = data.find(head)
        while at >= 0:
            yield at, unpack
            at = data.find(head, at + 1)


def _zlib(data: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj(47).decompress(data, most)  # gzip or zlib, as the head says
    except zlib.error:
        return b""


def _bzip2(data: bytes, most: int) -> bytes:
    try:
        import bz2
    except ImportError:  # a Python that was built without
        return b""
    try:
        return bz2.BZ2Decompressor().decompress(data, most)
    except OSError:
        return b""


def _xz(data: bytes, most: int) -> bytes:
    try:
        import lzma
    except ImportError:
        return b""
    try:
        return lzma.LZMADecompressor(memlimit=_XZ_MEMORY).decompress(data, most)
    except lzma.LZMAError:
        return b""


def _by_cramjam(name: str) -> Callable[[bytes, int], bytes]:
    def unpack(data: bytes, most: int) -> bytes:
        try:
            import cramjam
        except ImportError:
            return b""
        output = bytearray(min(most, _AT_ONCE + _RATIO * len(data)))
        try:
            size = getattr(cramjam, name).decompress_into(data, output)
        except cramjam.DecompressionError:  # at the latest where the stream ends and the entry goes on
            return bytes(output.rstrip(b"\0"))
        return bytes(output[:size])

    return unpack


_HEADS: dict[bytes, Callable[[bytes, int], bytes]] = {
    b"\x1f\x8b\x08": _zlib,
    b"\x28\xb5\x2f\xfd": _by_cramjam("zstd"),
    b"\x04\x22\x4d\x18": _by_cramjam("lz4"),
    b"\xff\x06\0\0sNaPpY": _by_cramjam("snappy"),
    b"BZh": _bzip2,
    b"\xfd7zXZ\0": _xz,
    b"x\x01": _zlib,  # last, since two bytes stand in any large value by chance, and streams are counted
    b"x\x5e": _zlib,
    b"x\x9c": _zlib,
    b"x\xda": _zlib,
}
