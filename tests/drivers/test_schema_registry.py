"""A schema registry behind the Kafka driver: over real HTTP, recorded, replayed without it, refused in words."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema as RegistrySchema
from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient

from tests.arch.trees import CONTRACTS, manifest, node, run, write
from tests.wire.http.registry import PASSWORD, USER, running
from x07py import Envelope, PumpOptions, open_driver, pump, typed
from x07py.brokers.native import free_port
from x07py.drivers import know_writer, open_subjects
from x07py.drivers.driver import Driver
from x07py.drivers.plugin import find_driver
from x07py.errors import (
    ContractError,
    DiffersFromRecordingError,
    LoginRefusedError,
    NotFoundError,
    SchemaRefusedError,
    SchemaUnknownError,
    UnreachableError,
    UnsupportedError,
    X07Error,
)
from x07py.explore.standing import simulated_brokers
from x07py.rr import session
from x07py.serialization import Subject

PROFILE = "arch/msg/kafka/profiles/local_dev_v1.kafka.json"
MONEY = {"type": "record", "name": "Money", "fields": [{"name": "cents", "type": "long"}]}


def order(*more: dict[str, Any]) -> dict[str, Any]:
    fields = [{"name": "password", "type": "string"}, {"name": "sum", "type": "Money"}, *more]
    return {"type": "record", "name": "Order", "fields": fields}


NEWER = order({"name": "paid", "type": "boolean", "default": False})
VALUE = {"password": "in the schema, by that name", "sum": {"cents": 5}}


@dataclass(frozen=True)
class Place:
    """A project with a registry of which other subjects nobody knows."""

    root: Path
    orders: str
    money: str

    def pin(self, *versions: dict[str, Any], id_in: str = "prefix") -> None:
        """Pin versions of the orders, which refer to money."""
        folder = self.root / "arch/msg/schemas"
        folder.mkdir(exist_ok=True)
        (folder / "money.1.avsc").write_text(json.dumps(MONEY))
        rows = []
        for number, document in enumerate(versions, 1):
            path = f"arch/msg/schemas/orders.{number}.avsc"
            (self.root / path).write_text(json.dumps(document))
            rows.append(
                {
                    "version": number,
                    "path": path,
                    "references": [{"name": "Money", "subject": self.money, "version": 1}],
                }
            )
        subjects = [
            {"subject": self.orders, "kind": "avro", "id_in": id_in, "versions": rows},
            {
                "subject": self.money,
                "kind": "avro",
                "versions": [{"version": 1, "path": "arch/msg/schemas/money.1.avsc"}],
            },
        ]
        index = {"schema_version": "x07py.arch.msg.subjects@0.1.0", "subjects": subjects}
        (folder / "subjects.json").write_text(json.dumps(index))

    def point_at(self, *urls: str, **secrets: str) -> None:
        """Name a registry in the profile."""
        document = json.loads((self.root / PROFILE).read_text())
        document["schema_registry"] = {"urls": list(urls), **secrets}
        document["schema_version"] = "x07py.arch.msg.kafka.profile@0.1.0"
        (self.root / PROFILE).write_text(json.dumps(document))


SECRETS = {"username_secret_id": "registry_user", "password_secret_id": "registry_password"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found.url


@pytest.fixture
def place(project: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("X07_SECRET_REGISTRY_USER", USER)
    monkeypatch.setenv("X07_SECRET_REGISTRY_PASSWORD", PASSWORD)
    name = uuid.uuid4().hex[:8]
    made = Place(project, f"orders-{name}-value", f"money-{name}")
    made.pin(order())
    made.point_at(url, **SECRETS)
    return made


async def subjects(*, register: bool = False) -> dict[str, Subject]:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        return await open_subjects(driver, register=register)


async def fails() -> X07Error:
    with pytest.raises(X07Error) as caught:
        await subjects()
    assert "\n" not in str(caught.value)
    return caught.value


async def both_versions(place: Place, id_in: str) -> list[Any]:
    """Register one version, then another; read what the newer wrote as the older, whose subject learns it."""
    place.pin(order(), id_in=id_in)
    older = (await subjects(register=True))[place.orders]
    place.pin(order(), NEWER, id_in=id_in)
    newer = (await subjects(register=True))[place.orders]
    message = newer.write(Envelope("orders"), {**VALUE, "paid": True})
    with pytest.raises(SchemaUnknownError):
        older.decode(message)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        knows = await know_writer(driver, older, message)
        assert await know_writer(driver, knows, message) is knows
    return [message, knows.decode(message), newer.decode(older.write(Envelope("orders"), VALUE))]


@pytest.mark.parametrize("id_in", ["prefix", "header"])
async def test_what_the_registry_says_is_recorded_and_replayed_without_it(place: Place, id_in: str) -> None:
    with session(cassette="asked.x07rr.bin", mode="record"):
        live = await both_versions(place, id_in)
    assert live[1:] == [VALUE, {**VALUE, "paid": False}]
    assert PASSWORD.encode() not in (place.root / ".x07_rr/asked.x07rr.bin").read_bytes()
    place.point_at(f"http://127.0.0.1:{free_port()}", **SECRETS)
    with session(cassette="asked.x07rr.bin", mode="replay"):
        assert await both_versions(place, id_in) == live
    place.pin(NEWER)
    with pytest.raises(DiffersFromRecordingError), session(cassette="asked.x07rr.bin", mode="replay"):
        await subjects(register=True)


@pytest.mark.live
async def test_a_core_writes_and_reads_what_it_is_given_subjects_for(place: Place, on_kafka: Path) -> None:
    topic = place.orders.removesuffix("-value")
    orders = (await subjects(register=True))[place.orders]

    @typed(orders.decode)
    def double(value: dict[str, Any], envelope: Envelope) -> Envelope:
        cents = {"cents": 2 * value["sum"]["cents"]}
        return Envelope(f"{topic}-double", envelope.key, orders.encode({**value, "sum": cents}))

    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish_many([Envelope(topic, b"k", orders.encode(VALUE)), Envelope(topic, b"k", b"none")])
        options = PumpOptions(dead_letter=f"{topic}-dead", limit=2)
        report = await pump(driver, double, topics=[topic], group=topic, options=options)
        assert (report.produced, report.dead_lettered) == (2, 1)
        async for [made] in driver.consume([f"{topic}-double"], group=topic):
            assert orders.decode(made.envelope.value) == {**VALUE, "sum": {"cents": 10}}
            break
    del on_kafka


async def test_a_version_that_is_not_registered(place: Place) -> None:
    error = await fails()
    assert isinstance(error, NotFoundError)
    assert (error.code, place.money in error.message, "register=True" in str(error.hint)) == (9766, True, True)
    found = (await subjects(register=True))[place.orders]
    assert (await subjects())[place.orders].schemas == found.schemas
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        with pytest.raises(NotFoundError, match="the schema of id 4294967295"):
            await know_writer(driver, found, b"\0\xff\xff\xff\xff")
        with pytest.raises(ContractError, match="no subject is called 'none'"):
            await open_subjects(driver, ["none"])


async def test_a_registry_that_refuses_the_user(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_SECRET_REGISTRY_PASSWORD", "wrong-0815-0815")
    error = await fails()
    assert isinstance(error, LoginRefusedError)
    assert (error.code, "wrong-0815" in str(error)) == (9768, False)


async def test_a_registry_that_is_not_there(place: Place, url: str) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    place.point_at(nowhere, **SECRETS)
    error = await fails()
    assert isinstance(error, UnreachableError)
    assert (error.code, nowhere in str(error.where)) == (9767, True)
    place.point_at(nowhere, url, **SECRETS)
    assert await subjects(register=True)


async def test_a_version_that_the_registry_does_not_take(place: Place) -> None:
    place.pin(order(), {**order(), "name": "Other"})
    with pytest.raises(SchemaRefusedError, match=rf"9769.*version 2 of '{place.orders}': .*incompatible"):
        await subjects(register=True)


async def test_schemas_that_refer_to_each_other_in_a_circle(place: Place, url: str) -> None:
    orders = (await subjects(register=True))[place.orders]
    name = f"circle-{uuid.uuid4().hex[:8]}"
    again = [SchemaReference(one, name, 1) for one in ("A", "B")]
    with SchemaRegistryClient({"url": url, "basic.auth.user.info": f"{USER}:{PASSWORD}"}) as client:
        number = client.register_schema(name, RegistrySchema('"string"', "AVRO", again))
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        with pytest.raises(SchemaRefusedError, match=r"9769.*more than 100 schemas, or to itself"):
            await know_writer(driver, orders, b"\0" + number.to_bytes(4, "big"))


DEEP: Any = {"type": "AVRO", "schema": '"int"', "references": []}
for _ in range(200):
    DEEP = {"type": "AVRO", "schema": '"int"', "references": [{"name": "a", **DEEP}]}


@pytest.mark.parametrize(
    "answer",
    [
        *({"ids": [1, 2], "guids": [None]}, {"ids": [1, 2], "guids": ["x", 5]}),
        *({}, {"ids": 5}, {"ids": [1]}, {"ids": ["1", "2"]}, {"ids": [1, True]}, {"type": "AVRO", "schema": "x"}, DEEP),
        {"type": "AVRO", "schema": '"int"', "references": [{"type": "AVRO", "schema": '"int"', "references": []}]},
    ],
)
async def test_an_answer_that_cannot_be_used(place: Place, answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a recording that was changed by hand."""
    orders = (await subjects(register=True))[place.orders]

    async def changed(*asked: Any) -> Any:
        return answer

    monkeypatch.setattr(Driver, "control", changed)
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        with pytest.raises(SchemaRefusedError, match=r"9769.*cannot be used"):
            await open_subjects(driver)
        with pytest.raises(SchemaRefusedError, match=r"9769.*cannot be used"):
            await know_writer(driver, orders, b"\0\xff\xff\xff\xff")


