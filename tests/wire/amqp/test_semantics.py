"""What a broker does when: late answers, returns, names that it gives, lost connections, TLS; live and in a replay."""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aio_pika
import amqp
import pika
import pytest

from tests.support.listeners import Listeners
from tests.support.live import rabbitmqctl
from tests.support.proxy import Proxy
from x07py.brokers.process import RunningBroker
from x07py.msg import Envelope
from x07py.rr import Cassette
from x07py.testing.cassette import use_cassette

NOWHERE = "amqp://guest:guest@rabbit.example:5672/%2F"


@pytest.fixture
def url(live_amqp: RunningBroker) -> str:
    return f"amqp://guest:guest@{live_amqp.address}/%2F"


def blocking(url: str) -> list[Any]:
    """Wait too short for an answer, and then long enough."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    late = "x-dead-letter-routing-key"
    channel.queue_declare("late-pika", auto_delete=True)
    arguments = {"x-dead-letter-exchange": "", late: "late-pika", "x-message-ttl": 800}
    channel.queue_declare("waiting-pika", arguments=arguments)
    seen: list[Any] = []
    channel.basic_consume("late-pika", lambda *args: seen.append(args[3]), auto_ack=True)
    channel.basic_publish("", "waiting-pika", b"answer")
    connection.process_data_events(time_limit=0.3)
    seen.append("gave up")
    while len(seen) < 2:
        connection.process_data_events(time_limit=5)
    channel.queue_delete("waiting-pika")
    connection.close()
    return seen


def looping(url: str) -> list[Any]:
    """The same with tasks."""

    async def main() -> list[Any]:
        seen: list[Any] = []
        async with await aio_pika.connect(url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("late-aio", auto_delete=True)
            late = "x-dead-letter-routing-key"
            arguments: dict[str, Any] = {"x-dead-letter-exchange": "", late: "late-aio", "x-message-ttl": 800}
            await channel.declare_queue("waiting-aio", arguments=arguments)
            answer = asyncio.get_running_loop().create_future()

            async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                answer.set_result(message.body)

            await queue.consume(take, no_ack=True)
            await channel.default_exchange.publish(aio_pika.Message(b"answer"), "waiting-aio")
            try:
                seen.append(await asyncio.wait_for(asyncio.shield(answer), 0.3))
            except TimeoutError:
                seen.append("gave up")
            seen.append(await answer)
            await channel.queue_delete("waiting-aio")
        return seen

    return asyncio.run(main())


@pytest.mark.parametrize("program", [blocking, looping])
def test_an_answer_that_came_too_late_comes_too_late_again(
    project: Path, url: str, program: Callable[[str], list[Any]]
) -> None:
    with use_cassette("late.x07rr.bin"):
        recorded = program(url)
    assert recorded == ["gave up", b"answer"]
    for _ in range(2):
        began = time.monotonic()
        with use_cassette("late.x07rr.bin", mode="none"):
            assert program(NOWHERE) == recorded
        assert time.monotonic() - began < 60


def test_the_time_that_recording_takes_is_not_the_brokers(project: Path, url: str) -> None:
    def slowly(envelope: Envelope) -> Envelope:
        time.sleep(0.03)
        return envelope

    with use_cassette("slowly.x07rr.bin", before_record=[slowly]):
        connection = pika.BlockingConnection(pika.URLParameters(url))
        channel = connection.channel()
        channel.queue_declare("slowly", exclusive=True)
        for number in range(20):
            channel.basic_publish("", "slowly", b"%d" % number)
        channel.queue_declare("slowly", passive=True)
        found = channel.consume("slowly", auto_ack=True)
        got = [next(found)[2] for _ in range(20)]
        connection.close()
    assert len(got) == 20
    entries = Cassette.load(project / ".x07_rr" / "slowly.x07rr.bin").entries
    waits = [entry.latency_ticks for entry in entries if entry.op.endswith("consume_env_v1")]
    assert len(waits) == 20
    assert sorted(waits)[10] == 0


def named_by_the_broker(address: str) -> list[Any]:
    """A consumer whose name the broker chooses, and a message that nobody takes on a channel without confirms."""
    seen: list[Any] = []
    with amqp.Connection(address, userid="guest", password="guest") as connection:
        channel = connection.channel()
        channel.queue_declare("named", auto_delete=True)
        tag = channel.basic_consume("named", callback=lambda message: seen.append(message.body), no_ack=True)
        seen.append(tag.startswith("amq.ctag-"))
        channel.events["basic_return"].add(lambda *args: seen.append((args[0].reply_text, args[-1].body)))
        channel.basic_publish(amqp.Message("lost"), routing_key="nobody-named", mandatory=True)
        channel.basic_publish(amqp.Message("found"), routing_key="named")
        while len(seen) < 3:
            connection.drain_events(timeout=5)
        channel.basic_cancel(tag)
    return seen


def test_names_that_the_broker_gives_and_messages_that_it_returns(project: Path, live_amqp: RunningBroker) -> None:
    with use_cassette("named.x07rr.bin"):
        recorded = named_by_the_broker(live_amqp.address)
    assert recorded[0] is True
    assert len(recorded) == 3
    with use_cassette("named.x07rr.bin", mode="none"):
        assert named_by_the_broker("rabbit.example:5672") == recorded


def blocked_for_a_while(url: str, alarm: Callable[[str], None]) -> list[Any]:
    """What a publisher sees of an alarm: it is blocked by the first message after it, and unblocked at its end."""
    seen: list[Any] = []
    deadline = time.monotonic() + 120
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        connection.add_on_connection_blocked_callback(lambda _, frame: seen.append(frame.method.reason))
        connection.add_on_connection_unblocked_callback(lambda *_: seen.append("unblocked"))
        channel = connection.channel()
        channel.queue_declare("blocked", auto_delete=True)
        channel.basic_publish("", "blocked", b"before")
        while not channel.queue_declare("blocked", passive=True).method.message_count and time.monotonic() < deadline:
            pass
        seen.append("one is there")
        alarm("0.00001")
        try:
            channel.basic_publish("", "blocked", b"meanwhile")
            while len(seen) < 2 and time.monotonic() < deadline:
                connection.process_data_events(time_limit=1)
            seen.append("told")
        finally:
            alarm("0.4")
        while len(seen) < 4 and time.monotonic() < deadline:
            connection.process_data_events(time_limit=1)
        for _, _, body in channel.consume("blocked", auto_ack=True, inactivity_timeout=60):
            seen.append(body)
            if body in (b"meanwhile", None):
                break
        channel.cancel()
    return seen


def test_a_publisher_is_blocked_and_unblocked_where_it_was(project: Path, amqp_root: Path, url: str) -> None:
    with use_cassette("blocked.x07rr.bin"):
        limit = "set_vm_memory_high_watermark"
        recorded = blocked_for_a_while(url, lambda share: rabbitmqctl(amqp_root, limit, share))
    assert recorded == ["one is there", "low on memory", "told", "unblocked", b"before", b"meanwhile"]
    with use_cassette("blocked.x07rr.bin", mode="none"):
        assert blocked_for_a_while(NOWHERE, lambda _: None) == recorded


LOST = """
import asyncio, sys
import aio_pika

