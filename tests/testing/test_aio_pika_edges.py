"""aio-pika on a cassette where things go wrong: mismatches, waiting for nothing, brokers that close, partial tapes."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import aio_pika
import aiormq
import pytest
from pamqp.commands import Basic

from x07py.brokers.process import RunningBroker
from x07py.drivers.base import AMQP
from x07py.errors import CassetteError, DriverError, ReplayMismatchError
from x07py.msg import Envelope
from x07py.rr import Cassette
from x07py.rr.guard import register_secret
from x07py.testing.cassette import use_cassette

NOWHERE = "amqp://guest:guest@127.0.0.1:1/"


@pytest.fixture
def url(live_amqp: RunningBroker) -> str:
    return f"amqp://guest:guest@{live_amqp.address}/"


async def publish(url: str, queue: str, *bodies: str, headers: dict[str, str] | None = None) -> None:
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(queue)
        for body in bodies:
            message = aio_pika.Message(body.encode(), headers=dict(headers or {}))
            await channel.default_exchange.publish(message, routing_key=queue)


async def consume(url: str, queue: str, count: int) -> list[str]:
    """Take `count` messages one by one with a robust connection, and return what was in them."""
    seen: list[str] = []
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1)
        declared = await channel.declare_queue(queue)
        async with declared.iterator() as messages:
            async for message in messages:
                seen.append(message.body.decode())
                await message.ack()
                if len(seen) == count:
                    break
    return seen


async def ignore(message: Any) -> None:
    """A consumer that does nothing."""


def entries(project: Path, name: str) -> list[tuple[str, str]]:
    loaded = Cassette.load(project / ".x07_rr" / name)
    return [(entry.op.removeprefix(AMQP.op_prefix).removesuffix("_v1"), entry.scope) for entry in loaded.entries]


async def test_a_program_that_waits_for_more_than_was_recorded_is_ended(project: Path, url: str) -> None:
    with use_cassette("more.x07rr.bin"):
        await publish(url, "more", "one", "two")
        assert await consume(url, "more", 2) == ["one", "two"]

    async def wait_for_a_third() -> None:
        await publish(NOWHERE, "more", "one", "two")
        await consume(NOWHERE, "more", 3)

    with pytest.raises(ReplayMismatchError) as caught, use_cassette("more.x07rr.bin", patience_s=0.2):
        await wait_for_a_third()
    assert caught.value.code == 2070
    assert "more" in caught.value.message
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


def test_a_program_outside_of_any_loop_is_ended_too(project: Path, url: str) -> None:
    with use_cassette("ended.x07rr.bin"):
        asyncio.run(publish(url, "ended", "one"))
        assert asyncio.run(consume(url, "ended", 1)) == ["one"]

    async def wait_for_ever() -> None:
        connection = await aio_pika.connect_robust(NOWHERE)
        queue = await (await connection.channel()).declare_queue("ended")
        await queue.consume(ignore)
        await asyncio.Future()

    with pytest.raises(ReplayMismatchError) as caught, use_cassette("ended.x07rr.bin", patience_s=0.2):
        asyncio.run(wait_for_ever())
    assert caught.value.code == 2070


async def test_the_next_message_comes_after_the_ack_that_was_recorded_before_it(project: Path, url: str) -> None:
    with use_cassette("order.x07rr.bin"):
        await publish(url, "order", "one", "two", "three")
        await consume(url, "order", 3)
    found = [op for op, _ in entries(project, "order.x07rr.bin") if op in ("consume_env", "ack")]
    assert found == ["consume_env", "ack"] * 3
    arrived: list[str] = []
    with contextlib.suppress(ReplayMismatchError), use_cassette("order.x07rr.bin", patience_s=0.5):
        await publish(NOWHERE, "order", "one", "two", "three")
        async with await aio_pika.connect_robust(NOWHERE) as connection:
            channel = await connection.channel()
            await channel.set_qos(prefetch_count=1)
            queue = await channel.declare_queue("order")

            async def keep(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                arrived.append(message.body.decode())

            await queue.consume(keep)
            await asyncio.sleep(3)
    assert arrived == ["one"]


async def test_a_mismatch_fails_the_block_although_the_program_swallows_it(project: Path, url: str) -> None:
    with use_cassette("hidden.x07rr.bin"):
        await publish(url, "hidden", "one")
    with pytest.raises(ReplayMismatchError) as caught, use_cassette("hidden.x07rr.bin"):
        await asyncio.gather(publish(NOWHERE, "hidden", "another"), return_exceptions=True)
    assert caught.value.code == 2050


async def test_what_was_not_recorded_is_not_there(project: Path, url: str) -> None:
    with use_cassette("topology.x07rr.bin"):
        await publish(url, "topology", "one")
    for program, code in (("another", 2009), ("topology", 2051)):
        with pytest.raises(ReplayMismatchError) as caught, use_cassette("topology.x07rr.bin"):
            await publish(NOWHERE, program)
        assert caught.value.code == code


async def test_a_method_that_no_program_sends_fails_by_its_name(project: Path, url: str) -> None:
    async def odd(url: str) -> None:
        async with aiormq.connect(url) as connection:
            channel: Any = await connection.channel()
            await channel.rpc(Basic.GetEmpty(), timeout=5)

    with pytest.raises(DriverError) as caught, use_cassette("odd.x07rr.bin"):
        await odd(url)
    assert caught.value.code == 9641
    assert "Basic.GetEmpty" in caught.value.message


async def test_new_episodes_replays_what_there_is_and_records_the_rest(project: Path, url: str) -> None:
    with use_cassette("rest.x07rr.bin", mode="new_episodes"):
        await publish(url, "rest", "one")
    with use_cassette("rest.x07rr.bin", mode="new_episodes"):
        await publish(url, "rest", "one", "two")
        assert await consume(url, "rest", 2) == ["one", "two"]
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).declare_queue("rest", passive=True)
        assert queue.declaration_result.message_count == 0
    with use_cassette("rest.x07rr.bin", mode="none"):
        await publish(NOWHERE, "rest", "one", "two")
        assert await consume(NOWHERE, "rest", 2) == ["one", "two"]


async def test_filters_change_what_is_written_and_what_a_replay_shows(project: Path, url: str) -> None:
    def quiet(envelope: Envelope) -> Envelope:
        return Envelope(envelope.topic, envelope.key, envelope.value.replace(b"4111", b"****"), envelope.headers)

    options: dict[str, Any] = {"before_record": [quiet], "filter_headers": ["authorization"]}
    for address, seen in ((url, "card 4111"), (NOWHERE, "card ****")):
        with use_cassette("card.x07rr.bin", **options):
            await publish(address, "card", "card 4111", headers={"authorization": "open sesame"})
            assert await consume(address, "card", 1) == [seen]
    raw = (project / ".x07_rr" / "card.x07rr.bin").read_bytes()
    assert b"4111" not in raw
    assert b"sesame" not in raw


async def test_a_password_is_never_written(project: Path, live_amqp: RunningBroker) -> None:
    with use_cassette("refused.x07rr.bin"), pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(f"amqp://guest:hunter22@{live_amqp.address}/")
    assert b"hunter22" not in (project / ".x07_rr" / "refused.x07rr.bin").read_bytes()
    with use_cassette("refused.x07rr.bin"), pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(NOWHERE)


async def test_consumers_and_channels_that_the_broker_ends(project: Path, url: str) -> None:
    async def program(url: str) -> list[str]:
        seen: list[str] = []
        async with aiormq.connect(url) as connection:
            channel = await connection.channel()
            await channel.queue_declare("ending")
            cancelled = asyncio.Event()
            channel.on_consumer_cancel_callbacks.add(lambda _: cancelled.set())
            await channel.basic_consume("ending", ignore)
            await channel.queue_delete("ending")
            await asyncio.wait_for(cancelled.wait(), 60)
            seen.append("cancelled")
            try:
                await channel.basic_publish(b"lost", exchange="no such exchange", routing_key="x")
            except aiormq.exceptions.ChannelNotFoundEntity as error:
                seen.append(str(error))
            other = await connection.channel()
            seen.append(str((await other.queue_declare("", exclusive=True)).message_count))
        return seen

    with use_cassette("ending.x07rr.bin"):
        recorded = await program(url)
    assert recorded[0] == "cancelled"
    assert "no such exchange" in recorded[1]
    with use_cassette("ending.x07rr.bin", mode="none"):
        assert await program(NOWHERE) == recorded


PATIENT = """
import asyncio, sys
import aio_pika
from x07py.rr.replay_state import ReplayState
from x07py.testing.cassette import use_cassette

