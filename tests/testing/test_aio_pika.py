"""Unmodified code on aio-pika: recorded on a real RabbitMQ, replayed with the broker gone."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from x07py.brokers.process import RunningBroker
from x07py.errors import ReplayMismatchError
from x07py.testing.cassette import use_cassette

NOWHERE = "amqp://guest:guest@127.0.0.1:1/"


@pytest.fixture
def url(live_amqp: RunningBroker) -> str:
    return f"amqp://guest:guest@{live_amqp.address}/"


async def shop(url: str, name: str, *, price: int = 7) -> list[Any]:
    """A program as people write it; returns all that it saw."""
    seen: list[Any] = []
    connection = await aio_pika.connect_robust(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=2)
        exchange = await channel.declare_exchange(f"{name}-x", aio_pika.ExchangeType.TOPIC, auto_delete=True)
        queue = await channel.declare_queue(name, auto_delete=True)
        await queue.bind(exchange, "order.*")
        for number in range(5):
            message = aio_pika.Message(
                f"order {number} {price}".encode(),
                headers={"trace": f"t{number}", "count": number},
                content_type="text/plain",
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            confirmation = await exchange.publish(message, routing_key=f"order.{number}")
            seen.append(type(confirmation).__name__)
        async with queue.iterator() as messages:
            async for one in messages:
                async with one.process():
                    seen.append((one.body, one.headers, one.routing_key, one.exchange))
                    seen.append((one.content_type, one.delivery_mode, one.redelivered))
                    seen.append((len(one.message_id or ""), one.delivery_tag))
                if one.routing_key == "order.4":
                    break
    return seen


async def test_a_program_sees_the_same_without_the_broker(project: Path, url: str) -> None:
    with use_cassette("shop.x07rr.bin"):
        recorded = await shop(url, "shop")
    assert len(recorded) == 20
    for mode in ("once", "none"):
        with use_cassette("shop.x07rr.bin", mode=mode):
            assert await shop(NOWHERE, "shop") == recorded


async def clerk(url: str, name: str) -> list[Any]:
    """Single messages: got, refused, put back, rejected to a dead letter queue; a queue that nobody has declared."""
    seen: list[Any] = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        dead = await channel.declare_queue(f"{name}-dead", auto_delete=False)
        arguments: dict[str, Any] = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead.name}
        queue = await channel.declare_queue(name, arguments=arguments)
        seen.append(await queue.get(fail=False))
        for number in range(4):
            await channel.default_exchange.publish(aio_pika.Message(b"%d" % number), routing_key=name)
        first = await queue.get(timeout=60)
        await first.nack(requeue=True)
        again = await queue.get(timeout=60)
        seen.append((first.body, again.body, again.redelivered, again.message_count))
        await again.reject(requeue=False)
        rest = [await queue.get(timeout=60) for _ in range(3)]
        await rest[-1].ack(multiple=True)
        seen.append([one.body for one in rest])
        buried = None
        while buried is None:
            buried = await dead.get(fail=False)
        headers: Any = buried.headers
        seen.append((buried.body, headers["x-death"][0]["reason"], headers["x-death"][0]["count"]))
        await buried.ack()
        seen.append((await channel.declare_queue(name, passive=True)).declaration_result.message_count)
        seen.append((await queue.purge()).message_count)
        await queue.delete()
        await dead.delete()
        try:
            await channel.get_queue(f"{name}-nobody", ensure=True)
        except aio_pika.exceptions.ChannelNotFoundEntity as error:
            seen.append(str(error))
    return seen


async def answering(url: str, name: str) -> list[Any]:
    """Questions and answers over an anonymous queue with random correlation ids; a message that no queue takes."""
    seen: list[Any] = []
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        service = await channel.declare_queue(name, auto_delete=True)
        replies = await channel.declare_queue(exclusive=True)
        waiting: dict[str, asyncio.Future[bytes]] = {}

        async def serve(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            async with message.process():
                answer = aio_pika.Message(message.body * 2, correlation_id=message.correlation_id)
                await channel.default_exchange.publish(answer, routing_key=message.reply_to or "")

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            waiting[message.correlation_id or ""].set_result(message.body)

        await service.consume(serve)
        tag = await replies.consume(take, no_ack=True)
        for number in range(3):
            question = aio_pika.Message(b"%d" % number, correlation_id=uuid.uuid4().hex, reply_to=replies.name)
            waiting[question.correlation_id or ""] = future = asyncio.get_running_loop().create_future()
            await channel.default_exchange.publish(question, routing_key=name)
            seen.append(await asyncio.wait_for(future, 5))
        await replies.cancel(tag)
        try:
            await channel.default_exchange.publish(aio_pika.Message(b"lost"), routing_key=f"{name}-nowhere")
        except aio_pika.exceptions.PublishError as error:
            returned: Any = error
            seen.append((returned.message.body, returned.frame.reply_text))
    return seen


async def bulk(url: str, name: str) -> list[Any]:
    """Many tasks on one channel, a large body, a channel without confirms, and a transaction."""
    seen: list[Any] = []
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, auto_delete=True)
        exchange = channel.default_exchange
        bodies = [b"%d" % number for number in range(50)] + [bytes(300_000)]
        await asyncio.gather(*[exchange.publish(aio_pika.Message(body), routing_key=name) for body in bodies])
        plain = await connection.channel(publisher_confirms=False)
        seen.append(await plain.default_exchange.publish(aio_pika.Message(b"plain"), routing_key=name))
        async with plain.transaction():
            await plain.default_exchange.publish(aio_pika.Message(b"together"), routing_key=name)
        total = 0
        async with queue.iterator(no_ack=True) as messages:
            async for message in messages:
                total += 1
                seen.append(len(message.body))
                if total == len(bodies) + 2:
                    break
    return sorted(seen, key=str)


PROGRAMS: dict[str, Any] = {
    "clerk": (clerk, {}),
    "answering": (answering, {"ignore_headers": ["correlation-id"]}),
    "bulk": (bulk, {}),
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_programs_of_all_shapes(project: Path, url: str, name: str) -> None:
    program, options = PROGRAMS[name]
    with use_cassette(f"{name}.x07rr.bin", **options):
        recorded = await program(url, name)
    for _ in range(2):
        with use_cassette(f"{name}.x07rr.bin", mode="none", **options):
            assert await program(NOWHERE, name) == recorded
    assert len(recorded) >= 4


async def test_another_message_is_refused_with_the_difference(project: Path, url: str) -> None:
    with use_cassette("price.x07rr.bin"):
        await shop(url, "price")
    with pytest.raises(ReplayMismatchError) as caught, use_cassette("price.x07rr.bin"):
        await shop(NOWHERE, "price", price=8)
    assert caught.value.code == 2050
    assert "- order 0 7" in caught.value.message
    assert "+ order 0 8" in caught.value.message
    with use_cassette("price.x07rr.bin", match_on=("topic", "headers")):
        await shop(NOWHERE, "price", price=8)
