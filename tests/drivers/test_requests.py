"""Requests and answers over RabbitMQ's direct reply-to: live, recorded, replayed, on the simulated broker."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.support.live import rabbitmqctl
from x07py import Driver, Envelope, PumpOptions, answer_to, open_driver, pump
from x07py.errors import EnvelopeError, MessageRejectedError, NoAnswerError, UnroutableError, UnsupportedError
from x07py.explore.services import read_answers
from x07py.explore.standing import simulated_brokers
from x07py.rr import session

TOKEN = "Bearer 0815-0815-0815-0815"


def double(envelope: Envelope) -> Envelope:
    """Answer with the double of a number."""
    return answer_to(envelope, b"%d" % (2 * int(envelope.value)), {"unit": "coins"})


@asynccontextmanager
async def service(queue: str) -> AsyncIterator[Driver]:
    """Answer what comes to a queue, by a pump; yield the driver that asks."""
    stop = asyncio.Event()
    async with (
        open_driver("amqp", profile="local_dev_v1") as asking,
        open_driver("amqp", profile="local_dev_v1") as own,
    ):
        await own.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})
        options = PumpOptions(dead_letter=queue)
        task = asyncio.create_task(pump(own, double, topics=[queue], stop=stop, options=options))
        try:
            yield asking
        finally:
            stop.set()
            await task


async def ask_many(queue: str) -> list[Envelope]:
    """Ask 20 requests at once; their answers in order."""
    async with service(queue) as driver, asyncio.timeout(120):
        asked = [Envelope(queue, b"k%d" % n, b"%d" % n, {"authorization": TOKEN}) for n in range(20)]
        return await asyncio.gather(*[driver.request(one, timeout_s=60) for one in asked])


ANSWERS = [(b"k%d" % n, b"%d" % (2 * n), {"unit": "coins"}) for n in range(20)]


def shown(answers: list[Envelope]) -> list[tuple[bytes, bytes, dict[str, str]]]:
    return [(one.key, one.value, dict(one.headers)) for one in answers]


@pytest.mark.live
async def test_each_request_gets_its_own_answer(on_amqp: Path) -> None:
    del on_amqp
    queue = f"ask-{uuid.uuid4().hex[:8]}"
    assert shown(await ask_many(queue)) == ANSWERS
    with simulated_brokers():
        assert shown(await ask_many(queue)) == ANSWERS


async def ask_recorded(queue: str) -> list[object]:
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        found: list[object] = []
        for value, timeout_s in ((b"3", 60.0), (b"4", 60.0), (b"none", 0.5)):
            try:
                request = Envelope(queue, b"\xff", value, {"authorization": TOKEN})
                found.append((await driver.request(request, timeout_s=timeout_s)).value)
            except NoAnswerError as error:
                found.append(error.code)
        return found


def only_numbers(envelope: Envelope) -> Envelope | None:
    return double(envelope) if envelope.value.isdigit() else None


@pytest.mark.live
async def test_requests_are_recorded_with_their_answers_and_what_had_none(on_amqp: Path) -> None:
    queue = f"ask-{uuid.uuid4().hex[:8]}"
    stop = asyncio.Event()
    async with open_driver("amqp", profile="local_dev_v1") as own:
        await own.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})
        serving = asyncio.create_task(pump(own, only_numbers, topics=[queue], stop=stop))
        with session(cassette="asked.x07rr.bin", mode="record"):
            live = await ask_recorded(queue)
        stop.set()
        await serving
    assert live == [b"6", b"8", 9865]
    written = (on_amqp / ".x07_rr/asked.x07rr.bin").read_bytes() + (on_amqp / ".x07_rr/asked.x07rr.md").read_bytes()
    assert TOKEN.encode() not in written
    known = read_answers(on_amqp / ".x07_rr/asked.x07rr.bin")
    assert [one.answer.value if one.answer else None for one in known] == [b"6", b"8", None]
    with session(cassette="asked.x07rr.bin", mode="replay"):
        assert await ask_recorded(queue) == live


@pytest.mark.live
async def test_what_cannot_be_asked_is_told_and_the_next_request_goes_through(on_amqp: Path, amqp_root: Path) -> None:
    del on_amqp
    queue = f"ask-{uuid.uuid4().hex[:8]}"
    async with service(queue) as driver, asyncio.timeout(240):
        with pytest.raises(UnroutableError):
            await driver.request(Envelope(queue + "-nowhere"))
        with pytest.raises(MessageRejectedError, match="headers that the driver sets"):
            await driver.request(Envelope(queue, headers={"reply-to": "mine"}))
        assert (await driver.request(Envelope(queue, value=b"1"), timeout_s=60)).value == b"2"
        await driver.control("apply_topology", {"topology": {"queues": [{"name": queue + "-unread"}]}})
        asking = asyncio.create_task(driver.request(Envelope(queue + "-unread"), timeout_s=120))
        async for _ in driver.consume([queue + "-unread"]):  # it is stored, so its answer is awaited
            break
        await asyncio.to_thread(rabbitmqctl, amqp_root, "close_all_connections", "test")
        with pytest.raises(NoAnswerError, match="connection was lost"):
            await asking
        assert (await driver.request(Envelope(queue, value=b"5"), timeout_s=60)).value == b"10"


async def ask_who_answers_twice(queue: str) -> list[bytes]:
    """Ask a service that is given each request twice, and answers twice."""
    async with (
        open_driver("amqp", profile="local_dev_v1") as asking,
        open_driver("amqp", profile="local_dev_v1") as own,
        asyncio.timeout(120),
    ):
        await own.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})

        async def serve() -> None:
            async for batch in own.consume([queue]):
                await own.publish_many([double(one.envelope) for one in batch for _ in range(2)])
                await own.ack(batch)

        serving = asyncio.create_task(serve())
        found = [(await asking.request(Envelope(queue, value=b"%d" % n), timeout_s=60)).value for n in range(5)]
        serving.cancel()
        return found


@pytest.mark.live
async def test_the_second_answer_to_a_request_is_dropped(on_amqp: Path) -> None:
    del on_amqp
    queue = f"ask-{uuid.uuid4().hex[:8]}"
    assert await ask_who_answers_twice(queue) == [b"0", b"2", b"4", b"6", b"8"]
    with simulated_brokers():
        assert await ask_who_answers_twice(queue) == [b"0", b"2", b"4", b"6", b"8"]


@pytest.mark.live
async def test_an_answer_that_nobody_waits_for_any_more_is_no_error(on_amqp: Path) -> None:
    del on_amqp
    queue = f"ask-{uuid.uuid4().hex[:8]}"
    async with open_driver("amqp", profile="local_dev_v1") as own:
        await own.control("apply_topology", {"topology": {"queues": [{"name": queue}]}})
        async with open_driver("amqp", profile="local_dev_v1") as asking:
            with pytest.raises(NoAnswerError, match="no answer within"):
                await asking.request(Envelope(queue, value=b"1"), timeout_s=0.3)
        options = PumpOptions(limit=1)
        assert (await pump(own, double, topics=[queue], options=options)).produced == 1


async def test_a_broker_without_requests_refuses_and_so_does_a_message_that_asks_for_nothing(project: Path) -> None:
    del project
    with simulated_brokers():
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            with pytest.raises(UnsupportedError, match="no operation 'request'"):
                await driver.request(Envelope("orders"))
    with pytest.raises(EnvelopeError, match="9594"):
        answer_to(Envelope("orders"), b"")