async def test_a_profile_without_a_registry(place: Place) -> None:
    document = json.loads((place.root / PROFILE).read_text())
    del document["schema_registry"]
    (place.root / PROFILE).write_text(json.dumps(document))
    assert isinstance(await fails(), UnsupportedError)
    with simulated_brokers():
        assert isinstance(await fails(), UnsupportedError)


@pytest.mark.parametrize(
    "wrong",
    [
        {"urls": ["ftp://a"]},
        {"urls": ["http://user:word@a"]},
        {"urls": [5]},
        {"urls": ["http://a"], "username_secret_id": "u"},
        {"urls": ["http://a"], "password_secret_id": "u"},
        {"urls": ["http://a?b"]},
        {"urls": ["http://a:port"]},
    ],
)
async def test_a_registry_that_cannot_be_meant(place: Place, wrong: dict[str, Any]) -> None:
    document = json.loads((place.root / PROFILE).read_text())
    (place.root / PROFILE).write_text(json.dumps({**document, "schema_registry": wrong}))
    error = await fails()
    assert isinstance(error, ContractError)
    assert error.code == 9750
    write(place.root, manifest(node("a"), contracts_v1=CONTRACTS), {"a.py": ""})
    assert "E_ARCH_MSG_KAFKA_PROFILE_INVALID" in {row.code for row in run(place.root, write_lock=True).findings}


async def test_a_registry_without_guids_has_none_for_a_header(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a recording that was made before there were any."""
    place.pin(order(), id_in="header")

    async def changed(*asked: Any) -> Any:
        return {"ids": [1, 2]}

    monkeypatch.setattr(Driver, "control", changed)
    error = await fails()
    assert isinstance(error, SchemaRefusedError)
    assert (error.code, "no GUIDs" in error.message, "record again" in str(error.hint)) == (9769, True, True)


def test_grants_and_secrets_of_a_profile_cover_its_registry(place: Place) -> None:
    place.point_at("https://registry.example", "http://[::1]:8081/base", **SECRETS)
    driver = find_driver("kafka")
    profile = driver.read_profile(place.root, "local_dev_v1")
    assert driver.addresses(profile)[-2:] == ("registry.example:443", "[::1]:8081")
    assert set(SECRETS.values()) <= set(driver.secret_ids(profile))
