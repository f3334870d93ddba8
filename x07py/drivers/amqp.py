"""The live AMQP 0-9-1 backend, on aiormq, the protocol layer of aio-pika.

aio-pika's own message objects cost as much as the protocol; a batch of deliveries needs none of them. Messages are read
into a buffer as they arrive and handed over in batches, and a run of acknowledgements is one frame.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import OrderedDict, deque
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from aiormq import exceptions as amqp

from x07py.drivers.amqp_link import LOST, RIDE_OUT_S, Link, pause_s, reason_of, telling_loss
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.drivers.amqp_topology import apply_topology, plan_topology
from x07py.drivers.base import AMQP, Ack, Delivery
from x07py.errors import AmqpError, DriverError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiormq.abc import DeliveredMessage
    from aiormq.channel import Channel

    from x07py.contracts.messaging import AmqpProfile
    from x07py.drivers.base import Json, Subscription
    from x07py.msg import Envelope

log = logging.getLogger("x07py.drivers.amqp")

CONFIRM_S = 30.0
"""How long a publish waits for its confirmation, reconnects included."""
_MOST_IN_FLIGHT = 1000


class _Intake:
    """One consumer's channel: what has arrived and was not handed over, and which tags are not settled.

    Grows with the prefetch count of the profile.
    """

    def __init__(self, number: int, channel: Channel) -> None:
        self.number = number
        self.channel = channel
        self.arrived: deque[tuple[str, DeliveredMessage]] = deque()
        self.unsettled: OrderedDict[int, None] = OrderedDict()
        self.cancelled = ""
        self.left = False
        self.signal = asyncio.Event()
        self._tags: dict[str, str] = {}

    async def start(self, queues: Sequence[str], prefetch: int) -> None:
        """Ask for the messages of the queues."""

        def cancelled(frame: Any) -> None:
            self.cancelled = self._tags.get(frame.consumer_tag, "")
            self.signal.set()

        self.channel.on_consumer_cancel_callbacks.add(cancelled)
        self.channel.closing.add_done_callback(lambda _: self.signal.set())
        await self.channel.basic_qos(prefetch_count=prefetch)
        for queue in queues:

            async def arrive(message: DeliveredMessage, queue: str = queue) -> None:
                self.arrived.append((queue, message))
                self.signal.set()

            answer = await self.channel.basic_consume(queue, arrive)
            self._tags[str(answer.consumer_tag)] = queue

    async def leave(self) -> None:
        """Take no more messages and give back those that were not handed over; the channel stays for acks to come."""
        self.left = True
        for tag in self._tags:
            await self.channel.basic_cancel(tag)
        for _, message in self.arrived:
            await self.channel.basic_nack(message.delivery_tag or 0, requeue=True, wait=False)
        self.arrived.clear()
        await self.close_if_done()

    async def close_if_done(self) -> None:
        """Close the channel if the consumer was left and nothing is open any more."""
        if self.left and not self.unsettled:
            await self.channel.close()

    async def settle(self, first: int, last: int, *, ack: bool, requeue: bool = False) -> None:
        """Ack or nack the tags that are still open, as one frame if nothing before them is, and return when it is sent.

        A tag that is settled already is left alone: the broker would close the channel, and with it lose all others.
        """
        tags = [tag for tag in range(first, last + 1) if tag in self.unsettled]
        if not tags:
            return
        multiple = next(iter(self.unsettled)) == tags[0]
        for tag in tags[-1:] if multiple else tags:
            if ack:
                await self.channel.basic_ack(tag, multiple=multiple, wait=tag == tags[-1])
            else:
                await self.channel.basic_nack(tag, multiple=multiple, requeue=requeue, wait=tag == tags[-1])
        for tag in tags:
            self.unsettled.pop(tag, None)


class AmqpBackend:
    """One publishing channel and any number of consumers on one AMQP profile.

    Args:
        profile: the broker profile.
    """

    dialect = AMQP

    def __init__(self, profile: AmqpProfile) -> None:
        self.profile = profile.id
        self._settings = profile
        self._link = Link(profile)
        self._outward = Link(profile)
        """Publishing has a connection of its own: a broker that is full stops reading from those that publish, and acks
        would wait with them."""
        self._publishing: Channel | None = None
        self._intakes: dict[int, _Intake] = {}
        self._numbers = count(1)
        self._closing = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Publish in order, mandatory, with confirms; what a lost connection left unconfirmed is published again.

        Raises:
            AmqpError: 9851 to 9856, 9859 and 9860.
        """
        messages = [(envelope, *to_amqp(envelope)) for envelope in envelopes]
        acks: list[Ack] = []
        deadline = time.monotonic() + CONFIRM_S
        while len(acks) < len(messages):
            chunk = messages[len(acks) : len(acks) + _MOST_IN_FLIGHT]
            try:
                async with asyncio.timeout(max(deadline - time.monotonic(), 0)):
                    channel = await self._publisher()
                    results = await asyncio.gather(
                        *[
                            channel.basic_publish(
                                envelope.value,
                                exchange=exchange,
                                routing_key=envelope.topic,
                                properties=properties,
                                mandatory=True,
                                wait=number == len(chunk) - 1,
                            )
                            for number, (envelope, exchange, properties) in enumerate(chunk)
                        ],
                        return_exceptions=True,
                    )
            except TimeoutError:
                raise self._link.error(
                    9852, f"{len(messages) - len(acks)} of {len(messages)} messages were not confirmed in time"
                ) from None
            confirmed = self._confirmed(chunk, results)
            if confirmed:
                deadline = time.monotonic() + CONFIRM_S
            acks += confirmed
        return acks

    def _confirmed(self, chunk: Sequence[tuple[Envelope, str, Any]], results: Sequence[Any]) -> list[Ack]:
        """Return the confirmations up to the first message that a lost connection left without one."""
        acks: list[Ack] = []
        for (envelope, exchange, _), result in zip(chunk, results, strict=True):
            if isinstance(result, amqp.PublishError):
                raise self._refused(9855, "no queue takes the message", envelope, exchange)
            if isinstance(result, amqp.DeliveryError):
                raise self._refused(9856, "the broker did not take the message", envelope, exchange)
            if isinstance(result, amqp.AMQPChannelError):
                raise self._outward.channel_error(result, f"exchange {exchange!r}")
            if isinstance(result, (*LOST, asyncio.CancelledError)):
                return acks
            if isinstance(result, BaseException):
                raise result
            acks.append(Ack(b"OK", b'{"exchange":%b,"routing_key":%b}' % (_json(exchange), _json(envelope.topic))))
        return acks

    def _refused(self, code: int, message: str, envelope: Envelope, exchange: str) -> AmqpError:
        return AmqpError(
            code,
            message,
            where=f"{self._link.where}, exchange {exchange!r}, routing key {envelope.topic!r}, key {envelope.key!r}",
            hint=f"x07 explain {code}; nothing behind this message is known to be stored",
        )

    async def _publisher(self) -> Channel:
        if self._publishing is None or self._publishing.is_closed:
            self._publishing = await self._outward.channel(confirms=True)
        return self._publishing

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield batches of what the queues hold; after a lost connection go on with what was not acknowledged.

        Raises:
            AmqpError: 9851, 9853, 9854, 9857, 9860.
        """
        while not self._closing:
            intake = await self._open(subscription)
            try:
                while not intake.channel.is_closed and not intake.cancelled:
                    intake.signal.clear()
                    if not intake.arrived:
                        await intake.signal.wait()
                    batch = self._take(intake, subscription.max_items)
                    if batch:
                        yield batch
                if intake.cancelled:
                    raise self._link.error(9857, f"the broker ended the consumer of queue {intake.cancelled!r}")
                self._refuse_closed_for_cause(intake, subscription)
            finally:
                await self._left(intake)

    async def _left(self, intake: _Intake) -> None:
        """Leave a consumer, also when the task that consumed is being cancelled."""
        if not self._closing:
            leaving = asyncio.create_task(self._leave(intake))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)

    async def _leave(self, intake: _Intake) -> None:
        with suppress(*LOST, amqp.AMQPError, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                with telling_loss():
                    await intake.leave()
        if intake.channel.is_closed:
            self._intakes.pop(intake.number, None)

    def _refuse_closed_for_cause(self, intake: _Intake, subscription: Subscription) -> None:
        closing = intake.channel.closing
        cause = closing.exception() if closing.done() and not closing.cancelled() else None
        if isinstance(cause, amqp.InvalidFrameError | ValueError):
            raise AmqpError(
                9863,
                f"a message cannot be read: {cause}",
                where=f"{self._link.where}, queue {', '.join(subscription.sources)}",
                hint="take it out of the queue, or let a quorum queue with x-delivery-limit dead-letter it",
            )
        if isinstance(cause, amqp.ChannelClosed):
            raise self._link.channel_error(cause, f"queue {', '.join(subscription.sources)}")

    async def _open(self, subscription: Subscription) -> _Intake:
        """Start a consumer, for as long as the broker may be away."""
        queues = f"queue {', '.join(subscription.sources)}"
        deadline = time.monotonic() + RIDE_OUT_S
        for attempt in count(1):
            intake = _Intake(next(self._numbers), await self._link.channel())
            try:
                with telling_loss():
                    await intake.start(subscription.sources, self._settings.prefetch_count)
            except amqp.AMQPChannelError as error:
                raise self._link.channel_error(error, queues) from None
            except LOST:
                if time.monotonic() > deadline:
                    raise self._link.error(9851, f"the broker ends the connection again and again: {queues}") from None
                await asyncio.sleep(pause_s(attempt))
                continue
            except BaseException:
                await self._left(intake)
                raise
            self._intakes[intake.number] = intake
            return intake
        raise AssertionError

    def _take(self, intake: _Intake, most: int) -> list[Delivery]:
        batch: list[Delivery] = []
        while intake.arrived and len(batch) < most:
            queue, message = intake.arrived.popleft()
            tag, exchange, key = message.delivery_tag or 0, message.exchange or "", message.routing_key or ""
            intake.unsettled[tag] = None
            meta = b'{"channel":%d,"delivery_tag":%d,"exchange":%b,"queue":%b,"redelivered":%b,"routing_key":%b}' % (
                intake.number,
                tag,
                _json(exchange),
                _json(queue),
                b"true" if message.redelivered else b"false",
                _json(key),
            )
            envelope = from_amqp(key, message.body, message.header.properties)
            batch.append(Delivery.from_broker(envelope, meta, (queue, intake.number, tag)))
        return batch

    async def control(self, op: str, request: Json) -> Json:
        """Carry out ``ack``, ``nack``, ``commit`` (nothing to do), ``plan_topology`` or ``apply_topology``."""
        if op in {"ack", "nack"}:
            await self._settle(request["ranges"], ack=op == "ack", requeue=bool(request.get("requeue")))
            return {}
        if op == "commit":
            return {}
        if op in {"plan_topology", "apply_topology"}:
            return {"plan": await self._topology(plan_topology if op == "plan_topology" else apply_topology, request)}
        raise DriverError(
            9622,
            f"AMQP has no operation {op!r}",
            hint="operations: ack, nack, commit, plan_topology, apply_topology",
        )

    async def _topology(self, carry_out: Callable[[Link, Json], Awaitable[Json]], request: Json) -> Json:
        try:
            async with asyncio.timeout(CONFIRM_S):
                with telling_loss():
                    return await carry_out(self._link, request["topology"])
        except (*LOST, TimeoutError) as error:
            message = f"the connection was lost over the topology: {reason_of(error)}; plan it again"
            raise self._link.error(9851, message) from None

    async def _settle(self, ranges: dict[str, dict[str, list[list[int]]]], *, ack: bool, requeue: bool) -> None:
        """Settle tags; those of a channel that is gone cannot be, and the broker delivers their messages again."""
        for lanes in ranges.values():
            for number, spans in lanes.items():
                intake = self._intakes.get(int(number))
                if intake is None:
                    log.info("channel %s is gone: its messages will be delivered again", number)
                    continue
                with suppress(*LOST), telling_loss():
                    for first, last in spans:
                        await intake.settle(first, last, ack=ack, requeue=requeue)
                    await intake.close_if_done()
                if intake.channel.is_closed:
                    self._intakes.pop(intake.number, None)

    async def close(self) -> None:
        """Close the connection; what was not acknowledged goes back to its queue."""
        self._closing = True
        await asyncio.gather(*self._leaving)
        await asyncio.gather(self._link.close(), self._outward.close())


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogateescape")
