"""Kafka's messages as plain data and back: one form for every version of a request.

A handler works with dictionaries by the names of Kafka's own schemas. What a version of a message does not have is
left out on writing, and what a version has beside it gets its default, so that one answer serves every version.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import functools
import io
import struct
import types
import typing
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from kio.schema.errors import ErrorCode
from kio.serial import entity_reader, entity_writer
from kio.serial.errors import SerialError

from x07py.wire.kafka.errors import wire_error
from x07py.wire.kafka.lengths import ImpossibleCountError, check_counts

if TYPE_CHECKING:
    from collections.abc import Mapping

Plain = Any
"""JSON: times are milliseconds, errors are numbers, bytes are ``{"$bytes": Base64}``."""
_EPOCH = datetime.datetime.fromtimestamp(0, datetime.UTC)
_MILLISECOND = datetime.timedelta(milliseconds=1)


class _Field(NamedTuple):
    """One field of a message: its name, the kind of its values, whether they are many, and what it holds unless set."""

    name: str
    kind: str
    entity: type[Any] | None
    many: bool
    default: Any


@functools.cache
def _fields(cls: Any) -> tuple[_Field, ...]:
    return tuple(_field(field) for field in dataclasses.fields(cls))


def _field(field: dataclasses.Field[Any]) -> _Field:
    inner, optional = _without_none(field.type)
    many = typing.get_origin(inner) is tuple
    if many:
        inner, _ = _without_none(typing.get_args(inner)[0])
    entity = inner if dataclasses.is_dataclass(inner) else None
    kind = field.metadata.get("kafka_type", "")
    if field.default is not dataclasses.MISSING:
        default = field.default
    elif optional:
        default = None
    elif many:
        default = ()
    else:
        default = build(typing.cast(type[Any], entity), {}) if entity else _ZERO.get(kind, 0)
    return _Field(field.name, kind, typing.cast("type[Any] | None", entity), many, default)


_ZERO: dict[str, Any] = {
    "string": "",
    "bytes": b"",
    "records": b"",
    "bool": False,
    "uuid": None,
    "error_code": ErrorCode.none,
    "timedelta_i32": datetime.timedelta(0),
    "timedelta_i64": datetime.timedelta(0),
    "datetime_i64": _EPOCH,
}


def _without_none(kind: Any) -> tuple[Any, bool]:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        rest = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return rest[0], len(rest) < len(typing.get_args(kind))
    return kind, False


def build(cls: Any, data: Mapping[str, Plain]) -> Any:
    """Return a message of class `cls` from plain data.

    Raises:
        DriverError: 9650 a value is of another type than the field.
    """
    try:
        return cls(**{f.name: _load(f, data[f.name]) if f.name in data else f.default for f in _fields(cls)})
    except (TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise wire_error(f"{cls.__name__} cannot hold what is recorded: {error}") from None


def _load(field: _Field, value: Plain) -> Any:
    if value is None:
        return None
    if field.many:
        return tuple([build(field.entity, one) if field.entity else _load_one(field.kind, one) for one in value])
    return build(field.entity, value) if field.entity else _load_one(field.kind, value)


def _load_one(kind: str, value: Plain) -> Any:
    if kind == "error_code":
        return ErrorCode(value)
    if kind.startswith("timedelta"):
        return datetime.timedelta(milliseconds=value)
    if kind == "datetime_i64":
        return None if value < 0 else _EPOCH + datetime.timedelta(milliseconds=value)
    if kind == "uuid":
        return uuid.UUID(value)
    if kind in ("bytes", "records") and isinstance(value, dict):
        return base64.b64decode(value["$bytes"])
    return value


def plain(entity: Any) -> dict[str, Plain]:
    """Return a message as plain data."""
    kind: Any = type(entity)
    return {field.name: _dump(getattr(entity, field.name)) for field in _fields(kind)}


def _dump(value: Any) -> Plain:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, ErrorCode):
        return int(value.value)
    if isinstance(value, int | str | float):
        return value
    if isinstance(value, tuple):
        return [_dump(one) for one in value]
    if isinstance(value, datetime.timedelta):
        return value // _MILLISECOND
    if isinstance(value, datetime.datetime):
        return (value - _EPOCH) // _MILLISECOND
    if isinstance(value, uuid.UUID):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return {"$bytes": base64.b64encode(value).decode()}
    return plain(value)


def is_default(entity_type: Any, name: str, value: Plain) -> bool:
    """Tell whether a field of a message, as plain data, holds what it holds when nobody sets it."""
    return any(field.name == name and _dump(field.default) == value for field in _fields(entity_type))


def decode(cls: type[Any], data: bytes, offset: int = 0, *, more_may_follow: bool = False) -> Any:
    """Return the message of class `cls` that stands at `offset` and fills the rest of `data`.

    Args:
        cls: its class.
        data: where it stands.
        offset: from where.
        more_may_follow: whether something may stand behind it, as in answers of librdkafka's mock broker.

    Raises:
        DriverError: 9650 it is malformed, or something is left over.
    """
    try:
        check_counts(cls, data, offset)
    except (IndexError, struct.error):
        pass  # it ends within a length, which the reader says better
    except ImpossibleCountError as error:
        raise wire_error(f"a malformed {cls.__name__}: {error}") from None
    try:
        entity, size = entity_reader(cls)(data, offset)
    except (SerialError, ValueError, TypeError, OverflowError, MemoryError, LookupError) as error:
        raise wire_error(f"a malformed {cls.__name__}: {error or type(error).__name__}") from None
    if offset + size != len(data) and not more_may_follow:
        raise wire_error(f"a {cls.__name__} with {len(data) - offset - size} bytes behind its end")
    return entity


def encode(entity: Any) -> bytes:
    """Return a message as it stands on the wire."""
    buffer = io.BytesIO()
    entity_writer(type(entity))(buffer, entity)
    return buffer.getvalue()
