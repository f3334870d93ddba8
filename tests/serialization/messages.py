"""Files of Protobuf messages, made without a compiler."""

from __future__ import annotations

import base64
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from x07py.serialization import Schema

Field = tuple[str, int, str] | tuple[str, int, str, str]


def message(name: str, *fields: Field, nested: tuple[Any, ...] = (), oneofs: tuple[str, ...] = ()) -> Any:
    """Return a message; a field is its name, number, type (another message's with its dots) and label or oneof."""
    made = descriptor_pb2.DescriptorProto(name=name, nested_type=nested)
    for choice in oneofs:
        made.oneof_decl.add(name=choice)
    for one, number, kind, *more in fields:
        field = made.field.add(name=one, number=number, label="LABEL_OPTIONAL")
        if "." in kind:
            field.type, field.type_name = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE, kind
        else:
            field.type = descriptor_pb2.FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
        for word in more:
            if word in oneofs:
                field.oneof_index = oneofs.index(word)
            else:
                field.label = descriptor_pb2.FieldDescriptorProto.Label.Value(f"LABEL_{word.upper()}")
    return made


def file(*messages: Any, name: str = "shop.proto", imports: tuple[str, ...] = (), syntax: str = "proto3") -> Any:
    """Return a file of messages of the package ``shop``."""
    return descriptor_pb2.FileDescriptorProto(
        name=name, package="shop", syntax=syntax, dependency=imports, message_type=messages
    )


def schema(made: Any, *references: tuple[str, Schema]) -> Schema:
    """Return a file as a registry holds it."""
    return Schema("protobuf", base64.b64encode(made.SerializeToString()).decode(), references)


def classes(made: Any, *names: str) -> list[Any]:
    """Return classes of a file, as protoc would have made them."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(made)
    return [message_factory.GetMessageClass(pool.FindMessageTypeByName(name)) for name in names]
