"""RabbitMQ, live: mapping, confirms, returns, redelivery, topology, failures that have a name."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path
from typing import Any

import aiormq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_bad_input import refused
from tests.cli.test_reports import report
from tests.project import x07
from x07py import Delivery, Envelope, open_driver
from x07py.brokers.process import RunningBroker
from x07py.drivers import Driver
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.errors import AmqpError, ContractError, DriverError

live = pytest.mark.live


def unique() -> str:
    return f"q-{uuid.uuid4().hex[:8]}"


async def declare(driver: Driver, queue: str, **arguments: Any) -> None:
    topology = {"queues": [{"name": queue, "arguments": arguments}]}
    await driver.control("apply_topology", {"topology": topology})


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


def test_typed_tables_survive_and_a_malformed_one_is_refused() -> None:
    from pamqp.commands import Basic

    table = {"x-death": [{"count": 2, "queue": "q"}], "n": 1, "yes": True, "nothing": None, "plain": "text"}
    received = from_amqp("t", b"", Basic.Properties(headers=table))
    assert received.headers["plain"] == "text"
    assert to_amqp(received)[1].headers == table
    faults = [{"x07-amqp-headers": "AAAA"}, {"n" * 129: ""}, {"a": "x" * 130_000}]
    for broken in (*[Envelope("t", headers=fault) for fault in faults], Envelope("t" * 256)):
        with pytest.raises(AmqpError) as caught:
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
        await asyncio.sleep(0.5)
        connection = await aiormq.connect(f"amqp://guest:guest@{live_amqp.address}/%2F")
        channel = await connection.channel()
        await channel.queue_delete(queue)
        await connection.close()
        with pytest.raises(AmqpError) as caught:
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
    secrets = {"X07_SECRET_RABBIT_USERNAME": "u", "X07_SECRET_RABBIT_PASSWORD": "p"}
    refused(
        "msg", "topology", "plan", "app_v1", cwd=project, code="9851", X07_AMQP_LOCAL_DEV_V1="127.0.0.1:1", **secrets
    )
    (project / "arch/msg/amqp/topology/app_v1.topology.json").write_text("{")
    refused("msg", "topology", "plan", "app_v1", cwd=project, code="9844")
    (project / "arch/msg/amqp/index.x07amqp.json").unlink()
    refused("msg", "topology", "plan", "app_v1", cwd=project, code="9840")
