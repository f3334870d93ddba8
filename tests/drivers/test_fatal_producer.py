"""A producer that librdkafka gave up for good: real Kafka, behind a proxy that changes one of its answers."""

from __future__ import annotations

import asyncio
import struct
import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from tests.drivers.test_conformance import take
from tests.support.listeners import Listeners
from tests.support.proxy import Proxy
from x07py import Envelope, open_driver
from x07py.brokers.process import RunningBroker
from x07py.errors import FencedError, PublishRefusedError

_PRODUCE, _END_TXN = 0, 26
_OUT_OF_ORDER_SEQUENCE_NUMBER, _INVALID_TXN_STATE = 45, 48
_HEAD = struct.Struct(">IhhI")


class Spoiling(Proxy):
    """Changes the answer to the next publish, of one partition, or to the next end of a transaction, by `spoil`."""

    spoil = 0
    """One more than the kind of request, and nothing once an answer was changed."""

    def __init__(self, target: str, port: int) -> None:
        super().__init__(target, port)
        self._asked: dict[int, int] = {}
        self._kinds: dict[int, int] = {}

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, inward: bool) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size = await source.readexactly(4)
                frame = bytearray(size + await source.readexactly(int.from_bytes(size)))
                if inward:
                    self._look_at(frame)
                else:
                    self._answer(frame)
                sink.write(frame)
                await sink.drain()
        sink.close()
        self._writers.discard(sink)

    def _look_at(self, frame: bytearray) -> None:
        _, key, version, number = _HEAD.unpack_from(frame)
        if key in (_PRODUCE, _END_TXN):
            self._kinds[number] = key
            self._asked[number] = version

    def _answer(self, frame: bytearray) -> None:
        """Put an error where the answer has that of its first partition: behind the topic's name, or its id."""
        number = int.from_bytes(frame[4:8])
        version, kind = self._asked.pop(number, None), self._kinds.pop(number, None)
        if version is None or kind is None or self.spoil != 1 + kind:
            return
        self.spoil = 0
        if kind == _END_TXN:
            assert version < 3, "answers from version 3 on have another form"
            struct.pack_into(">h", frame, 12, _INVALID_TXN_STATE)
            return
        assert version >= 9, "answers before version 9 have another form"
        topic = 16 if version >= 13 else frame[10]
        struct.pack_into(">h", frame, 10 + topic + 1 + 4, _OUT_OF_ORDER_SEQUENCE_NUMBER)


@pytest.mark.live
async def test_another_producer_takes_the_place_of_one_that_failed_for_good(
    project: Path, live_kafka: RunningBroker, kafka_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    del project, live_kafka
    topic = f"fatal-{uuid.uuid4().hex[:8]}"
    async with Spoiling(kafka_listeners.address("PROXIED"), kafka_listeners.proxy_port) as proxy:
        monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", proxy.address)
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await driver.publish(Envelope(topic, b"k", b"1"))
            proxy.spoil = 1 + _PRODUCE
            with pytest.raises(PublishRefusedError, match="9751"):
                await driver.publish(Envelope(topic, b"k", b"2"))
            await driver.publish_many([Envelope(topic, b"k", b"3"), Envelope(topic, b"k", b"4")])
            found = [one.envelope.value for one in await take(driver, topic, 4)]
    assert found == [b"1", b"2", b"3", b"4"]


@pytest.mark.live
async def test_a_transaction_that_the_broker_does_not_know_any_more_can_be_given_up_and_not_committed(
    project: Path, live_kafka: RunningBroker, kafka_listeners: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    del project, live_kafka
    topic, name = f"fatal-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    async with Spoiling(kafka_listeners.address("PROXIED"), kafka_listeners.proxy_port) as proxy:
        monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", proxy.address)
        async with open_driver("kafka", profile="local_dev_v1") as driver:

            async def publish(value: bytes, end: str) -> None:
                await driver.control("begin_transaction", {"id": name})
                await driver.publish(Envelope(topic, b"k", value))
                await driver.control(end, {})

            proxy.spoil = 1 + _END_TXN
            await publish(b"given up", "abort_transaction")
            assert not proxy.spoil
            await publish(b"1", "commit_transaction")
            proxy.spoil = 1 + _END_TXN
            with pytest.raises(FencedError, match="9759"):
                await publish(b"2", "commit_transaction")
            await publish(b"3", "commit_transaction")
            found = [one.envelope.value for one in await take(driver, topic, 3)]
    assert found == [b"1", b"2", b"3"], "whether a commit was carried out is not known where its answer says so"
