"""`Driver`: what a program calls, the same for every broker and every world."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, Self

from x07py import metrics
from x07py.counting import Scope
from x07py.drivers.base import COMMIT_INTERVAL_MS, Ack, Backend, Delivery, Json, Subscription, is_consuming
from x07py.drivers.requests import CORRELATION_ID, REPLY_TO, REQUEST, packed, unpacked
from x07py.errors import DriverClosedError, DriverError, MessageRejectedError
from x07py.msg import check_topic, measure
from x07py.msg.native import check_reserved
from x07py.rr import current_session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from types import TracebackType

    from x07py.counting import Budget
    from x07py.msg import Envelope, Measured


class _Call(Scope):
    """The scope of one driver call; without a session, virtual time is the time that the call took."""

    def __init__(self, budget: Budget | None) -> None:
        super().__init__(budget, codec=False)
        self._started = 0.0

    def __enter__(self) -> Self:
        self._started = time.monotonic() if current_session() is None else 0.0
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._started and error is None:
                self.add(ticks=int((time.monotonic() - self._started) * 1000))
        finally:
            super().__exit__(kind, error, trace)

    async def let_others_run(self) -> None:
        """Give way to other tasks where a budget in mode ``yield_v1`` is exceeded."""
        if self.must_yield():
            await asyncio.sleep(0)


def _check_name(topic: str) -> None:
    try:
        topic.encode()
    except UnicodeEncodeError:
        hint = "brokers name topics in UTF-8; only an envelope may hold other bytes"
        raise MessageRejectedError(9632, f"the topic {topic!r} is not UTF-8", hint=hint) from None


class Driver:
    """A connection to a broker as programs use it; an asynchronous context manager.

    Args:
        backend: the live, recording or replaying connection.
        max_message_bytes: largest encoded envelope that may be published.
        max_items: most messages in one batch.
        budget: what each call may use, or None.
        listed: the topics that may be published to, with the most bytes of a value, or None for any topic.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        max_message_bytes: int,
        max_items: int,
        budget: Budget | None = None,
        listed: Mapping[str, int] | None = None,
    ) -> None:
        self._backend = backend
        self.max_message_bytes = max_message_bytes
        self._max_items = max_items
        self._listed = listed
        self._closed = False
        self._budget = budget

    @property
    def kind(self) -> str:
        """``kafka`` or ``amqp``."""
        return self._backend.dialect.name

    @property
    def profile(self) -> str:
        """Id of the broker profile."""
        return self._backend.profile

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def check(self, envelope: Envelope) -> None:
        """Refuse a message that could not be sent, as `publish_many` does before it sends anything.

        Raises:
            DriverError: 9711 (Kafka) or 9811 (AMQP) if it is larger than the profile allows, 9632 if its topic is not
                UTF-8.
            EnvelopeError: 9592 if a reserved header is malformed; 9501 or 9502 if only listed topics may be published
                to, and it is none or allows less.
        """
        if self._listed is not None:
            check_topic(envelope, self._listed)
        if envelope.size > self.max_message_bytes:
            raise MessageRejectedError(
                self._backend.dialect.too_large,
                f"the message has {envelope.size} bytes, the profile allows {self.max_message_bytes}",
                where=f"topic {envelope.topic!r}, key {envelope.key!r}",
                hint=f"make it smaller, or raise the limit in the profile {self.profile!r} and on the broker",
            )
        if envelope.headers:
            check_reserved(envelope)
        if not envelope.topic.isprintable():
            _check_name(envelope.topic)

    def _is_plain(self, batch: Measured) -> bool:
        """Tell whether `check` has nothing to look at in any message of a batch; that is most of what it costs."""
        if self._listed is not None or batch.has_headers or batch.bound > self.max_message_bytes:
            return False
        return all(topic.isprintable() for topic in batch.topics)

    async def publish(self, envelope: Envelope) -> Ack:
        """Publish one message and return when the broker has confirmed it.

        Raises:
            DriverError: as `publish_many`.
        """
        return (await self.publish_many([envelope]))[0]

    async def publish_many(self, envelopes: Iterable[Envelope]) -> Sequence[Ack]:
        """Publish messages in order, as one batch, and return when the broker has confirmed all of them.

        Raises:
            DriverError: before anything is sent, 9711 (Kafka) or 9811 (AMQP) if a message is larger than the profile
                allows, 9632 if its topic is not UTF-8; other 97xx and 98xx codes if the broker refuses or cannot be
                reached; 9621 after `close`.
            EnvelopeError: before anything is sent, 9501, 9502 and 9592 as `check`.
            ReplayMismatchError: in replay, if this is not what was recorded.
            BudgetError: the profile's budget, or one that the call stands in, is exceeded.
        """
        batch = list(envelopes)
        measured = measure(batch)
        if not self._is_plain(measured):
            for envelope in batch:
                self.check(envelope)
        self._refuse_closed()
        if not batch:
            return []
        with _Call(self._budget) as call:
            call.add(buffers=len(batch), size=measured.size, messages=len(batch), calls=1)
            acks = await self._backend.publish_many(batch)
            await call.let_others_run()
        metrics.count(self.kind, self.profile, produced=len(acks))
        return acks

    async def request(self, envelope: Envelope, *, timeout_s: float = 30.0) -> Envelope:
        """Publish a request and return its answer, over RabbitMQ's direct reply-to: no queue is made for answers.

        Who answers publishes to the request's header ``reply-to``, with its ``correlation-id``, as `answer_to` does.

        Args:
            envelope: the request, without these two headers.
            timeout_s: seconds until the answer has to be there.

        Raises:
            NoAnswerError: 9865; the request may have been handled all the same.
            DriverError: as `publish`; 9622 on brokers that have no requests; 9859 if the request has such a header.
            ReplayMismatchError: in replay, if this is not what was recorded.
        """
        self.check(envelope)
        self._refuse_closed()
        self._backend.dialect.refuse_unknown(REQUEST)
        if REPLY_TO in envelope.headers or CORRELATION_ID in envelope.headers:
            hint = f"leave {REPLY_TO} and {CORRELATION_ID} away, or publish and consume yourself"
            raise MessageRejectedError(9859, "a request has headers that the driver sets", hint=hint)
        with _Call(self._budget) as call:
            call.add(buffers=1, size=envelope.size, messages=1, calls=1)
            asked = {"envelope": packed(envelope), "timeout_ms": round(timeout_s * 1000)}
            answer = unpacked((await self._backend.control(REQUEST, asked)).get("answer"))
            call.add(buffers=1, size=answer.size, messages=1)
            await call.let_others_run()
        metrics.count(self.kind, self.profile, produced=1)
        return answer

    def consume(
        self,
        sources: Iterable[str],
        *,
        group: str = "",
        max_items: int | None = None,
        start: Literal["earliest", "latest"] | int | None = None,
    ) -> AsyncIterator[list[Delivery]]:
        """Yield batches of messages from topics (Kafka) or queues (AMQP), each of at least one.

        A live consumer goes on until the loop is left or the driver is closed; a replay ends with the recording.

        Args:
            sources: names of topics or queues.
            group: consumer group; required on Kafka, meaningless on AMQP.
            max_items: most messages in one batch; the profile's limit if that is less or this is not given.
            start: where a Kafka group begins that has committed nothing yet, ``earliest`` if it is not given. On
                RabbitMQ where a stream is read from, also as an offset; without it a stream is read from what comes
                next, and other queues have no such place.

        Raises:
            DriverError: 97xx and 98xx codes as the broker refuses; 9621 after `close`; 9633 if `max_items` is less
                than 1.
            ReplayMismatchError: in replay, if nothing was recorded for these sources and this group.
        """
        self._refuse_closed()
        if max_items is not None and max_items < 1:
            raise DriverError(9633, f"a batch cannot have {max_items} messages", hint="give max_items of 1 or more")
        most = min(max_items or self._max_items, self._max_items)
        begin = self._backend.dialect.start if start is None else start
        return self._batches(self._backend.consume(Subscription(tuple(sources), group, most, begin)))

    async def _batches(self, batches: AsyncIterator[list[Delivery]]) -> AsyncIterator[list[Delivery]]:
        """Yield batches, each counted as one call."""
        try:
            while True:
                with _Call(self._budget) as call:
                    batch = await anext(batches, None)
                    if batch is None:
                        return
                    sizes = [delivery.size for delivery in batch]
                    call.add(buffers=len(sizes), size=sum(sizes), messages=len(sizes), calls=1)
                    await call.let_others_run()
                metrics.count(self.kind, self.profile, consumed=len(batch))
                yield batch
        finally:
            await batches.aclose()  # type: ignore[attr-defined]

    async def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Say that messages are done with. On Kafka this takes effect with the next `commit`."""
        done = list(deliveries)
        await self.control("ack", self._ranges(done))
        metrics.count(self.kind, self.profile, acked=len(done))

    async def nack(self, deliveries: Iterable[Delivery], *, requeue: bool = True) -> None:
        """Say that messages could not be handled.

        Args:
            deliveries: the messages.
            requeue: whether the broker delivers them again; else AMQP dead-letters them and Kafka counts them
                done.
        """
        await self.control("nack", {"requeue": requeue, **self._ranges(deliveries)})

    async def commit(self, *, wait: bool = True, interval_s: float = COMMIT_INTERVAL_MS / 1000) -> None:
        """Commit what was acknowledged: on Kafka the offsets up to the first message that was not.

        Args:
            wait: return when the broker has stored it. Else Kafka is told by time: while a batch is asked for or
                `keep_alive` is called, once `interval_s` is over; at once when partitions are taken away and when the
                consumer leaves. What it refuses is logged, and the next commit covers it.
            interval_s: the least seconds between two commits that are not waited for.

        Raises:
            GroupLostError: 9765 after a rebalance of Kafka's group.
            CommitFailedError: 9756 if Kafka refuses.
        """
        request: dict[str, Json] = {} if wait else {"wait": False}
        if not wait and interval_s * 1000 != COMMIT_INTERVAL_MS:
            request["interval_ms"] = int(interval_s * 1000)
        await self.control("commit", request)

    async def keep_alive(self) -> bool:
        """Do what is due while the program is at work on a batch for long; call it every second or so.

        On Kafka, commits that are due go out, and the group keeps the consumer although it asks for no messages. A
        recording does not know of it.

        Returns:
            False if the broker will not wait much longer: what the program has not begun with, it should `nack`.
        """
        self._refuse_closed()
        return await self._backend.keep_alive()

    def consuming(self) -> bool:
        """Tell whether the broker lets a consumer of this driver take messages: on Kafka, its group has it; on
        RabbitMQ, its queue has it."""
        return not self._closed and is_consuming(self._backend)

    async def seek(self, topic: str, partition: int, offset: int | Literal["earliest", "latest"]) -> None:
        """Go on consuming a partition from another place.

        Raises:
            DriverError: 9622 on brokers without offsets, 9761 if no consumer of this driver has the partition.
        """
        await self.control("seek", {"offset": offset, "partition": partition, "topic": topic})

    async def pause(self, topics: Iterable[str]) -> None:
        """Deliver nothing from what is assigned of these topics until `resume`; the group is kept.

        Raises:
            DriverError: 9622 on brokers that cannot.
        """
        await self.control("pause", {"topics": list(topics)})

    async def resume(self, topics: Iterable[str]) -> None:
        """Deliver again from these topics; raises as `pause`."""
        await self.control("resume", {"topics": list(topics)})

    async def lag(self, topics: Iterable[str], *, group: str) -> dict[str, int]:
        """Return how many messages a group is behind, by ``topic/partition``; what was never committed counts whole.

        Raises:
            DriverError: 9622 on brokers without groups, 9757 if Kafka cannot tell.
        """
        answer = await self.control("lag", {"group": group, "topics": list(topics)})
        found: dict[str, int] = answer["lag"]
        metrics.lag(group, found)
        return found

    async def control(self, op: str, request: Json) -> Json:
        """Carry out a broker operation that has no method of its own.

        Raises:
            DriverError: 9622 if the broker does not know the operation; 9621 after `close`.
        """
        self._refuse_closed()
        with _Call(self._budget) as call:
            call.add(calls=1)
            answer = await self._backend.control(op, request)
            await call.let_others_run()
        return answer

    async def close(self) -> None:
        """Close the connection; closing twice does nothing."""
        if not self._closed:
            self._closed = True
            await self._backend.close()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise DriverClosedError(9621, "the driver is closed", hint="open another one with open_driver")

    def _ranges(self, deliveries: Iterable[Delivery]) -> dict[str, Json]:
        """Return coordinates as ranges, so that a request does not grow with the batch."""
        ranges: dict[str, dict[str, list[list[int]]]] = {}
        dialect = self._backend.dialect
        last: tuple[str, int] | None = None
        span = [0, 0]
        for delivery in deliveries:
            source, partition, position = delivery.coordinates(dialect)
            if (source, partition) == last and position == span[1] + 1:
                span[1] = position
                continue
            last, span = (source, partition), [position, position]
            ranges.setdefault(source, {}).setdefault(str(partition), []).append(span)
        return {"ranges": ranges}
