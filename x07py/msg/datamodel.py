"""DataModel documents: the value tree that cassettes and the reference's functions speak.

Python values stand for themselves: None, bool, `Number` (its text, which the format does not interpret), bytes (a
DataModel string is a byte string), list, and dict with bytes as keys, which is encoded in ascending order.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from x07py.errors import DataModelError

MAX_DEPTH = 64
_U32 = struct.Struct("<I")
_MAX_I31 = 2**31
_NULL, _BOOL, _NUMBER, _STRING, _SEQUENCE, _MAP = range(6)


class Number(bytes):
    """The text of a number, for example ``Number(b"42")``."""

    def __repr__(self) -> str:
        return f"Number({bytes(self)!r})"


Value = None | bool | Number | bytes | list["Value"] | dict[bytes, "Value"]


class ErrorDocument(NamedTuple):
    """A document that carries an error: a code, or a message, and never both."""

    code: int
    message: bytes


def decode(data: bytes) -> Value | ErrorDocument:
    """Return what a document holds.

    Raises:
        DataModelError: 9590 for anything that is not exactly one well-formed document: truncated, a length or count
            that does not fit, an unknown tag, map keys that do not ascend, more than 64 levels, bytes left over.
    """
    if not data:
        raise _malformed("empty", 0)
    if data[0] == 0:
        return _decode_error(data)
    if data[0] != 1:
        raise _malformed(f"first byte {data[0]}", 0)
    value, end = _read_value(data, 1, MAX_DEPTH)
    if end != len(data):
        raise _malformed("bytes are left over", end)
    return value


def encode(value: Value | ErrorDocument) -> bytes:
    """Return the document of a value.

    Raises:
        DataModelError: 9591 for a value that has no encoding: another type, more than 64 levels.
    """
    if isinstance(value, ErrorDocument):
        if not 0 <= value.code < 2 * _MAX_I31 or bool(value.code) == bool(value.message):
            raise DataModelError(9591, "an error document has a code or a message", hint="give exactly one")
        return b"\0" + _U32.pack(value.code) + _bstr(value.message)
    parts = [b"\x01"]
    _write_value(value, parts, MAX_DEPTH)
    return b"".join(parts)


def _malformed(what: str, where: int) -> DataModelError:
    return DataModelError(9590, f"malformed document: {what}", where=f"byte {where}", hint="the bytes are damaged")


def _decode_error(data: bytes) -> ErrorDocument:
    if len(data) < 5:
        raise _malformed("truncated error code", 1)
    message, end = _read_bytes(data, 5)
    if end != len(data):
        raise _malformed("bytes are left over", end)
    code = _U32.unpack_from(data, 1)[0]
    if bool(code) == bool(message):
        raise _malformed("an error has a code or a message", 1)
    return ErrorDocument(code, message)


def _read_count(data: bytes, pos: int, least: int) -> tuple[int, int]:
    """Return a count and the position behind it; a count that cannot fit is refused before anything is made for it."""
    if len(data) - pos < 4:
        raise _malformed("truncated length", pos)
    count = _U32.unpack_from(data, pos)[0]
    pos += 4
    if count * least > len(data) - pos:
        raise _malformed(f"length {count} does not fit", pos - 4)
    return count, pos


def _read_bytes(data: bytes, pos: int) -> tuple[bytes, int]:
    size, pos = _read_count(data, pos, 1)
    return data[pos : pos + size], pos + size


def _read_value(data: bytes, pos: int, depth: int) -> tuple[Value, int]:
    if pos >= len(data):
        raise _malformed("truncated value", pos)
    tag = data[pos]
    pos += 1
    if tag == _NULL:
        return None, pos
    if tag == _BOOL:
        if pos >= len(data):
            raise _malformed("truncated bool", pos)
        return data[pos] != 0, pos + 1
    if tag in (_NUMBER, _STRING):
        text, pos = _read_bytes(data, pos)
        return (Number(text) if tag == _NUMBER else text), pos
    if tag not in (_SEQUENCE, _MAP):
        raise _malformed(f"unknown tag {tag}", pos - 1)
    if depth == 0:
        raise _malformed("more than 64 levels", pos)
    return _read_sequence(data, pos, depth) if tag == _SEQUENCE else _read_map(data, pos, depth)


def _read_sequence(data: bytes, pos: int, depth: int) -> tuple[list[Value], int]:
    count, pos = _read_count(data, pos, 1)
    items: list[Value] = []
    for _ in range(count):
        item, pos = _read_value(data, pos, depth - 1)
        items.append(item)
    return items, pos


def _read_map(data: bytes, pos: int, depth: int) -> tuple[dict[bytes, Value], int]:
    count, pos = _read_count(data, pos, 5)
    result: dict[bytes, Value] = {}
    previous: bytes | None = None
    for _ in range(count):
        start = pos
        key, pos = _read_bytes(data, pos)
        if previous is not None and key <= previous:
            raise _malformed("map keys do not ascend", start)
        previous = key
        result[key], pos = _read_value(data, pos, depth - 1)
    return result, pos


def _bstr(data: bytes) -> bytes:
    if len(data) >= _MAX_I31:
        raise DataModelError(9591, "a string has 2 GiB or more", hint="split it")
    return _U32.pack(len(data)) + data


def _write_value(value: Value, parts: list[bytes], depth: int) -> None:
    if value is None:
        parts.append(b"\x00")
    elif isinstance(value, bool):
        parts.append(b"\x01\x01" if value else b"\x01\x00")
    elif isinstance(value, bytes):
        parts.append((b"\x02" if isinstance(value, Number) else b"\x03") + _bstr(value))
    elif depth == 0:
        raise DataModelError(9591, "the value has more than 64 levels", hint="flatten it")
    elif isinstance(value, list):
        parts.append(b"\x04" + _U32.pack(len(value)))
        for item in value:
            _write_value(item, parts, depth - 1)
    elif isinstance(value, dict):
        parts.append(b"\x05" + _U32.pack(len(value)))
        if not all(isinstance(key, bytes) for key in value):
            raise DataModelError(9591, "a map has a key that is not bytes", hint="encode the key")
        for key in sorted(value):
            parts.append(_bstr(key))
            _write_value(value[key], parts, depth - 1)
    else:
        raise DataModelError(
            9591, f"{type(value).__name__} has no encoding", hint="use None, bool, Number, bytes, list or dict"
        )
