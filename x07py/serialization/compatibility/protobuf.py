"""What Protobuf's encoding makes of a changed file: a field is its number, and types that share an encoding are one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from x07py.serialization.protobuf import file_of
from x07py.serialization.schema import all_references

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.serialization.schema import Schema

_F = FieldDescriptorProto
_SAME_ENCODING = (
    {_F.TYPE_INT32, _F.TYPE_INT64, _F.TYPE_UINT32, _F.TYPE_UINT64, _F.TYPE_BOOL, _F.TYPE_ENUM},
    {_F.TYPE_SINT32, _F.TYPE_SINT64},
    {_F.TYPE_FIXED32, _F.TYPE_SFIXED32},
    {_F.TYPE_FIXED64, _F.TYPE_SFIXED64},
    {_F.TYPE_STRING, _F.TYPE_BYTES},
)
_UNPACKED = {_F.TYPE_STRING, _F.TYPE_BYTES, _F.TYPE_MESSAGE, _F.TYPE_GROUP}
_Messages = dict[str, Any]
_Fields = dict[int, Any]


class Parsed(NamedTuple):
    """The messages of a file and of those that it imports, by name, and which of them are its own."""

    messages: _Messages
    own: list[str]


def parsed(schema: Schema) -> Parsed:
    """Return a schema made ready to be compared; raises `SchemaError` 9598."""
    file = file_of(schema)
    return Parsed(_messages(schema), [name for name, _ in _inside(file.message_type, file.package)])


def incompatibilities(reader: Parsed, writer: Parsed) -> list[str]:
    """Return why the reader cannot read what the writer writes; nothing if it can."""
    ours, theirs = reader.messages, writer.messages
    found = [f"message {name} is gone" for name in writer.own if name not in ours]
    for name in sorted(ours.keys() & theirs.keys()):
        found += [f"{name}.{what}" for what in _changed(ours[name], theirs[name])]
    return found


def _messages(schema: Schema) -> _Messages:
    """Return the messages of a file, and of what it imports, by their full names."""
    files = [file_of(one) for one in (*all_references(schema).values(), schema)]
    return {name: message for file in files for name, message in _inside(file.message_type, file.package)}


def _inside(messages: Any, scope: str) -> Iterator[tuple[str, Any]]:
    for message in messages:
        name = f"{scope}.{message.name}" if scope else message.name
        yield name, message
        yield from _inside(message.nested_type, name)


def _changed(reader: Any, writer: Any) -> Iterator[str]:
    ours = {field.number: field for field in reader.field}
    theirs = {field.number: field for field in writer.field}
    for number, field in ours.items():
        if number not in theirs and field.label == _F.LABEL_REQUIRED:
            yield f"{field.name}: a required field that older messages lack"
    for number, old in theirs.items():
        new = ours.get(number)
        if new is None:
            if old.label == _F.LABEL_REQUIRED:
                yield f"{old.name}: a required field is gone"
            continue
        yield from _changed_field(new, old)
    yield from _changed_choices(reader, writer, ours, theirs)


def _changed_field(new: Any, old: Any) -> Iterator[str]:
    if not _same_encoding(new, old):
        yield f"{old.name}: number {old.number} was {_type(old)} and is {_type(new)}"
    repeated = {new.label == _F.LABEL_REPEATED, old.label == _F.LABEL_REPEATED}
    if len(repeated) == 2 and old.type not in _UNPACKED:
        yield f"{old.name}: repeated numbers are packed, single ones are not"
    if new.label == _F.LABEL_REQUIRED and old.label != _F.LABEL_REQUIRED:
        yield f"{old.name}: required now, and older messages may lack it"


def _same_encoding(new: Any, old: Any) -> bool:
    if new.type == old.type:
        return new.type not in {_F.TYPE_MESSAGE, _F.TYPE_GROUP} or new.type_name == old.type_name
    return any({new.type, old.type} <= kinds for kinds in _SAME_ENCODING)


def _type(field: Any) -> str:
    word = _F.Type.Name(field.type).removeprefix("TYPE_").lower()
    return f"{word} {field.type_name}" if field.type_name else word


def _changed_choices(reader: Any, writer: Any, ours: _Fields, theirs: _Fields) -> Iterator[str]:
    """Fields that were apart and are of one ``oneof`` now: of a message that has both, all but one are lost."""
    for place, choice in enumerate(reader.oneof_decl):
        members = [number for number, one in ours.items() if one.HasField("oneof_index") and one.oneof_index == place]
        before = [theirs[number] for number in members if number in theirs]
        apart = {_choice(writer, field) or f"alone {field.number}" for field in before}
        if len(apart) > 1:
            names = ", ".join(field.name for field in before)
            yield f"{choice.name}: {names} were not of one oneof, and a message could have several"


def _choice(message: Any, field: Any) -> str:
    name: str = message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
    return name
