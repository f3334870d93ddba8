"""What a decoder must survive: every truncation and every change of a single byte."""

from __future__ import annotations

from collections.abc import Iterator


def truncations(data: bytes) -> Iterator[bytes]:
    """Yield every proper prefix."""
    for size in range(len(data)):
        yield data[:size]


def changed_bytes(data: bytes) -> Iterator[bytes]:
    """Yield every variant in which one byte has one of the values that make trouble, or one bit is flipped."""
    for place, byte in enumerate(data):
        for value in {0x00, 0x01, 0x7F, 0x80, 0xFF, *(byte ^ (1 << bit) for bit in range(8))} - {byte}:
            yield data[:place] + bytes([value]) + data[place + 1 :]
