"""`confluent_kafka.Producer` on a tape: the same class to a program, live while recording, closed while replaying."""

from __future__ import annotations

import heapq
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self

from confluent_kafka import KafkaException, cimpl

from x07py.drivers.base import canonical_json
from x07py.errors import DriverError, UnsupportedError
from x07py.testing.kafka_callbacks import Callbacks
from x07py.testing.kafka_facts import told_of
from x07py.testing.kafka_tape import kafka_tape
from x07py.testing.kafka_values import CODEC, envelope_of, load_error, message_of, meta_of
from x07py.wire.tape import LIBRARY_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import KafkaError, Message

    from x07py.drivers.base import Json
    from x07py.msg import Envelope
    from x07py.testing.kafka_tape import KafkaTape

_UNCONFIRMED: dict[str, Json] = {"confirmed": False}
_UNCONFIRMED_META = canonical_json(_UNCONFIRMED)


class _Publish:
    """One message between `produce` and its delivery report."""

    __slots__ = ("ack", "done", "err", "given", "meta", "request", "started", "topic")

    def __init__(self, topic: str, request: bytes, given: dict[str, Json]) -> None:
        self.topic, self.request, self.given = topic, request, given
        self.started = time.monotonic()
        self.done, self.err, self.ack, self.meta = False, 0, b"", _UNCONFIRMED_META

    def resolve(self, error: KafkaError | None, message: Message, report: int) -> None:
        """Take what the broker said, and as which report of the producer it came."""
        self.done = True
        if self.given:
            self.meta = canonical_json({**meta_of(message), **self.given, "report": report})
        else:
            self.meta = told_of(message, report)
        if error is None:
            self.ack = b"ACK"
        else:
            self.err, self.ack = LIBRARY_ERROR, CODEC.dump_error_bytes(error)


class _Recorder:
    """Writes the publishes of one producer in the order in which it produced them."""

    def __init__(self, tape: KafkaTape) -> None:
        self.tape = tape
        self.waiting: deque[_Publish] = deque()
        self.reports = 0
        tape.on_close.append(self.finish)

    def start(self, topic: str, request: bytes, given: dict[str, Json]) -> _Publish:
        publish = _Publish(topic, request, given)
        self.waiting.append(publish)
        return publish

    def write(self) -> None:
        with self.tape.lock:
            while self.waiting and self.waiting[0].done:
                self._write_first()

    def finish(self) -> None:
        """Write what was never confirmed too: a replay then never confirms it either."""
        with self.tape.lock:
            while self.waiting:
                self._write_first()

    def _write_first(self) -> None:
        one = self.waiting.popleft()
        ticks = int((time.monotonic() - one.started) * 1000)
        self.tape.write_reported(one.topic, one.request, one.ack, one.meta, err=one.err, ticks=ticks)


