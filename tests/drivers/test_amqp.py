"""RabbitMQ, live: mapping, confirms, returns, redelivery, topology, failures that have a name."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiormq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp.commands import Basic

from tests.cli.test_bad_input import refused
from tests.cli.test_reports import report
from tests.support.project import x07
from x07py import Delivery, Envelope, open_driver
from x07py.brokers.process import RunningBroker
from x07py.drivers import Driver
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.errors import ContractError, DriverError, EnvelopeError

live = pytest.mark.live


def unique() -> str:
    return f"q-{uuid.uuid4().hex[:8]}"


async def declare(driver: Driver, queue: str, **arguments: Any) -> None:
    topology = {"queues": [{"name": queue, "arguments": arguments}]}
    await driver.control("apply_topology", {"topology": topology})


async def consumers_of(address: str, queue: str) -> int:
    """Return how many consumers a queue has, asked over a connection of its own."""
    connection, channel = await raw_channel(address)
    answer = await channel.queue_declare(queue, passive=True)
    await connection.close()
    return answer.consumer_count or 0


async def first_batches(driver: Driver, queue: str, count: int) -> list[Delivery]:
    found: list[Delivery] = []
    async for batch in driver.consume([queue]):
        found += batch
        if len(found) >= count:
            break
    return found


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
names = st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("x07-")
)


@given(st.text(max_size=60), st.binary(max_size=20), st.binary(max_size=50), st.dictionaries(names, texts, max_size=5))
def test_every_envelope_survives_the_mapping(topic: str, key: bytes, value: bytes, headers: dict[str, str]) -> None:
    sent = Envelope(topic, key, value, {**headers, "content-type": "application/json", "priority": "3", "type": "t"})
    _, properties = to_amqp(sent)
    assert from_amqp(topic, value, properties) == sent
    assert (properties.content_type, properties.priority, properties.message_type) == ("application/json", 3, "t")


TEXTS = ["content-type", "content-encoding", "correlation-id", "reply-to", "message-id", "user-id", "app-id", "type"]
PROPERTIES = [*TEXTS, "expiration", "priority", "delivery-mode", "timestamp"]


@given(st.dictionaries(st.sampled_from(PROPERTIES), texts | st.integers(0, 300).map(str) | st.just("x" * 256)))
def test_headers_that_cannot_be_the_property_of_their_name_survive(headers: dict[str, str]) -> None:
    sent = Envelope("t", b"k", b"", headers)
    assert from_amqp("t", b"", to_amqp(sent)[1]) == sent


OWN = ["x07-exchange", "x07-key", "x07-amqp-headers", "x07-plain"]
entries = st.dictionaries(
    names | st.sampled_from(PROPERTIES + OWN), texts | st.integers(-5, 5) | st.binary(max_size=3).map(bytearray)
)


@given(entries, st.none() | st.integers(0, 9), st.none() | st.just("text/plain"), st.none() | st.just("order"))
def test_a_message_of_another_program_keeps_its_properties_and_its_table_apart(
    table: dict[str, Any], priority: int | None, content_type: str | None, kind: str | None
) -> None:
    properties = Basic.Properties(headers=table, priority=priority, content_type=content_type, message_type=kind)
    received = from_amqp("t", b"", properties)
    exchange, sent = to_amqp(received)
    assert exchange == ""
    assert (sent.headers or {}) == table
    assert (sent.priority, sent.content_type, sent.message_type) == (priority, content_type, kind)


def test_typed_tables_survive_and_a_malformed_one_is_refused() -> None:
    table: dict[str, Any] = {
        "x-death": [{"count": 2, "queue": "q"}],
        "n": 1,
        "yes": True,
        "nothing": None,
        "plain": "text",
    }
    received = from_amqp("t", b"", Basic.Properties(headers=table))
    assert received.headers["plain"] == "text"
    assert to_amqp(received)[1].headers == table
    faults = [{"x07-amqp-headers": "AAAA"}, {"n" * 129: ""}, {"a": "x" * 130_000}]
    for broken in (*[Envelope("t", headers=fault) for fault in faults], Envelope("t" * 256)):
        with pytest.raises(DriverError) as caught:
            to_amqp(broken)
        assert caught.value.code == 9859


@live
async def test_confirms_redelivery_and_dead_letters(on_amqp: Path) -> None:
    queue, dead = unique(), unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, dead)
        await declare(driver, queue, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead})
        await driver.publish_many([Envelope(queue, b"k", b"%d" % n) for n in range(3)])
        asked = 0
        async for batch in driver.consume([queue]):
            for one in batch:
                asked += 1
                if one.envelope.value == b"1" and not one.meta["redelivered"]:
                    await driver.nack([one])
                elif one.envelope.value == b"2":
                    await driver.nack([one], requeue=False)
                else:
                    await driver.ack([one])
            if asked >= 4:
                break
        assert asked == 4
        [letter] = await first_batches(driver, dead, 1)
        assert letter.envelope.value == b"2"
        assert letter.meta["queue"] == dead
        assert "x07-amqp-headers" in letter.envelope.headers
        await driver.ack([letter])
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(queue, value=b"last"))
        assert [one.envelope.value for one in await first_batches(driver, queue, 1)] == [b"last"]


@live
async def test_what_was_not_acknowledged_comes_again(on_amqp: Path) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue, **{"x-queue-type": "quorum"})
        await driver.publish_many([Envelope(queue, value=b"%d" % n) for n in range(30)])
        found = await first_batches(driver, queue, 30)
        await driver.ack(found[:20])
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        again = await first_batches(driver, queue, 10)
    assert sorted(int(one.envelope.value) for one in again) == list(range(20, 30))
    assert all(one.meta["redelivered"] for one in again)


@live
async def test_refusals_have_numbers(on_amqp: Path) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue, **{"x-max-length": 1, "x-overflow": "reject-publish"})
        await driver.publish(Envelope(queue))
        cases = [
            (9855, driver.publish(Envelope(unique()))),
            (9856, driver.publish_many([Envelope(queue)] * 3)),
            (9854, driver.publish(Envelope("t", headers={"x07-exchange": "nowhere"}))),
            (9854, first_batches(driver, unique(), 1)),
            (9858, declare(driver, queue, **{"x-max-length": 2})),
            (9622, driver.control("fly", {})),
            (9811, driver.publish(Envelope(queue, value=bytes(1048576)))),
        ]
        for code, call in cases:
            with pytest.raises(DriverError) as caught:
                await call
            assert caught.value.code == code, caught.value
            assert caught.value.hint
        with pytest.raises(ContractError) as invalid:
            await driver.control("plan_topology", {"topology": {"exchanges": [{"name": "x", "type": "odd"}]}})
        assert invalid.value.code == 9861
        assert [one.envelope.topic for one in await first_batches(driver, queue, 1)] == [queue]


@live
async def test_a_deleted_queue_ends_its_consumer(on_amqp: Path, live_amqp: RunningBroker) -> None:
    queue = unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        consuming = asyncio.create_task(first_batches(driver, queue, 1))
        while not await consumers_of(live_amqp.address, queue):
            assert not consuming.done(), consuming.exception()
        connection, channel = await raw_channel(live_amqp.address)
        await channel.queue_delete(queue)
        await connection.close()
        with pytest.raises(DriverError) as caught:
            await consuming
    assert caught.value.code == 9857


@live
async def test_a_wrong_password_is_refused_and_never_shown(on_amqp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = "hunter2-planted-secret"
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", planted)
    error = refused("msg", "topology", "plan", "app_v1", cwd=on_amqp, code="9853")
    assert planted not in error
    done = x07("msg", "topology", "plan", "app_v1", cwd=on_amqp, X07_DEBUG="1")
    assert planted not in done.stdout + done.stderr


@live
def test_topology_by_command(on_amqp: Path) -> None:
    name = unique()
    file = on_amqp / "arch/msg/amqp/topology/app_v1.topology.json"
    topology = json.loads(file.read_text())
    topology["exchanges"][0]["name"] = topology["queues"][0]["name"] = name
    topology["bindings"] = [{"exchange": name, "queue": name, "routing_key": "#"}]
    file.write_text(json.dumps(topology))

    def actions(command: str, exit_code: int = 0) -> list[str]:
        found = report("msg", "topology", command, "app_v1", cwd=on_amqp, exit_code=exit_code)
        return [step["action"] for step in found["plan"]]

    assert actions("plan") == ["create", "create", "bind"]
    assert actions("plan") == ["create", "create", "bind"]
    assert actions("apply") == ["create", "create", "bind"]
    assert actions("apply") == ["keep", "keep", "bind"]
    topology["queues"][0]["durable"] = False
    topology["exchanges"].append({"name": name + "-new", "type": "fanout"})
    file.write_text(json.dumps(topology))
    assert actions("plan", exit_code=1) == ["keep", "create", "conflict", "bind"]
    assert "inequivalent" in refused("msg", "topology", "apply", "app_v1", cwd=on_amqp, code="9858")
    assert actions("plan", exit_code=1) == ["keep", "create", "conflict", "bind"]


def test_bad_input_of_topology_commands(project: Path) -> None:
    refused("msg", "topology", "plan", "nope_v1", cwd=project, code="9843")
    refused("msg", "topology", "plan", "app_v1", "--profile", "nope", cwd=project, code="9802")
    refused("msg", "topology", "plan", "app_v1", cwd=project, code="9631")
    secrets: dict[str, Any] = {"X07_SECRET_RABBIT_USERNAME": "u", "X07_SECRET_RABBIT_PASSWORD": "p"}
    refused(
        "msg", "topology", "plan", "app_v1", cwd=project, code="9851", X07_AMQP_LOCAL_DEV_V1="127.0.0.1:1", **secrets
    )
    (project / "arch/msg/amqp/topology/app_v1.topology.json").write_text("{")
    refused("msg", "topology", "plan", "app_v1", cwd=project, code="9844")
    (project / "arch/msg/amqp/index.x07amqp.json").unlink()
    refused("msg", "topology", "plan", "app_v1", cwd=project, code="9840")


async def raw_channel(address: str) -> tuple[Any, Any]:
    connection = await aiormq.connect(f"amqp://guest:guest@{address}/%2F")
    return connection, await connection.channel()


@live
async def test_quorum_queues_limit_deliveries_and_dead_letter_by_exchange(on_amqp: Path) -> None:
    queue, dead = unique(), unique()
    topology = {
        "exchanges": [{"name": dead, "type": "fanout"}],
        "queues": [
            {"name": dead},
            {
                "name": queue,
                "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 2, "x-dead-letter-exchange": dead},
            },
        ],
        "bindings": [{"exchange": dead, "queue": dead, "routing_key": ""}],
    }
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.control("apply_topology", {"topology": topology})
        await driver.publish(Envelope(queue, b"k", b"poison"))
        seen: list[bool] = []
        async for batch in driver.consume([queue]):
            seen += [bool(one.meta["redelivered"]) for one in batch]
            await driver.nack(batch)
            if len(seen) == 3:
                break
        [letter] = await first_batches(driver, dead, 1)
    assert seen == [False, True, True]
    assert (letter.envelope.topic, letter.envelope.key, letter.envelope.value) == (queue, b"k", b"poison")
    headers: Any = to_amqp(letter.envelope)[1].headers
    [death] = headers["x-death"]
    assert (death["reason"], death["queue"]) == ("delivery_limit", queue)


@live
async def test_messages_expire_by_queue_and_by_message(on_amqp: Path) -> None:
    dead, brief, ready = unique(), unique(), unique()
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead}
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, dead)
        await declare(driver, brief, **{"x-message-ttl": 50, **letters})
        await declare(driver, ready, **letters)
        await driver.publish(Envelope(brief, value=b"by queue"))
        await driver.publish(Envelope(ready, value=b"by message", headers={"expiration": "50"}))
        found = await first_batches(driver, dead, 2)
    assert sorted(one.envelope.value for one in found) == [b"by message", b"by queue"]


@live
async def test_bindings_take_arguments(on_amqp: Path) -> None:
    name = unique()
    topology = {
        "exchanges": [{"name": name, "type": "headers"}],
        "queues": [{"name": name}],
        "bindings": [
            {"exchange": name, "queue": name, "routing_key": "", "arguments": {"x-match": "all", "colour": "red"}}
        ],
    }
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await driver.control("apply_topology", {"topology": topology})
        await driver.publish(Envelope("any", value=b"red", headers={"colour": "red", "x07-exchange": name}))
        with pytest.raises(DriverError) as caught:
            await driver.publish(Envelope("any", value=b"blue", headers={"colour": "blue", "x07-exchange": name}))
        assert caught.value.code == 9855
        assert [one.envelope.value for one in await first_batches(driver, name, 1)] == [b"red"]


@live
async def test_properties_survive_the_way_through_a_program(on_amqp: Path, live_amqp: RunningBroker) -> None:
    """What another client has set is the same after this driver has taken the message and published it again."""
    queue, onward = unique(), unique()
    sent = Basic.Properties(
        content_type="application/json",
        content_encoding="gzip",
        headers={"text": "grün", "number": 7, "nested": {"a": [1, True, None]}, "bytes": bytearray(b"\xff")},
        delivery_mode=1,
        priority=5,
        correlation_id="c-1",
        reply_to="answers",
        expiration="60000",
        message_id="m-1",
        timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        message_type="order.created",
        user_id="guest",
        app_id="shop",
    )
    connection, channel = await raw_channel(live_amqp.address)
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        await declare(driver, onward)
        await channel.basic_publish(b"{}", routing_key=queue, properties=sent)
        [found] = await first_batches(driver, queue, 1)
        envelope = found.envelope
        await driver.publish(Envelope(onward, envelope.key, envelope.value, envelope.headers))
    answer = await channel.basic_get(onward)
    await connection.close()
    assert envelope.headers["type"] == "order.created"
    assert dict(answer.header.properties) == dict(sent)


@live
async def test_a_batch_with_returns_names_the_first(on_amqp: Path) -> None:
    queue, nowhere = unique(), unique()
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await declare(driver, queue)
        batch = [Envelope(queue, value=b"0"), Envelope(nowhere, b"first"), Envelope(nowhere, b"second")]
        with pytest.raises(DriverError) as caught:
            await driver.publish_many(batch)
        assert (caught.value.code, "b'first'" in str(caught.value.where)) == (9855, True)
        assert [one.envelope.value for one in await first_batches(driver, queue, 1)] == [b"0"]
        assert (await driver.publish(Envelope(queue, value=b"1"))).text == b"OK"


@live
async def test_only_listed_topics_where_that_is_asked_for(on_amqp: Path) -> None:
    """`orders` is in the catalogue of the project, with 65,536 bytes."""
    async with open_driver("amqp", profile="local_dev_v1", listed_only=True) as driver:
        await declare(driver, "orders")
        await driver.publish(Envelope("orders", value=bytes(65536)))
        for code, envelope in ((9501, Envelope(unique())), (9502, Envelope("orders", value=bytes(65537)))):
            with pytest.raises(EnvelopeError) as caught:
                await driver.publish_many([Envelope("orders"), envelope])
            assert caught.value.code == code
        assert len((await first_batches(driver, "orders", 1))[0].envelope.value) == 65536