async def patient(url):
    loop = asyncio.get_running_loop()
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "late", "x-message-ttl": 700}
        late = await channel.declare_queue("late", auto_delete=True)
        await channel.declare_queue("waiting-room", arguments=arguments, auto_delete=True)
        started = loop.time()
        await channel.default_exchange.publish(aio_pika.Message(b"tick"), routing_key="waiting-room")
        async with late.iterator(no_ack=True) as messages:
            await anext(messages)
        return loop.time() - started

url, real_time, patience_s, ticks = sys.argv[1], sys.argv[2] == "real", float(sys.argv[3]), int(sys.argv[4])
if ticks:
    ReplayState.ticks = lambda *_: ticks
with use_cassette("late.x07rr.bin", real_time=real_time, patience_s=patience_s):
    print(asyncio.run(patient(url)))
"""


def test_time_is_virtual_unless_it_is_asked_for(project: Path, url: str) -> None:
    """What took 0.7 s takes that again if asked for; if not, what took less than a heartbeat takes next to nothing.

    In processes of their own: threads of other tests with short timers would be taken for the program's.
    """

    def run(*args: object) -> float:
        command = [sys.executable, "-c", PATIENT, *map(str, args)]
        done = subprocess.run(command, check=False, cwd=project, capture_output=True, text=True, timeout=200)
        assert done.returncode == 0, done.stderr
        return float(done.stdout)

    assert run(url, "virtual", 10, 0) >= 0.7
    assert run(NOWHERE, "real", 0.1, 0) > 0.6  # what is certain to come is waited for beyond all patience
    assert run(NOWHERE, "virtual", 10, 20_000) < 15


async def test_a_connection_made_before_the_block_is_refused_if_it_is_used(project: Path, url: str) -> None:
    async def program(before: aiormq.abc.AbstractConnection) -> None:
        with use_cassette("outside.x07rr.bin"):
            channel = await before.channel()
            await channel.queue_declare("outside", exclusive=True)

    async with aiormq.connect(url) as before:
        with pytest.raises(CassetteError) as caught:
            await program(before)
        assert caught.value.code == "X07_CASSETTE_CONNECTION"
        assert url.partition("@")[2].rstrip("/") in caught.value.message
        with use_cassette("outside.x07rr.bin", allow_empty=True):
            pass
    assert not (project / ".x07_rr" / "outside.x07rr.bin").exists()
    with pytest.raises(aiormq.exceptions.AMQPConnectionError):
        await aiormq.connect(NOWHERE)


async def test_a_secret_ends_the_recording(project: Path, url: str) -> None:
    register_secret("drop-in", "correct horse battery")
    with pytest.raises(CassetteError) as caught, use_cassette("secret.x07rr.bin"):
        await publish(url, "secret", "correct horse battery")
    assert caught.value.code == 2056
    left = project / ".x07_rr" / "secret.x07rr.bin.partial"
    assert b"queue_declare" in left.read_bytes()
    assert b"horse" not in left.read_bytes()
    with use_cassette("another.x07rr.bin"):
        await publish(url, "secret", "nothing to hide")
