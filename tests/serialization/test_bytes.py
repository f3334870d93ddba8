"""The bytes are those of Confluent's serializers, both ways; what is no such value is told with its code."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.serialization.messages import classes, file, message, schema
from tests.wire.http.registry import PASSWORD, USER, running
from x07py import Envelope, typed
from x07py.errors import SchemaError, SchemaUnknownError
from x07py.serialization import Schema, Subject, schema_id

WHERE = SerializationContext("orders", MessageField.VALUE)
NEW = {"use.deprecated.format": False}
ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "sizes", "type": {"type": "map", "values": "int"}},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["NEW", "OLD"]}},
    ],
}
VALUE = {"id": 1 << 40, "price": Decimal("12.34"), "note": "ä", "sizes": {"m": -3}, "kind": "OLD"}
JSON_ORDER = {"title": "Order", "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FILE = file(
    message("Empty"),
    message("Order", ("city", 1, "string"), nested=(message("Line"), message("Item", ("count", 300, "int32")))),
)


def avro(document: Any, *references: tuple[str, Schema]) -> Schema:
    return Schema("avro", json.dumps(document), references)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SchemaRegistryClient]:
    with (
        running(tmp_path_factory.mktemp("registry")) as found,
        SchemaRegistryClient({"url": found.url, "basic.auth.user.info": f"{USER}:{PASSWORD}"}) as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (ORDER, VALUE),
        ("string", "text"),
        ("bytes", b"\0raw"),
        (["null", "long"], 7),
        ({"type": "array", "items": ORDER}, [VALUE]),
    ],
)
def test_avro(registry: SchemaRegistryClient, document: Any, value: Any) -> None:
    theirs = AvroSerializer(registry, json.dumps(document))(value, WHERE)
    assert theirs is not None
    ours = Subject("orders-value", {schema_id(theirs): avro(document)}, schema_id(theirs))
    assert ours.encode(value) == theirs
    assert ours.decode(theirs) == value == AvroDeserializer(registry)(ours.encode(value), WHERE)


def test_avro_of_another_subject(registry: SchemaRegistryClient) -> None:
    whole = {
        "type": "record",
        "name": "Cart",
        "fields": [{"name": "orders", "type": {"type": "array", "items": "shop.Order"}}],
    }
    registry.register_schema("order", RegistrySchema(json.dumps(ORDER), "AVRO"))
    named = RegistrySchema(json.dumps(whole), "AVRO", [SchemaReference("shop.Order", "order", 1)])
    theirs = AvroSerializer(registry, named)({"orders": [VALUE]}, SerializationContext("carts", MessageField.VALUE))
    assert theirs is not None
    number = schema_id(theirs)
    ours = Subject("carts-value", {number: avro(whole, ("shop.Order", avro(ORDER)))}, number)
    assert ours.encode({"orders": [VALUE]}) == theirs
    assert ours.decode(theirs) == {"orders": [VALUE]}


def test_json(registry: SchemaRegistryClient) -> None:
    value = {"city": "Zürich", "rooms": [1, 2.5, None]}
    theirs = JSONSerializer(json.dumps(JSON_ORDER), registry)(value, WHERE)
    assert theirs is not None
    ours = Subject("orders-value", {schema_id(theirs): Schema("json", json.dumps(JSON_ORDER))}, schema_id(theirs))
    assert ours.encode(value) == theirs
    decode = JSONDeserializer(None, schema_registry_client=registry)
    assert ours.decode(theirs) == value == decode(ours.encode(value), WHERE)


@pytest.mark.parametrize(
    ("name", "fields"), [("shop.Empty", {}), ("shop.Order", {"city": "b"}), ("shop.Order.Item", {"count": 9})]
)
def test_protobuf(registry: SchemaRegistryClient, name: str, fields: dict[str, Any]) -> None:
    [kind] = classes(FILE, name)
    theirs = ProtobufSerializer(kind, registry, NEW)(kind(**fields), WHERE)
    assert theirs is not None
    ours = Subject("orders-value", {schema_id(theirs): schema(FILE)}, schema_id(theirs))
    assert ours.encode(kind(**fields)) == theirs
    assert kind.FromString(ours.payload(theirs)) == kind(**fields)
    read = ours.decode(theirs)
    assert read.DESCRIPTOR.full_name == name
    assert {one: getattr(read, one) for one in fields} == fields
    assert ProtobufDeserializer(kind, NEW, registry)(ours.encode(read), WHERE) == kind(**fields)


def test_a_protobuf_file_imports_others() -> None:
    money = file(message("Money", ("cents", 1, "int64")), name="money.proto")
    made = file(
        message("Bill", ("sum", 1, ".shop.Money"), ("at", 2, ".google.protobuf.Timestamp")),
        imports=("money.proto", "google/protobuf/timestamp.proto"),
    )
    bills = Subject("bills-value", {1: schema(made, ("money.proto", schema(money)))}, 1)
    bill = bills.decode(b"\0\0\0\0\1\0\x0a\x02\x08\x05\x12\x02\x08\x07")
    assert (bill.sum.cents, bill.at.seconds) == (5, 7)
    with pytest.raises(SchemaError, match="9598"):
        Subject("bills-value", {1: schema(made)}, 1)


def test_a_value_of_an_older_version_is_read_as_the_newer() -> None:
    newer = {**ORDER, "fields": [*ORDER["fields"], {"name": "paid", "type": "boolean", "default": True}]}
    orders = Subject("orders-value", {7: avro(ORDER), 9: avro(newer)}, 9)
    older = Subject("orders-value", {7: avro(ORDER)}, 7)
    assert orders.decode(older.encode(VALUE)) == {**VALUE, "paid": True}
    assert orders.encode({**VALUE, "paid": False}).startswith(b"\0\0\0\0\x09")
    with pytest.raises(SchemaUnknownError, match="holds no schema of the id 9"):
        older.decode(orders.encode({**VALUE, "paid": False}))
    assert older.learn(9, avro(newer)).decode(orders.encode({**VALUE, "paid": False})) == VALUE
    with pytest.raises(SchemaUnknownError, match="9"):
        older.decode(orders.encode({**VALUE, "paid": False}))


BARE = b"\0\0\0\0\1"
LONG = Subject("n-value", {1: avro("long")}, 1)
TEXT = Subject("n-value", {1: Schema("json", '{"type": "string"}')}, 1)
MESSAGES = Subject("n-value", {1: schema(FILE)}, 1)


@pytest.mark.parametrize(
    ("subject", "data", "code"),
    [
        (LONG, b"", 9595),
        (LONG, b"\0\0\0\0", 9595),
        (LONG, b'{"id": 1}', 9595),
        (LONG, b"\1" + b"u" * 16, 9595),
        (LONG, b"\0\0\0\0\2\2", 9596),
        (LONG, BARE, 9597),
        (LONG, BARE + b"\2\2", 9597),
        (TEXT, BARE + b"5", 9597),
        (TEXT, BARE + b"NaN", 9597),
        (TEXT, BARE + b'"\xff"', 9597),
        (TEXT, BARE + b"[" * 100_000, 9597),
        (MESSAGES, BARE, 9597),
        (MESSAGES, BARE + b"\x80" * 9, 9597),
        (MESSAGES, BARE + b"\1", 9597),
        (MESSAGES, BARE + b"\2\x08", 9597),
        (MESSAGES, BARE + b"\xfe\xff\xff\xff\x0f", 9597),
        (MESSAGES, BARE + b"\2\2\x0a\x09a", 9597),
    ],
)
def test_what_is_no_such_value(subject: Subject, data: bytes, code: int) -> None:
    with pytest.raises(SchemaError) as caught:
        subject.decode(data)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("subject", "value"),
    [
        (LONG, "text"),
        (TEXT, 5),
        (Subject("n-value", {1: Schema("json", "true")}, 1), float("nan")),
        (Subject("n-value", {1: Schema("json", "true")}, 1), {1, 2}),
        (MESSAGES, {"city": "b"}),
        (MESSAGES, classes(file(message("Order", ("city", 2, "string"))), "shop.Order")[0](city="b")),
        (MESSAGES, classes(file(message("Other")), "shop.Other")[0]()),
    ],
)
def test_a_value_that_does_not_fit_is_not_written(subject: Subject, value: Any) -> None:
    with pytest.raises(SchemaError, match="9597"):
        subject.encode(value)


@pytest.mark.parametrize(
    "wrong",
    [
        avro({"type": "recrod"}),
        Schema("avro", "{"),
        Schema("json", "[]"),
        Schema("json", '{"type": "strin"}'),
        Schema("json", '{"$schema": "http://example.com/mine"}'),
        Schema("json", '{"$ref": "http://127.0.0.1:9/other.json"}'),
        Schema("json", '{"properties": {"a": {"$ref": "#/definitions/none"}}}'),
        Schema("protobuf", "?"),
        Schema("protobuf", "AAAA"),
        schema(file(message("A", ("b", 1, ".shop.None")))),
        Schema("thrift", ""),
    ],
)
def test_a_schema_that_cannot_be_used(wrong: Schema) -> None:
    with pytest.raises(SchemaError, match="9598"):
        Subject("a", {1: wrong}, 1)


def test_json_refers_to_schemas_that_are_at_hand() -> None:
    city = Schema("json", '{"$id": "http://shop/city", "type": "string"}')
    by_name = Subject("a", {1: Schema("json", '{"$ref": "city.json"}', (("city.json", city),))}, 1)
    by_id = Subject("a", {1: Schema("json", '{"items": {"$ref": "http://shop/city"}}', (("city.json", city),))}, 1)
    assert (by_name.encode("b"), by_id.encode(["b"])) == (BARE + b'"b"', BARE + b'["b"]')
    for subject, value in ((by_name, 1), (by_id, [1])):
        with pytest.raises(SchemaError, match="9597"):
            subject.encode(value)


def test_the_set_of_descriptors_of_protoc_is_the_file_of_its_classes() -> None:
    named = file(message("Order", ("ship_to_city", 1, "string")))
    named.message_type[0].field[0].json_name = "shipToCity"
    [kind] = classes(file(message("Order", ("ship_to_city", 1, "string"))), "shop.Order")
    assert Subject("a", {1: schema(named)}, 1).encode(kind(ship_to_city="b")) == BARE + b"\0\x0a\x01b"


def test_a_handler_takes_decoded_values() -> None:
    @typed(TEXT.decode)
    def shout(text: str, envelope: Envelope) -> Envelope:
        return Envelope("loud", envelope.key, TEXT.encode(text.upper()))

    assert shout(Envelope("soft", b"k", BARE + b'"a"')) == Envelope("loud", b"k", BARE + b'"A"')


@pytest.mark.parametrize(("kind", "module"), [("avro", "fastavro"), ("protobuf", "google.protobuf")])
def test_a_library_that_is_missing_is_told_in_one_line(kind: str, module: str, tmp_path: Path) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        "from x07py.errors import NotInstalledError\n"
        "from x07py.serialization import Schema, parse\n"
        f"try: parse(Schema({kind!r}, ''))\n"
        "except NotInstalledError as error: print(error, *error.__notes__)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"[9635] {kind} needs {module}, which is not installed help: pip install 'x07py[{kind}]'" in done.stdout


def test_schemas_of_one_subject_are_of_one_kind() -> None:
    with pytest.raises(SchemaError, match="several kinds"):
        Subject("a", {1: avro("long"), 2: Schema("json", "true")}, 1)
    with pytest.raises(SchemaError, match="several kinds"):
        LONG.learn(2, Schema("json", "true"))
