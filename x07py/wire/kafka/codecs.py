"""Compression of record batches: gzip from the standard library, snappy, lz4 and zstd from cramjam."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import cramjam

from x07py.wire.kafka.errors import wire_error

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_SIZE = 48 * 2**20
"""The most bytes that a batch may unpack to: clients refuse batches of more than 1 MB before they compress them, unless
somebody allows more, and two of these are in memory at a time."""
NAMES = ("none", "gzip", "snappy", "lz4", "zstd")
_TOO_LARGE = (
    f"it is larger than the {MAX_SIZE >> 20} MiB that a batch may unpack to; let the producer make smaller ones"
)
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16
_BLOCK = struct.Struct(">i")
_FULL = "whole buffer"
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


def unpack(codec: int, data: bytes) -> bytes:
    """Return what a batch's records were before they were compressed.

    Args:
        codec: Kafka's number of the codec.
        data: compressed bytes.

    Raises:
        DriverError: 9650 if they are malformed, would unpack to more than `MAX_SIZE`, or the codec is unknown.
    """
    if codec == 0:
        return data
    if codec not in _UNPACK:
        raise wire_error(f"a record batch is compressed with codec {codec}, which Kafka does not define")
    try:
        return _UNPACK[codec](data)
    except (cramjam.DecompressionError, zlib.error, struct.error, ValueError, OverflowError) as error:
        raise wire_error(f"a record batch does not unpack from {NAMES[codec]}: {error}") from None


def _gzip(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    found = unpacker.decompress(data, MAX_SIZE)
    if len(found) == MAX_SIZE and not unpacker.eof:
        raise ValueError(_TOO_LARGE)
    if not unpacker.eof:
        raise ValueError("it is cut off")
    return found


def _snappy(data: bytes) -> bytes:
    """Return raw snappy, or the blocks that Java's library makes, unpacked."""
    if not data.startswith(_XERIAL):
        return _raw_snappy(data)
    parts, at, total = [], _XERIAL_HEADER, 0
    while at < len(data):
        size = _BLOCK.unpack_from(data, at)[0]
        at += _BLOCK.size
        if size < 0 or at + size > len(data):
            raise ValueError("a block is longer than the batch")
        parts.append(_raw_snappy(data[at : at + size]))
        total += len(parts[-1])
        if total > MAX_SIZE:
            raise ValueError(_TOO_LARGE)
        at += size
    return b"".join(parts)


def _raw_snappy(data: bytes) -> bytes:
    if cramjam.snappy.decompress_raw_len(data) > MAX_SIZE:
        raise ValueError(_TOO_LARGE)
    return bytes(cramjam.snappy.decompress_raw(data))


def _growing(into: Callable[[bytes, bytearray], int]) -> Callable[[bytes], bytes]:
    """Return an unpacker that tries larger and larger outputs, so that a small batch never takes much memory."""

    def unpacked(data: bytes) -> bytes:
        size = max(4 * len(data), 2**16)
        while True:
            output = bytearray()  # the one before goes first
            output = bytearray(min(size, MAX_SIZE))
            try:
                return bytes(memoryview(output)[: into(data, output)])
            except cramjam.DecompressionError as error:
                if _FULL not in str(error):
                    raise
                if size >= MAX_SIZE:
                    raise ValueError(_TOO_LARGE) from None
            size *= 8

    return unpacked


_UNPACK: dict[int, Callable[[bytes], bytes]] = {
    1: _gzip,
    2: _snappy,
    3: _growing(cramjam.lz4.decompress_into),
    4: _growing(cramjam.zstd.decompress_into),
}
