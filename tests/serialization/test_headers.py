"""Ids in headers: what Confluent's serializers put there is read, and what is put there they read."""

from __future__ import annotations

import json
from typing import Any, Literal
from uuid import UUID

import pytest
from confluent_kafka.schema_registry import SchemaRegistryClient, header_schema_id_serializer
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.serialization.messages import classes, file, message, schema
from x07py import Envelope, typed
from x07py.errors import SchemaError, SchemaUnknownError
from x07py.msg import from_native, to_native
from x07py.serialization import Schema, Subject, schema_id

IN_HEADER = {"schema.id.serializer": header_schema_id_serializer}
NEW = {"use.deprecated.format": False}
TEXT = '{"title": "Order", "type": "object", "required": ["city"]}'
FILE = file(message("Other"), message("Order", ("city", 1, "string"), nested=(message("Item", ("count", 2, "int32")),)))
GUID, OTHER = UUID(int=1), UUID(int=0xFF << 120)
HEADER = "__value_schema_id"


@pytest.fixture
def registry() -> Any:
    return SchemaRegistryClient.new_client({"url": "mock://"})


def taken(serializer: Any, value: Any, field: Literal["key", "value"]) -> tuple[Envelope, Any]:
    """Return what their serializer makes of a value, as a message, and the context that it made it in."""
    headers: Any = []
    where = SerializationContext("orders", MessageField.KEY if field == "key" else MessageField.VALUE, headers)
    data = serializer(value, where)
    key, value = (data, b"") if field == "key" else (b"", data)
    return from_native("orders", key, value, headers), where


def given(deserializer: Any, envelope: Envelope, where: Any) -> Any:
    headers: Any
    key, value, headers = to_native(envelope)
    data = key if where.field == MessageField.KEY else value
    return deserializer(data, SerializationContext("orders", where.field, headers))


@pytest.mark.parametrize("field", ["key", "value"])
@pytest.mark.parametrize("document", ['"bytes"', '{"type": "map", "values": "string"}'])
def test_avro(registry: Any, document: str, field: Literal["key", "value"]) -> None:
    value: Any = b"\0as they are" if "bytes" in document else {"city": "Zürich"}
    theirs, where = taken(AvroSerializer(registry, document, conf=IN_HEADER), value, field)
    ours = Subject("orders", {schema_id(theirs, field): Schema("avro", document)}, schema_id(theirs, field))
    assert ours.write(Envelope("orders"), value, field) == theirs
    assert ours.decode(theirs, field) == value == given(AvroDeserializer(registry), theirs, where)


def test_json(registry: Any) -> None:
    theirs, where = taken(JSONSerializer(TEXT, registry, conf=IN_HEADER), {"city": "ä"}, "value")
    ours = Subject("orders-value", {schema_id(theirs): Schema("json", TEXT)}, schema_id(theirs))
    made = ours.write(Envelope("orders"), {"city": "ä"})
    assert (made, made.value) == (theirs, '{"city":"ä"}'.encode())
    decode = JSONDeserializer(None, schema_registry_client=registry)
    assert ours.decode(theirs) == {"city": "ä"} == given(decode, made, where)


@pytest.mark.parametrize(("name", "fields"), [("shop.Order", {"city": "Zürich"}), ("shop.Order.Item", {"count": -9})])
def test_protobuf(registry: Any, name: str, fields: dict[str, Any]) -> None:
    [kind] = classes(FILE, name)
    value = kind(**fields)
    theirs, where = taken(ProtobufSerializer(kind, registry, {**NEW, **IN_HEADER}), value, "value")
    ours = Subject("orders-value", {schema_id(theirs): schema(FILE)}, schema_id(theirs))
    made = ours.write(Envelope("orders"), value)
    assert (made, made.value) == (theirs, value.SerializeToString())
    assert (
        kind.FromString(ours.payload(theirs)) == value == given(ProtobufDeserializer(kind, NEW, registry), made, where)
    )
    assert ours.decode(theirs).DESCRIPTOR.full_name == name


def both(written: int | UUID) -> Subject:
    schemas: dict[int | UUID, Schema] = {1: Schema("json", "true"), GUID: Schema("json", "true")}
    return Subject("n-value", schemas, written)


def test_a_message_is_read_wherever_its_id_is_and_written_where_the_subject_says() -> None:
    source = Envelope("n", b"k", b"", {"mine": "1", "x07-null-value": "1", "x07-partition": "3"})
    headed = both(GUID).write(source, 5)
    assert to_native(headed) == (b"k", b"5", [("mine", b"1"), (HEADER, b"\1" + GUID.bytes)])
    assert headed.headers["x07-partition"] == "3"
    fronted = both(1).write(headed, 6)
    assert to_native(fronted) == (b"k", b"\0\0\0\0\x016", [("mine", b"1")])
    assert [both(one).decode(sent) for one in (1, GUID) for sent in (headed, fronted)] == [5, 6, 5, 6]
    numbered = from_native("n", b"", b"7", [(HEADER, None), (HEADER, b"\0\0\0\0\1"), (HEADER, b"")])
    assert both(GUID).decode(numbered) == 7

    @typed(both(GUID))
    def double(value: int, envelope: Envelope) -> Envelope:
        return both(1).write(envelope, 2 * value)

    assert double(headed) == both(1).write(source, 10)


@pytest.mark.parametrize("head", [b"", b"\1", b"\1" + bytes(15), b"\2" + bytes(16), b"\0\0\0\1", b"\0\0\0\0\1\0"])
def test_a_header_that_holds_no_id(head: bytes) -> None:
    with pytest.raises(SchemaError, match="9595"):
        both(1).decode(from_native("n", b"", b"5", [(HEADER, head)]))


def test_a_protobuf_header_that_names_more_than_a_message() -> None:
    orders = Subject("orders-value", {1: schema(FILE)}, 1)
    for rest, code in ((b"\0\0", "9595"), (b"", "9597"), (b"\2", "9597")):
        with pytest.raises(SchemaError, match=code):
            orders.decode(from_native("n", b"", b"", [(HEADER, b"\0\0\0\0\1" + rest)]))


def test_what_is_not_at_hand_or_has_no_message_is_told() -> None:
    with pytest.raises(SchemaUnknownError, match=str(OTHER)):
        both(1).decode(from_native("n", b"", b"5", [(HEADER, b"\1" + OTHER.bytes)]))
    learned = both(1).learn(OTHER, Schema("json", "true"))
    assert learned.decode(from_native("n", b"", b"5", [(HEADER, b"\1" + OTHER.bytes)])) == 5
    with pytest.raises(SchemaError, match="9595"):
        both(GUID).encode(5)
    assert json.loads(both(1).encode(5)[5:]) == 5
