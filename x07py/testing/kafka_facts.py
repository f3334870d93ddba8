"""What a broker said of a message of confluent-kafka as canonical JSON, and back, without a document in between.

Most messages have all of it; whatever else a cassette says takes the way through `x07py.testing.kafka_values`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Message

from x07py.drivers.base import canonical_json
from x07py.testing.kafka_values import meta_of
from x07py.wire.decoding import decoding

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

_FACTS = re.compile(
    rb'\{(?:"batch":\d{1,9},)?(?:"latency":([0-9.e+-]{1,30}),)?(?:"leader_epoch":(-?\d{1,9}),)?"offset":(-?\d{1,18}),'
    rb'"partition":(-?\d{1,9}),(?:"report":(\d{1,9}),)?"timestamp":(-?\d{1,18}),"timestamp_type":(\d),'
    rb'"topic":"([^"\\]{1,249})"\}'
)


class Facts(NamedTuple):
    """What a cassette says of a message; `report` is the number of its delivery report, None of what was delivered."""

    topic: str
    partition: int
    offset: int
    timestamp: tuple[int, int]
    report: int | None
    further: dict[str, Any]

    def message(self, key: bytes | None, value: bytes | None, error: KafkaError | None = None) -> Message:
        """Return the message that a program sees, without headers.

        Raises:
            CassetteError: 2072 if what the broker said has other types.
        """
        topic, partition, offset, timestamp, _, further = self
        with decoding("the metadata of a message"):
            return Message(
                topic=topic,
                partition=partition,
                offset=offset,
                key=key,
                value=value,
                headers=None,
                error=error,
                timestamp=timestamp,
                **further,
            )


def facts_of(meta: bytes) -> Facts | None:
    """Return what metadata of an entry says, or None if that is not what is told of most messages.

    Raises:
        CassetteError: 2072 if a number in it is none.
    """
    found = _FACTS.fullmatch(meta)
    if found is None:
        return None
    latency, epoch, offset, partition, report, time, kind, topic = found.groups()
    further: dict[str, Any] = {}
    with decoding("the metadata of a message"):
        if epoch is not None:
            further["leader_epoch"] = int(epoch)
        if latency is not None:
            further["latency"] = float(latency)
        number = None if report is None else int(report)
        return Facts(str(topic, "utf-8"), int(partition), int(offset), (int(kind), int(time)), number, further)


def told_of(message: Message, report: int | None = None) -> bytes:
    """Return what the broker said about a message, as canonical JSON.

    Args:
        message: the message.
        report: as which report of its producer it came; None for a delivery.
    """
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    (kind, time), epoch, latency = message.timestamp(), message.leader_epoch(), message.latency()
    if topic is None or partition is None or offset is None:
        return canonical_json({**meta_of(message), **({} if report is None else {"report": report})})
    return b'{%b%b"offset":%d,"partition":%d,%b"timestamp":%d,"timestamp_type":%d,"topic":%b}' % (
        b"" if latency is None else b'"latency":%b,' % repr(latency).encode(),
        b"" if epoch is None else b'"leader_epoch":%d,' % epoch,
        offset,
        partition,
        b"" if report is None else b'"report":%d,' % report,
        time,
        kind,
        _text(topic),
    )


@lru_cache(maxsize=1024)
def _text(topic: str) -> bytes:
    return canonical_json(topic)