class TapeProducerBase(cimpl.Producer):
    """The methods; without fields of its own, so that existing subclasses can be put on top of it."""

    __slots__ = ()

    def __init__(self, *args: Any, **conf: Any) -> None:
        settings = {**(args[0] if args else {}), **conf}
        self._tape: KafkaTape | None = kafka_tape()
        self._default_report = settings.get("on_delivery") or settings.get("dr_cb")
        self._reports: list[tuple[int, int, Any, KafkaError | None, Message]] = []
        self._served, self._fresh = 0, False
        self._unconfirmed = 0
        self._recorder = _Recorder(self._tape) if self._tape is not None and self._tape.live else None
        self._callbacks = None if self._tape is None else Callbacks(self._tape, "producer", settings)
        if self._callbacks is None:
            super().__init__(*args, **conf)
        elif self._recorder is not None:
            super().__init__(self._callbacks.recorded(settings))

    def produce(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int = -1,
        callback: Any = None,
        on_delivery: Any = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """See `confluent_kafka.Producer.produce`."""
        report = on_delivery or callback
        tape = self._tape
        if tape is None:
            options: dict[str, Any] = {"headers": headers} if headers is not None else {}
            super().produce(topic, value, key, partition, report, timestamp=timestamp, **options)
            return
        report = report or self._default_report
        message = (topic, value, key, partition)
        request = None if headers or timestamp or partition >= 0 else tape.request_of(topic, key, value, ())
        if request is not None and tape.replays and self._replay_plain(tape, message, request, report):
            return
        if request is not None and not tape.replays:
            self._produce_live(topic, request, report, message, timestamp, headers, {})
            return
        envelope = tape.clean(envelope_of(topic, key, value, headers))
        given: dict[str, Json] = {} if partition < 0 else {"partition_given": partition}
        if timestamp:
            given["timestamp_given"] = timestamp
        if tape.replays and self._replay(tape, envelope, report, partition, timestamp):
            return
        self._produce_live(envelope.topic, envelope.encode(), report, message, timestamp, headers, given)

    def _replay_plain(self, tape: KafkaTape, message: tuple[Any, ...], request: bytes, report: Any) -> bool:
        """Take the recorded report of a message that is just the next of its topic; False for any other."""
        topic, value, key, _ = message
        found = tape.find_plain(topic, request)
        if found is None:
            return False
        answer, facts = found
        self._fresh = True
        heapq.heappush(self._reports, (facts.report or 0, answer.number, report, None, facts.message(key, value)))
        return True

    def _replay(self, tape: KafkaTape, envelope: Envelope, report: Any, partition: int, timestamp: int) -> bool:
        with tape.missing_allowed() as found:
            answer = tape.find_publish(envelope)
            meta = tape.meta(answer)
            tape.compare_place(answer, meta, partition, timestamp)
            if answer.err and meta.get("raised"):
                raise KafkaException(load_error(tape.failure(answer)))
            if meta == _UNCONFIRMED:
                self._unconfirmed += 1
                return True
            error = load_error(tape.failure(answer)) if answer.err else None
            message = message_of(envelope, meta, error=error, headers=False)
            self._fresh = True
            heapq.heappush(self._reports, (meta.get("report", 0), answer.number, report, error, message))
        return found.hit

    def _produce_live(
        self,
        scope: str,
        request: bytes,
        report: Any,
        message: tuple[Any, ...],
        timestamp: int,
        headers: Any,
        given: dict[str, Json],
    ) -> None:
        recorder = self._recorder
        if recorder is None:
            raise unsupported("Producer.produce")
        publish = recorder.start(scope, request, given)
        topic, value, key, partition = message

        def delivered(error: KafkaError | None, sent: Message) -> None:
            publish.resolve(error, sent, recorder.reports)
            recorder.reports += 1
            recorder.write()
            if report:
                report(error, sent)

        options: dict[str, Any] = {"headers": headers} if headers is not None else {}
        try:
            super().produce(topic, value, key, partition, delivered, timestamp=timestamp, **options)
        except KafkaException as error:
            publish.done, publish.err, publish.meta = True, LIBRARY_ERROR, b'{"raised":true}'
            publish.ack = CODEC.dump_error_bytes(error.args[0])
            recorder.write()
            raise
        except BaseException:
            recorder.waiting.remove(publish)
            raise

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int = -1,
        callback: Any = None,
        on_delivery: Any = None,
    ) -> int:
        """See `confluent_kafka.Producer.produce_batch`."""
        if self._tape is None:
            queued: int = super().produce_batch(topic, messages, partition, on_delivery or callback)
            return queued
        count = 0
        for message in messages:
            report = message.get("callback") or on_delivery or callback
            where = message.get("partition", partition)
            try:
                self.produce(
                    topic,
                    message.get("value"),
                    message.get("key"),
                    where,
                    report,
                    timestamp=message.get("timestamp", 0),
                )
            except KafkaException as error:
                message["_error"] = error.args[0]
            else:
                count += 1
        return count

    def poll(self, timeout: float = -1) -> int:
        """See `confluent_kafka.Producer.poll`."""
        served = self._serve(every=False)
        if self._is_live():
            served += super().poll(0 if served else timeout)
        elif timeout and timeout > 0 and not served:
            time.sleep(min(timeout, 0.001))
        return served

    def flush(self, timeout: float = -1) -> int:
        """See `confluent_kafka.Producer.flush`."""
        self._serve()
        left: int = super().flush(timeout) if self._is_live() else 0
        return left + self._unconfirmed

    def _serve(self, *, every: bool = True) -> int:
        """Call delivery reports in the order in which they were recorded.

        All of them, or those that no other can come before; the first also when nothing was produced since the last
        call, so that several producers of one topic never wait for each other's.
        """
        if self._callbacks is not None:
            self._callbacks.serve()
        count, idle = 0, not self._fresh
        self._fresh = False
        while self._reports and (every or (idle and not count) or self._reports[0][0] == self._served):
            rank, _, report, error, message = heapq.heappop(self._reports)
            self._served = rank + 1
            count += 1
            if report:
                report(error, message)
        return count

    def _is_live(self) -> bool:
        return self._tape is None or self._tape.live

    def __len__(self) -> int:
        return len(self._reports) + self._unconfirmed + (super().__len__() if self._is_live() else 0)

    def __bool__(self) -> bool:
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self, *args: Any, **options: Any) -> Any:
        """See `confluent_kafka.Producer.close`."""
        self._serve()
        if self._callbacks is not None:
            self._callbacks.serve(every=True)
        return super().close(*args, **options) if self._is_live() else True

    def purge(self, *args: Any, **options: Any) -> None:
        """See `confluent_kafka.Producer.purge`; a replay has the reports of the purged messages already."""
        if self._is_live():
            super().purge(*args, **options)

    def set_sasl_credentials(self, *args: Any, **options: Any) -> None:
        """See `confluent_kafka.Producer.set_sasl_credentials`; nothing of it is recorded."""
        if self._is_live():
            super().set_sasl_credentials(*args, **options)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """See `confluent_kafka.Producer.list_topics`."""
        options = {"topic": topic} if topic is not None else {}
        return self._ask(
            "list_topics", options, lambda: super(TapeProducerBase, self).list_topics(timeout=timeout, **options)
        )

    def cluster_id(self, timeout: float = -1) -> Any:
        """See `confluent_kafka.Producer.cluster_id`."""
        return self._ask("cluster_id", {}, lambda: super(TapeProducerBase, self).cluster_id(timeout))

    def init_transactions(self, *timeout: Any) -> None:
        """See `confluent_kafka.Producer.init_transactions`."""
        self._do("init_transactions", lambda: super(TapeProducerBase, self).init_transactions(*timeout))

    def begin_transaction(self) -> None:
        """See `confluent_kafka.Producer.begin_transaction`."""
        self._do("begin_transaction", lambda: super(TapeProducerBase, self).begin_transaction())

    def commit_transaction(self, *timeout: Any) -> None:
        """See `confluent_kafka.Producer.commit_transaction`."""
        self._do("commit_transaction", lambda: super(TapeProducerBase, self).commit_transaction(*timeout))
        self._serve()

    def abort_transaction(self, *timeout: Any) -> None:
        """See `confluent_kafka.Producer.abort_transaction`."""
        self._do("abort_transaction", lambda: super(TapeProducerBase, self).abort_transaction(*timeout))
        self._serve()

    def send_offsets_to_transaction(self, positions: Any, group_metadata: Any, *timeout: Any) -> None:
        """See `confluent_kafka.Producer.send_offsets_to_transaction`."""
        request = {"offsets": [[one.topic, one.partition, one.offset] for one in positions]}
        self._do(
            "send_offsets_to_transaction",
            lambda: super(TapeProducerBase, self).send_offsets_to_transaction(positions, group_metadata, *timeout),
            request,
        )

    def _do(self, name: str, live: Callable[[], Any], request: dict[str, Any] | None = None) -> Any:
        return live() if self._tape is None else self._tape.control(name, "", request or {}, live, CODEC)

    def _ask(self, name: str, request: dict[str, Any], live: Callable[[], Any]) -> Any:
        return live() if self._tape is None else self._tape.query(name, "", request, live, CODEC)


class TapeProducer(TapeProducerBase):
    """What stands in place of `confluent_kafka.Producer` while a cassette is in use."""


def unsupported(name: str) -> DriverError:
    """Return the error of a call that no cassette can hold."""
    return UnsupportedError(
        9641, f"confluent_kafka.{name} cannot be recorded or replayed", hint="leave the call outside use_cassette"
    )
