"""The live AMQP 0-9-1 backend, on aiormq, the protocol layer of aio-pika.

aio-pika's own message objects cost as much as the protocol; a batch of deliveries needs none of them. Messages are read
into a buffer as they arrive and handed over in batches, and a run of acknowledgements is one frame.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from functools import lru_cache
from itertools import count
from typing import TYPE_CHECKING, Any

from aiormq import exceptions as amqp

from x07py.drivers.amqp_intake import Intake
from x07py.drivers.amqp_link import LOST, RIDE_OUT_S, Link, pause_s, reason_of, telling_loss
from x07py.drivers.amqp_native import from_amqp, is_delayed, to_amqp
from x07py.drivers.amqp_requests import Requests
from x07py.drivers.amqp_topology import apply_topology, plan_topology
from x07py.drivers.base import AMQP, Ack, Delivery
from x07py.drivers.requests import REQUEST, is_direct_reply, packed, unpacked
from x07py.errors import ConsumerEndedError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiormq.channel import Channel

    from x07py.drivers.amqp_contract import AmqpProfile
    from x07py.drivers.amqp_topology import Plan
    from x07py.drivers.base import Json, Subscription
    from x07py.msg import Envelope

log: logging.Logger = logging.getLogger("x07py.drivers.amqp")

CONFIRM_S = 30.0
"""How long a publish waits for its confirmation, reconnects included."""
_MOST_IN_FLIGHT = 1000


class AmqpBackend:
    """One publishing channel and any number of consumers on one AMQP profile.

    Args:
        profile: the broker profile.
    """

    dialect = AMQP

    def __init__(self, profile: AmqpProfile) -> None:
        self.profile: str = profile.id
        self._settings = profile
        self._held_s = profile.consumer_timeout_ms / 2000
        """How long a message is held: half as long as RabbitMQ waits for its acknowledgement, counted from when it was
        sent, before it closes the channel."""
        self._link = Link(profile)
        self._outward = Link(profile)
        """Publishing has a connection of its own: a broker that is full stops reading from those that publish, and acks
        would wait with them."""
        self._publishing: Channel | None = None
        self._requests = Requests(self._outward)
        self._intakes: dict[int, Intake] = {}
        self._numbers = count(1)
        self._closing = False
        self._leaving: set[asyncio.Task[None]] = set()

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Publish in order, mandatory, with confirms; what a lost connection left unconfirmed is published again.

        An answer to a direct request goes to no queue, so it is not mandatory: who has asked may be gone. Nor is what
        an exchange delays, for it is routed when it is due.

        Raises:
            DriverError: 9851 to 9856, 9859 and 9860.
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
                                mandatory=_is_mandatory(exchange, envelope),
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
            refusal = self._outward.refusal(result, envelope, exchange)
            if refusal is not None:
                raise refusal
            if isinstance(result, (*LOST, asyncio.CancelledError)):
                return acks
            if isinstance(result, BaseException):
                raise result
            acks.append(Ack(b"OK", b'{"exchange":%b,"routing_key":%b}' % (_json(exchange), _json(envelope.topic))))
        return acks

    async def _publisher(self) -> Channel:
        if self._publishing is None or self._publishing.is_closed:
            self._publishing = await self._outward.channel(confirms=True)
        return self._publishing

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield batches of what the queues hold; after a lost connection go on with what was not acknowledged.

        Raises:
            DriverError: 9622, 9851, 9853, 9854, 9857, 9860.
        """
        if subscription.start is not None and len(subscription.sources) > 1:
            hint = "consume each stream by itself"
            raise UnsupportedError(9622, "one consumer starts in one stream", where=self._link.where, hint=hint)
        while not self._closing:
            intake = await self._open(subscription)
            try:
                while not intake.channel.is_closed and not intake.cancelled:
                    intake.signal.clear()
                    if not intake.arrived:
                        await intake.signal.wait()
                    await intake.fill(subscription.max_items)
                    await self._refresh(intake)
                    batch = self._take(intake, subscription.max_items)
                    if batch:
                        yield batch
                if intake.cancelled:
                    raise self._link.error(9857, f"the broker ended the consumer of queue {intake.cancelled!r}")
                self._refuse_closed_for_cause(intake, subscription)
            finally:
                await self._left(intake)
            if intake.stream and intake.resume_at() is not None:
                subscription = subscription._replace(start=intake.resume_at())

    async def _left(self, intake: Intake) -> None:
        """Leave a consumer, also when the task that consumed is being cancelled."""
        if not self._closing:
            leaving = asyncio.create_task(self._leave(intake))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            await asyncio.shield(leaving)

    async def _leave(self, intake: Intake) -> None:
        with suppress(*LOST, amqp.AMQPError, TimeoutError):
            async with asyncio.timeout(CONFIRM_S):
                with telling_loss():
                    await intake.leave()
        if intake.channel.is_closed:
            self._intakes.pop(intake.number, None)

    async def _refresh(self, intake: Intake) -> None:
        """Have messages delivered again that wait here for so long that handling them could take too long."""
        with suppress(*LOST), telling_loss():
            await intake.give_back(time.monotonic() - self._held_s)

    def consuming(self) -> bool:
        """Tell whether a consumer is at its queues."""
        return any(not (one.left or one.cancelled or one.channel.is_closed) for one in self._intakes.values())

    async def keep_alive(self) -> bool:
        """Warn when messages are held for half the time that the broker waits for their acknowledgements."""
        in_time = True
        for intake in list(self._intakes.values()):
            await self._refresh(intake)
            held_s = time.monotonic() - next(iter(intake.unsettled.values()), time.monotonic())
            if held_s > self._held_s:
                in_time = False
                if not intake.warned:
                    log.warning(
                        "%s: a message is held for %.0f s; the broker closes the channel after %.0f s",
                        self._link.where,
                        held_s,
                        self._held_s * 2,
                    )
                intake.warned = True
            else:
                intake.warned = False
        return in_time

    def _refuse_timed_out(self, intake: Intake) -> None:
        reason = intake.timed_out()
        if reason:
            raise ConsumerEndedError(
                9864,
                f"the broker has closed the channel, for an acknowledgement did not come in time: {reason}",
                where=self._link.where,
                hint="its messages come again; handle one faster, or raise consumer_timeout of the broker or the queue",
            )

    def _refuse_closed_for_cause(self, intake: Intake, subscription: Subscription) -> None:
        self._refuse_timed_out(intake)
        closing = intake.channel.closing
        cause = closing.exception() if closing.done() and not closing.cancelled() else None
        if isinstance(cause, amqp.InvalidFrameError | ValueError):
            raise ConsumerEndedError(
                9863,
                f"a message cannot be read: {cause}",
                where=f"{self._link.where}, queue {', '.join(subscription.sources)}",
                hint="take it out of the queue, or let a quorum queue with x-delivery-limit dead-letter it",
            )
        if isinstance(cause, amqp.ChannelClosed):
            raise self._link.channel_error(cause, f"queue {', '.join(subscription.sources)}")

    async def _open(self, subscription: Subscription) -> Intake:
        """Start a consumer, for as long as the broker may be away."""
        queues = f"queue {', '.join(subscription.sources)}"
        deadline = time.monotonic() + RIDE_OUT_S
        for attempt in count(1):
            intake = Intake(next(self._numbers), await self._link.channel())
            try:
                with telling_loss():
                    await intake.start(subscription.sources, self._settings.prefetch_count, subscription.start)
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

    def _take(self, intake: Intake, most: int) -> list[Delivery]:
        batch: list[Delivery] = []
        while intake.arrived and len(batch) < most:
            queue, message, arrived = intake.arrived.popleft()
            tag, exchange, key = message.delivery_tag or 0, message.exchange or "", message.routing_key or ""
            intake.unsettled[tag] = arrived
            offset = intake.note_offset(message)
            meta = b'{"channel":%d,"delivery_tag":%d,"exchange":%b,"queue":%b,"redelivered":%b,"routing_key":%b%b}' % (
                intake.number,
                tag,
                _json(exchange),
                _json(queue),
                b"true" if message.redelivered else b"false",
                _json(key),
                b"" if offset is None else b',"stream_offset":%d' % offset,
            )
            envelope = from_amqp(key, message.body, message.header.properties)
            batch.append(Delivery.from_broker(envelope, meta, (queue, intake.number, tag)))
        return batch

    async def control(self, op: str, request: Json) -> Json:
        """Carry out one of `Dialect.operations`; ``commit`` has nothing to do."""
        self.dialect.refuse_unknown(op)
        if op == REQUEST:
            answer = await self._requests.ask(unpacked(request["envelope"]), request["timeout_ms"] / 1000)
            return {"answer": packed(answer)}
        if op in {"ack", "nack"}:
            await self._settle(request["ranges"], ack=op == "ack", requeue=bool(request.get("requeue")))
            return {}
        if op == "commit":
            return {}
        plan = await self._topology(plan_topology if op == "plan_topology" else apply_topology, request)
        return plan.answer()

    async def _topology(self, carry_out: Callable[[Link, Json], Awaitable[Plan]], request: Json) -> Plan:
        try:
            async with asyncio.timeout(CONFIRM_S):
                with telling_loss():
                    return await carry_out(self._link, request["topology"])
        except (*LOST, TimeoutError) as error:
            message = f"the connection was lost over the topology: {reason_of(error)}; plan it again"
            raise self._link.error(9851, message) from None

    async def _settle(self, ranges: dict[str, dict[str, list[list[int]]]], *, ack: bool, requeue: bool) -> None:
        """Settle tags; those of a channel that is gone cannot be, and the broker delivers their messages again."""
        for channels in ranges.values():
            for number, spans in channels.items():
                intake = self._intakes.get(int(number))
                if intake is None:
                    log.warning("channel %s is gone: its messages will be delivered again", number)
                    continue
                self._refuse_timed_out(intake)
                if intake.stream and not ack:
                    hint = "consume it again with start= and the offset in meta['stream_offset']"
                    raise UnsupportedError(9622, "a stream takes nothing back", where=self._link.where, hint=hint)
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


def _is_mandatory(exchange: str, envelope: Envelope) -> bool:
    """Tell whether a message has to be in a queue when the broker confirms it."""
    if exchange:
        return not is_delayed(envelope)
    return not is_direct_reply(exchange, envelope.topic)


@lru_cache(maxsize=1024)
def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogateescape")
