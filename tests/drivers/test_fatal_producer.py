"""A producer that librdkafka gave up for good: real Kafka, behind a proxy that says once that its numbers are wrong."""

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
from x07py.errors import PublishRefusedError

_PRODUCE = 0
_OUT_OF_ORDER_SEQUENCE_NUMBER = 45
_HEAD = struct.Struct(">IhhI")


class Spoiling(Proxy):
    """Changes the answer to the next publish, of one partition, once `spoil` is set."""

    spoil = False

    def __init__(self, target: str, port: int) -> None:
        super().__init__(target, port)
        self._asked: dict[int, int] = {}

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
        if key == _PRODUCE:
            self._asked[number] = version

    def _answer(self, frame: bytearray) -> None:
        """Put an error where the answer has that of its first partition: behind the topic's name, or its id."""
        version = self._asked.pop(int.from_bytes(frame[4:8]), None)
        if version is None or not self.spoil:
            return
        self.spoil = False
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
            proxy.spoil = True
            with pytest.raises(PublishRefusedError, match="9751"):
                await driver.publish(Envelope(topic, b"k", b"2"))
            await driver.publish_many([Envelope(topic, b"k", b"3"), Envelope(topic, b"k", b"4")])
            found = [one.envelope.value for one in await take(driver, topic, 4)]
    assert found == [b"1", b"2", b"3", b"4"]
