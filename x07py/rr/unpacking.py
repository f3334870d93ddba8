"""Streams of compression that stand in other bytes, unpacked within bounds: for the guard, which looks into them.

A stream is found by what its format begins with. Nothing says where it ends, and what stands behind it is no error:
whatever was unpacked until then counts. Zstandard, LZ4, Snappy and Brotli take cramjam, which everything that records
on the wire has; without it they are not looked into. Brotli begins with nothing of its own but the size of its window:
it is tried where a field of an entry begins, or a text of Base64, if what stands there is no text and the window is one
of 256 KiB to 16 MiB, as encoders have by themselves. Raw deflate, raw Snappy and LZ4 are not looked into.
"""

from __future__ import annotations

import binascii
import re
import zlib
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_UNPACKED = 4 * 2**20
_MOST_STREAMS = 32
_XZ_MEMORY = 2**26
_AT_ONCE, _RATIO = 2**16, 32
_MOST_BROTLI, _MOST_FIELDS, _LEAST_BROTLI = 8, 1024, 8
_TEXT = bytes(range(32, 127)) + b"\t\n\r"
_BASE64 = re.compile(rb'"([A-Za-z0-9+/_-]{12,}+)={0,2}+"')
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


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


def unpacked_fields(entry: bytes) -> Iterator[bytes]:
    """Yield what fields of an entry hold that are streams of Brotli; eight that may be one are tried at most."""
    for stream in islice(filter(_may_be_brotli, _fields(entry)), _MOST_BROTLI):
        if text := _brotli(stream, MOST_UNPACKED // _MOST_BROTLI):
            yield text


def _fields(entry: bytes) -> Iterator[bytes]:
    """Yield what stands behind lengths of four bytes, and texts of Base64 decoded; a thousand of each at most."""
    at = entry.find(b"\0\0", 2)
    for _ in range(_MOST_FIELDS):
        if at < 0:
            break
        size = int.from_bytes(entry[at - 2 : at], "little")
        if _LEAST_BROTLI <= size <= len(entry) - at - 2 and entry[at + 2] in _WINDOWS:
            yield entry[at + 2 : at + 2 + size]
        at = entry.find(b"\0\0", at + 1)
    for found in islice(_BASE64.finditer(entry), _MOST_FIELDS):
        coded = found[1].translate(_URL_SAFE)
        if coded.startswith(_BEGINNINGS):
            yield binascii.a2b_base64(coded + b"A" * (-len(coded) % 4))


def _may_be_brotli(data: bytes) -> bool:
    """Tell whether bytes may be a stream of Brotli, and are no text."""
    return data[0] in _WINDOWS and bool(data.translate(None, _TEXT))


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


def _brotli(data: bytes, most: int) -> bytes:
    """Return what a whole stream holds, or as much as there is room for; nothing of what turns out to be none."""
    try:
        import cramjam
    except ImportError:
        return b""
    output = bytearray(min(most, _AT_ONCE // 4 + _RATIO * len(data)))
    try:
        size = cramjam.brotli.decompress_into(data, output)
    except cramjam.DecompressionError:
        return bytes(output) if output[-1] else b""
    return bytes(output[:size])


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
_WINDOWS = bytes(one for one in range(256) if one & 1 and one & 14)
"""First bytes of a stream of Brotli with a window of 256 KiB to 16 MiB."""
_BEGINNINGS = tuple({binascii.b2a_base64(bytes([one]))[:1] for one in _WINDOWS})
