"""`confluent_kafka.Consumer` on a tape: the same class to a program, live while recording, closed while replaying.

Polls that return nothing are not recorded, because how many there are is chance; Ctrl-C during a poll is, because that
is how programs that never end are ended.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaException, Message, TopicPartition, cimpl

from x07py.drivers.base import Subscription
from x07py.testing.kafka_callbacks import Callbacks
from x07py.testing.kafka_tape import kafka_tape
from x07py.testing.kafka_values import (
    CODEC,
    dump,
    failed_message,
    load_error,
    load_partitions,
    message_of,
    meta_of,
)
from x07py.wire.decoding import decoding, record
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.rr.entry_template import Fields
    from x07py.testing.kafka_tape import KafkaTape

_INTERRUPTED = {"interrupted": True}
_REBALANCE = "rebalance"


class _Feed:
    """What one consumer gets from the tape and writes to it."""

    def __init__(self, tape: KafkaTape, settings: dict[str, Any]) -> None:
        self.tape, self.group = tape, str(settings.get("group.id", ""))
        self.settings = Callbacks(tape, "consumer", settings)
        self.scope = ""
        self.sources: tuple[str, ...] = ()
        self.callbacks: dict[str, Any] = {}
        self.closing = self.closed = False

    def address(self, sources: tuple[str, ...]) -> None:
        """Take the scope of a subscription, once for each."""
        if sources and sources != self.sources:
            self.sources = sources
            self.scope = self.tape.scope_of(sources, self.group)

    def request(self, most: int) -> bytes:
        return Subscription(self.sources, self.group, most).request()

    def record(self, messages: list[Message], most: int, started: float) -> list[Message]:
        """Write what a poll returned, as it may be written, and return it as it came."""
        tape, ticks = self.tape, int((time.monotonic() - started) * 1000)
        rows: list[Fields] = []
        request, delivered = self.request(most), tape.delivered
        for message in messages:
            error = message.error()
            if error is not None:
                self.write_failure({"error": dump(error), "meta": meta_of(message), "text": dump(message.value())})
                continue
            rows.append(delivered(request, message))
        if rows:
            tape.write_batch(self.scope, rows, ticks)
        return messages

    def write_failure(self, detail: Any) -> None:
        self.tape.write_failure(self.tape.dialect.poll_op, self.scope, b"", detail, err=LIBRARY_ERROR)

    def replay(self, consumer: Any, most: int, timeout_s: float | None) -> list[Message]:
        """Return the next recorded messages, at most `most` and as many as came at once; nothing if none came."""
        if not self.scope:
            return []
        self.settings.serve(self.tape.peek(self.tape.dialect.poll_op, self.scope))
        self.fire(consumer)
        number = self.tape.wait(self.scope, timeout_s)
        if number is None:
            return []
        self.settings.serve(number)
        self.fire(consumer, before=number)
        messages: list[Message] = []
        left = most
        while number is not None and left:
            answer = self.tape.take(number)
            size = self.tape.batch_size(answer)
            if size is not None and not messages:
                left = min(size, most)
            messages.append(self._message(answer))
            left -= 1
            number = self.tape.next_delivery(self.scope) if left else None
        return messages

    def _message(self, answer: Any) -> Message:
        if (plain := self.tape.plain_message(answer)) is not None:
            return plain
        if not answer.err:
            return message_of(self.tape.envelope(answer), self.tape.meta(answer))
        detail = self.tape.failure(answer)
        if detail == _INTERRUPTED:
            raise KeyboardInterrupt
        if "raised" in record(detail):
            raise KafkaException(load_error(detail["raised"]))
        record(detail, meta=dict)
        return failed_message(load_error(detail.get("error")), detail["meta"], detail.get("text"))

    def wrap(self, name: str, callback: Any) -> Any:
        """Return a rebalance callback that is recorded before it runs."""

        def recorded(consumer: Any, partitions: list[TopicPartition]) -> Any:
            event = {"event": name, "partitions": dump(partitions)}
            self.tape.write_event(_REBALANCE, self.scope, event)
            return callback(consumer, partitions)

        return recorded

    def fire(self, consumer: Any, *, before: int | None = None) -> None:
        """Run the callbacks of the rebalances that were recorded before the next delivery, or before `before`."""
        tape = self.tape
        while (number := tape.peek_event(_REBALANCE, self.scope)) is not None:
            limit = before if before is not None else tape.peek(tape.dialect.poll_op, self.scope)
            if limit is not None and number > limit:
                return
            if limit is None and not self.closing and self._is_last(number):
                return
            event = record(tape.failure(tape.take(number)), event=str, partitions=list)
            callback = self.callbacks.get(event["event"])
            if callback:
                callback(consumer, load_partitions(event["partitions"]))

    def _is_last(self, number: int) -> bool:
        """Whether an event is a revocation, which comes with `close` when no delivery follows it."""
        return bool(record(self.tape.event(number), event=str)["event"] != "on_assign")


class TapeConsumerBase(cimpl.Consumer):
    """The methods; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        settings = {**(args[0] if args else {}), **conf}
        tape = kafka_tape()
        self._feed = None if tape is None else _Feed(tape, settings)
        if self._feed is None:
            super().__init__(*args, **conf)
        elif self._feed.tape.live:
            super().__init__(self._feed.settings.recorded(settings))

    def _is_live(self) -> bool:
        return self._feed is None or self._feed.tape.live

    def _refuse_closed(self) -> None:
        if self._feed is not None and self._feed.closed:
            raise RuntimeError("Consumer closed")

    def subscribe(self, topics: list[str], on_assign: Any = None, on_revoke: Any = None, on_lost: Any = None) -> None:
        """See `confluent_kafka.Consumer.subscribe`."""
        self._refuse_closed()
        given = {"on_assign": on_assign, "on_revoke": on_revoke, "on_lost": on_lost}
        callbacks = {name: callback for name, callback in given.items() if callback is not None}
        feed = self._feed
        if feed is not None:
            feed.callbacks = callbacks
            feed.address(tuple(topics))
            callbacks = {name: feed.wrap(name, callback) for name, callback in callbacks.items()}
        if self._is_live():
            super().subscribe(topics, **callbacks)

    def assign(self, partitions: list[TopicPartition]) -> None:
        """See `confluent_kafka.Consumer.assign`."""
        self._refuse_closed()
        if self._feed is not None and not self._feed.callbacks:
            self._feed.address(tuple(f"{one.topic}/{one.partition}" for one in partitions))
        if self._is_live():
            super().assign(partitions)

    def poll(self, timeout: float | None = None) -> Message | None:
        """See `confluent_kafka.Consumer.poll`."""
        feed = self._feed
        wait = None if timeout is None or timeout < 0 else timeout
        if feed is None:
            return super().poll() if wait is None else super().poll(wait)
        self._refuse_closed()
        if feed.tape.replays:
            found = feed.replay(self, 1, 0.0 if feed.tape.live else wait)
            if found or not feed.tape.live:
                return found[0] if found else None
        started = time.monotonic()
        message = self._watch(lambda: super(TapeConsumerBase, self).poll(*([] if wait is None else [wait])))
        return None if message is None else feed.record([message], 1, started)[0]

    def consume(self, num_messages: int = 1, timeout: float = -1) -> list[Message]:
        """See `confluent_kafka.Consumer.consume`."""
        feed = self._feed
        if feed is None:
            return super().consume(num_messages, timeout)
        self._refuse_closed()
        if feed.tape.replays:
            wait = None if timeout < 0 else timeout
            found = feed.replay(self, num_messages, 0.0 if feed.tape.live else wait)
            if found or not feed.tape.live:
                return found
        started = time.monotonic()
        messages = self._watch(lambda: super(TapeConsumerBase, self).consume(num_messages, timeout))
        return feed.record(messages, num_messages, started)

    def _watch(self, live: Callable[[], Any]) -> Any:
        feed = self._feed
        try:
            return live()
        except KeyboardInterrupt:
            if feed is not None:
                feed.write_failure(_INTERRUPTED)
            raise
        except KafkaException as error:
            if feed is not None:
                feed.write_failure({"raised": dump(error.args[0])})
            raise

    def commit(self, message: Any = None, offsets: Any = None, asynchronous: bool = True) -> Any:
        """See `confluent_kafka.Consumer.commit`."""
        options: dict[str, Any] = {"asynchronous": asynchronous}
        request = dict(options)
        if message is not None:
            options["message"] = message
            request["message"] = [message.topic(), message.partition(), message.offset()]
        if offsets is not None:
            options["offsets"] = offsets
            request["offsets"] = [[one.topic, one.partition, one.offset] for one in offsets]
        return self._do("commit", request, lambda: super(TapeConsumerBase, self).commit(**options))

    def seek(self, partition: TopicPartition) -> None:
        """See `confluent_kafka.Consumer.seek`."""
        request = {"partition": dump(partition)}
        self._do("seek", request, lambda: super(TapeConsumerBase, self).seek(partition))

    def committed(self, partitions: list[TopicPartition], timeout: float = -1) -> Any:
        """See `confluent_kafka.Consumer.committed`."""
        live = lambda: super(TapeConsumerBase, self).committed(partitions, timeout)  # noqa: E731
        return self._ask("committed", {"partitions": _places(partitions)}, live)

    def position(self, partitions: list[TopicPartition]) -> Any:
        """See `confluent_kafka.Consumer.position`."""
        live = lambda: super(TapeConsumerBase, self).position(partitions)  # noqa: E731
        return self._ask("position", {"partitions": _places(partitions)}, live)

    def assignment(self) -> Any:
        """See `confluent_kafka.Consumer.assignment`."""
        return self._ask("assignment", {}, lambda: super(TapeConsumerBase, self).assignment())

    def get_watermark_offsets(self, partition: TopicPartition, timeout: float = -1, cached: bool = False) -> Any:
        """See `confluent_kafka.Consumer.get_watermark_offsets`."""
        live = lambda: super(TapeConsumerBase, self).get_watermark_offsets(partition, timeout, cached)  # noqa: E731
        found = self._ask("watermarks", {"partition": _places([partition]), "cached": cached}, live)
        with decoding("a pair of offsets"):
            return tuple(found) if found is not None else None

    def offsets_for_times(self, partitions: list[TopicPartition], timeout: float = -1) -> Any:
        """See `confluent_kafka.Consumer.offsets_for_times`."""
        live = lambda: super(TapeConsumerBase, self).offsets_for_times(partitions, timeout)  # noqa: E731
        return self._ask("offsets_for_times", {"partitions": _places(partitions)}, live)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """See `confluent_kafka.Consumer.list_topics`."""
        options = {"topic": topic} if topic is not None else {}
        live = lambda: super(TapeConsumerBase, self).list_topics(timeout=timeout, **options)  # noqa: E731
        return self._ask("list_topics", options, live)

    def cluster_id(self, timeout: float = -1) -> Any:
        """See `confluent_kafka.Consumer.cluster_id`."""
        return self._ask("cluster_id", {}, lambda: super(TapeConsumerBase, self).cluster_id(timeout))

    def memberid(self) -> Any:
        """See `confluent_kafka.Consumer.memberid`."""
        return self._ask("memberid", {}, lambda: super(TapeConsumerBase, self).memberid())

    def consumer_group_metadata(self) -> Any:
        """See `confluent_kafka.Consumer.consumer_group_metadata`; in a replay it is an empty stand-in."""
        return super().consumer_group_metadata() if self._is_live() else object()

    def close(self) -> None:
        """See `confluent_kafka.Consumer.close`."""
        feed = self._feed
        if feed is not None and feed.closed:
            return
        if self._is_live():
            super().close()
        elif feed is not None:
            feed.closing = True
            feed.fire(self)
            feed.settings.serve(every=True)
        if feed is not None:
            feed.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _do(self, name: str, request: dict[str, Any], live: Callable[[], Any]) -> Any:
        self._refuse_closed()
        return live() if self._feed is None else self._feed.tape.control(name, self._feed.scope, request, live, CODEC)

    def _ask(self, name: str, request: dict[str, Any], live: Callable[[], Any]) -> Any:
        self._refuse_closed()
        return live() if self._feed is None else self._feed.tape.query(name, self._feed.scope, request, live, CODEC)


def _places(partitions: list[TopicPartition]) -> list[list[Any]]:
    return [[one.topic, one.partition, one.offset] for one in partitions]


def _quiet(name: str) -> Any:
    """Return a method that changes the consumer and nothing on the broker: live as it is, in a replay nothing."""

    def method(self: TapeConsumerBase, *args: Any, **options: Any) -> Any:
        self._refuse_closed()
        return getattr(cimpl.Consumer, name)(self, *args, **options) if self._is_live() else None

    method.__name__, method.__doc__ = name, f"See `confluent_kafka.Consumer.{name}`."
    return method


for _name in (
    "incremental_assign",
    "incremental_unassign",
    "pause",
    "resume",
    "set_sasl_credentials",
    "store_offsets",
    "unassign",
    "unsubscribe",
):
    setattr(TapeConsumerBase, _name, _quiet(_name))


class TapeConsumer(TapeConsumerBase):
    """What stands in place of `confluent_kafka.Consumer` while a cassette is in use."""
