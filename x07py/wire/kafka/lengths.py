"""Counts of arrays in Kafka's messages, held against what is there before kio makes room for so many.

kio's reader reserves memory for as many elements as a message claims, and the process ends where there is not so much:
a request of forty bytes can claim a list of four thousand millions.
"""

from __future__ import annotations

import dataclasses
import functools
import struct
import types
import typing
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    _Step = Callable[[bytes, int], int]
    """Takes a message and where a value begins, and returns where it ends."""

_SIZES = {
    "bool": 1,
    "int8": 1,
    "uint8": 1,
    "int16": 2,
    "uint16": 2,
    "error_code": 2,
    "int32": 4,
    "uint32": 4,
    "timedelta_i32": 4,
    "int64": 8,
    "uint64": 8,
    "float64": 8,
    "timedelta_i64": 8,
    "datetime_i64": 8,
    "uuid": 16,
}
_LAST_SHIFT = 21
"""By how much the last byte but one of a length is shifted: it has five at most."""
_SHORT, _LONG = struct.Struct(">h"), struct.Struct(">i")


class ImpossibleCountError(ValueError):
    """A message claims more elements than it has bytes."""


def check_counts(cls: type[Any], data: bytes, offset: int) -> int:
    """Walk through a message as its schema says.

    Args:
        cls: its class in kio's schema.
        data: where it stands.
        offset: from where.

    Returns:
        Where it ends, by its own lengths; beyond `data` if that ends within it.

    Raises:
        ImpossibleCountError: an array of it claims more elements than bytes follow.
        IndexError, struct.error: `data` ends within a length.
    """
    entity: _Step = _entity(cast("Hashable", cls))
    return entity(data, offset)


@functools.cache
def _entity(cls: Any) -> _Step:
    """Return the step over an entity: its fields, then the tagged ones."""
    steps: list[_Step] = []
    tagged: dict[int, _Step] = {}
    fixed = 0
    for field in dataclasses.fields(cls):
        tag = field.metadata.get("tag")
        size = None if tag is not None else _fixed_size(field)
        if size is not None:
            fixed += size
            continue
        step = _field(field, flexible=cls.__flexible__, is_tagged=tag is not None)
        if tag is not None:
            tagged[tag] = step
            continue
        steps += [*([_skip(fixed)] if fixed else []), step]
        fixed = 0
    if fixed:
        steps.append(_skip(fixed))
    if cls.__flexible__:
        steps.append(_tags(tagged))

    def walk(data: bytes, at: int) -> int:
        for step in steps:
            at = step(data, at)
        return at

    return walk


def _field(field: dataclasses.Field[Any], *, flexible: bool, is_tagged: bool) -> _Step:
    inner, is_many, is_optional = _shape(field.type)
    if dataclasses.is_dataclass(inner):
        entity = _entity(cast("Hashable", inner))
        one = _nullable(entity) if is_optional and not is_many and not is_tagged else entity
        return _array(one, flexible=flexible) if is_many else one
    kind = field.metadata["kafka_type"]
    if kind in _SIZES:
        return _array(_SIZES[kind], flexible=flexible) if is_many else _skip(_SIZES[kind])
    one = _compact_text if flexible else _text if kind == "string" else _bytes
    return _array(one, flexible=flexible) if is_many else one


def _fixed_size(field: dataclasses.Field[Any]) -> int | None:
    """Return the size of a field that is one number; None for others."""
    inner, is_many, _ = _shape(field.type)
    return None if is_many or dataclasses.is_dataclass(inner) else _SIZES.get(field.metadata["kafka_type"])


def _shape(kind: Any) -> tuple[Any, bool, bool]:
    """Return the type of one value, whether there are many, and whether it may be missing."""
    inner, is_optional = _without_none(kind)
    if typing.get_origin(inner) is not tuple:
        return inner, False, is_optional
    return _without_none(typing.get_args(inner)[0])[0], True, is_optional


def _without_none(kind: Any) -> tuple[Any, bool]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        rest = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return rest[0], True
    return kind, False


def _skip(size: int) -> _Step:
    return lambda _, at: at + size


def _text(data: bytes, at: int) -> int:
    size: int = _SHORT.unpack_from(data, at)[0]
    return at + 2 + max(0, size)


def _bytes(data: bytes, at: int) -> int:
    size: int = _LONG.unpack_from(data, at)[0]
    return at + 4 + max(0, size)


def _compact_text(data: bytes, at: int) -> int:
    size, at = read_varint(data, at)
    return at + max(0, size - 1)


def _nullable(entity: _Step) -> _Step:
    """Return the step over an entity that a byte before it may say is missing (KIP-893)."""
    return lambda data, at: at + 1 if data[at] >= 0x80 else entity(data, at + 1)


def _array(one: _Step | int, *, flexible: bool) -> _Step:
    """Return the step over an array, of elements of one size or of those that `one` steps over."""
    least = one if isinstance(one, int) else 1

    def walk(data: bytes, at: int) -> int:
        if flexible:
            count, at = read_varint(data, at)
            count -= 1
        else:
            count, at = _LONG.unpack_from(data, at)[0], at + 4
        if count * least > len(data) - at:
            raise ImpossibleCountError(f"a list of {count} in {max(0, len(data) - at)} bytes")
        if isinstance(one, int):
            return at + max(0, count) * one
        for _ in range(count):
            at = one(data, at)
        return at

    return walk


def _tags(known: dict[int, _Step]) -> _Step:
    def walk(data: bytes, at: int) -> int:
        count, at = read_varint(data, at)
        for _ in range(min(count, len(data))):
            tag, at = read_varint(data, at)
            size, at = read_varint(data, at)
            if tag in known:
                known[tag](data, at)
            at += size
        return at

    return walk


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the unsigned number of seven bits a byte at `at`, and where it ends.

    Raises:
        ImpossibleCountError: it has more than five bytes.
        IndexError: `data` ends within it.
    """
    value = shift = 0
    while (byte := data[at]) & 0x80:
        if shift > _LAST_SHIFT:
            raise ImpossibleCountError("a length of more than five bytes")
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | byte << shift, at + 1