async def main():
    connection = await aio_pika.connect_robust(sys.argv[1], reconnect_interval=0.2)
    channel = await connection.channel()
    await channel.set_qos(1)
    queue = await channel.declare_queue("lost", durable=True)
    done = asyncio.Event()

    async def handle(message):
        print(message.body, message.redelivered, flush=True)
        if not message.redelivered:
            print("holding", file=sys.stderr, flush=True)
            await connection.transport.connection.closing
            return
        await message.ack()
        done.set()

    await queue.consume(handle)
    await channel.default_exchange.publish(aio_pika.Message(b"job"), "lost")
    await asyncio.wait_for(done.wait(), 60)
    await queue.delete(if_unused=False, if_empty=False)
    await connection.close()

asyncio.run(main())
"""


async def test_a_connection_is_lost_where_it_was_lost(project: Path, live_amqp: RunningBroker) -> None:
    (project / "lost.py").write_text(LOST)
    x07 = str(Path(sys.executable).parent / "x07")
    command = (x07, "rr", "exec", "--cassette", "lost.x07rr.bin", "--", sys.executable, "lost.py")
    pipes: dict[str, Any] = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.PIPE, "cwd": project}
    async with Proxy(live_amqp.address) as proxy:
        url = f"amqp://guest:guest@{proxy.address}/%2F"
        recording = await asyncio.create_subprocess_exec(*command, url, **pipes)
        assert recording.stderr is not None
        while b"holding" not in await asyncio.wait_for(recording.stderr.readline(), 60):
            pass
        proxy.cut()
        recorded, errors = await asyncio.wait_for(recording.communicate(), 60)
    assert (recording.returncode, recorded) == (0, b"b'job' False\nb'job' True\n"), errors.decode()
    replaying = await asyncio.create_subprocess_exec(*command, NOWHERE, **pipes)
    replayed, errors = await asyncio.wait_for(replaying.communicate(), 60)
    assert (replaying.returncode, replayed) == (0, recorded), errors.decode()


def over_tls(address: str, context: ssl.SSLContext) -> list[Any]:
    """pika over TLS, which wraps a socket, and aio-pika, whose loop has buffers."""
    host, _, port = address.rpartition(":")
    login = pika.PlainCredentials("guest", "guest")
    options = pika.SSLOptions(context, host)
    parameters = pika.ConnectionParameters(host, int(port), credentials=login, ssl_options=options)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        found = [channel.queue_declare("", exclusive=True).method.message_count]

    async def main() -> int | None:
        async with await aio_pika.connect(f"amqps://guest:guest@{address}/", ssl_context=context) as connection:
            queue = await (await connection.channel()).declare_queue("tls", exclusive=True)
            return queue.declaration_result.message_count

    return [*found, asyncio.run(main())]


def test_tls_ends_at_the_cassette_with_the_programs_own_settings(
    project: Path, live_amqp: RunningBroker, amqp_listeners: Listeners
) -> None:
    trusting = ssl.create_default_context(cafile=str(amqp_listeners.authority.file))
    with use_cassette("tls.x07rr.bin"):
        recorded = over_tls(amqp_listeners.address("SSL"), trusting)
    with use_cassette("tls.x07rr.bin", mode="none"):
        assert over_tls("rabbit.example:5671", ssl.create_default_context()) == recorded
    with pytest.raises(ssl.SSLCertVerificationError), use_cassette("wary.x07rr.bin", allow_empty=True):
        over_tls(amqp_listeners.address("SSL"), ssl.create_default_context())
