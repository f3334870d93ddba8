"""Protobuf, by Google's own library: files of descriptors in a pool of their own, messages found by their place."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from google.protobuf import (
    any_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    source_context_pb2,
    struct_pb2,
    timestamp_pb2,
    type_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.message_factory import GetMessageClass

from x07py.serialization.schema import Schema, all_references, misfit, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

_WELL_KNOWN = (
    any_pb2,
    source_context_pb2,
    type_pb2,
    api_pb2,
    descriptor_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
"""What every file may import without a reference, each after what it imports itself."""
_MOST_DEEP = 100
Path = tuple[int, ...]


class ProtobufFormat:
    """A parsed file of messages; raises `SchemaError` 9598 for one that cannot be used, 9597 for values."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        pool = DescriptorPool()
        try:
            for module in _WELL_KNOWN:
                pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
            for name, one in all_references(schema).items():
                file = file_of(one)
                file.name = name
                pool.Add(file)
            self.file = file_of(schema)
            pool.Add(self.file)
            self._places = dict(_places(self.file.message_type, self.file.package))
            self._classes = {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in self._places}
        except (TypeError, KeyError) as error:
            raise unusable("Protobuf", error) from None
        self._names = {place: name for name, place in self._places.items()}
        self._same: dict[type[Message], bool] = {}

    def encode(self, value: Any) -> bytes:
        """Return the message's place in the file, and the message; its class may be one that protoc generated."""
        if not isinstance(value, Message):
            raise misfit("the value", f"it is a {type(value).__name__} and no Protobuf message")
        name = value.DESCRIPTOR.full_name
        if not self._has(type(value)):
            raise misfit("the value", f"the pinned file has no message {name} with the fields of {type(value)}")
        try:
            written: bytes = value.SerializeToString()
        except EncodeError as error:
            raise misfit("the value", error) from None
        return written_place(self._places[name]) + written

    def _has(self, kind: type[Message]) -> bool:
        """Tell whether a message's class is of this file as it is pinned, and not of an older or a newer one."""
        known = self._same.get(kind)
        if known is None:
            here = self._classes.get(kind.DESCRIPTOR.full_name)
            known = here is not None and _shape(here) == _shape(kind)
            self._same[kind] = known
        return known

    def decode(self, body: bytes, writer: ProtobufFormat) -> Any:
        """Return a message of this schema's class for the message that the writer named."""
        name, start = writer._named(body)
        kind = self._classes.get(name)
        if kind is None:
            raise misfit("the message", f"it is a {name}, which the reader's file does not have")
        message = kind()
        try:
            message.ParseFromString(body[start:])
        except DecodeError as error:
            raise misfit("the message", error) from None
        return message

    def payload(self, body: bytes, writer: ProtobufFormat) -> bytes:
        """Return the message without its place, as ``FromString`` of a generated class reads it."""
        return body[writer._named(body)[1] :]

    def mark_size(self, body: bytes) -> int:
        """Return how many bytes name the message."""
        return read_place(body)[1]

    def _named(self, body: bytes) -> tuple[str, int]:
        place, start = read_place(body)
        name = self._names.get(place)
        if name is None:
            raise misfit("the message", f"the writer's file has no message at {list(place)}")
        return name, start


def file_of(schema: Schema) -> descriptor_pb2.FileDescriptorProto:
    """Return the file that a schema's text holds, without the JSON names that follow from the fields' own.

    Raises:
        SchemaError: 9598.
    """
    try:
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(schema.text, validate=True))
    except (ValueError, DecodeError) as error:
        raise unusable("Protobuf", error) from None
    drop_json_names(file.message_type)
    return file


def text_of_set(data: bytes) -> str:
    """Return the text of the one file in a set of descriptors.

    Raises:
        SchemaError: 9598.
    """
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(data).file
    except DecodeError as error:
        raise unusable("Protobuf", error) from None
    if len(files) != 1:
        raise unusable("Protobuf", f"it holds {len(files)} files and not one: pin each, and refer to it")
    drop_json_names(files[0].message_type)
    return base64.b64encode(files[0].SerializeToString()).decode()


def set_of_text(text: str) -> bytes:
    """Return the set of descriptors of one file, as ``protoc --descriptor_set_out`` writes it.

    Raises:
        SchemaError: 9598.
    """
    try:
        file = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(text, validate=True))
    except (DecodeError, ValueError) as error:
        raise unusable("Protobuf", error) from None
    data: bytes = descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString()
    return data


def drop_json_names(messages: Any) -> None:
    """Take JSON names out that protoc adds to a set of descriptors, and leaves out of generated classes."""
    for message in messages:
        for field in (*message.field, *message.extension):
            if field.json_name == _json_name(field.name):
                field.ClearField("json_name")
        drop_json_names(message.nested_type)


def _json_name(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def _shape(kind: type[Message]) -> bytes:
    proto = descriptor_pb2.DescriptorProto()
    kind.DESCRIPTOR.CopyToProto(proto)
    drop_json_names([proto])
    shape: bytes = proto.SerializeToString(deterministic=True)
    return shape


def _places(messages: Any, scope: str, above: Path = ()) -> Iterator[tuple[str, Path]]:
    """Yield the full name of each message of a file with its place: numbers from the outermost inwards."""
    for number, message in enumerate(messages):
        name = f"{scope}.{message.name}" if scope else message.name
        yield name, (*above, number)
        yield from _places(message.nested_type, name, (*above, number))


def written_place(place: Path) -> bytes:
    """Return a place as it stands in front of a message: a count and numbers in zigzag; a zero is the first message."""
    if place == (0,):
        return b"\0"
    return b"".join(_varint(number << 1) for number in (len(place), *place))


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def read_place(body: bytes) -> tuple[Path, int]:
    """Return the place that bytes begin with, and where the message begins.

    Raises:
        SchemaError: 9597.
    """
    count, pos = _read_number(body, 0)
    if not 0 <= count <= _MOST_DEEP:
        raise misfit("the message", f"its place has {count} numbers")
    place = []
    for _ in range(count):
        number, pos = _read_number(body, pos)
        place.append(number)
    return tuple(place) or (0,), pos


def _read_number(body: bytes, pos: int) -> tuple[int, int]:
    number = 0
    for shift, byte in enumerate(body[pos : pos + 5]):
        number |= (byte & 0x7F) << 7 * shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), pos + shift + 1
    raise misfit("the message", "its place in the file of messages is cut off")
