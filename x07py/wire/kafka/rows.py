"""Records of the wire as rows of a cassette.

A recording stands in the way of whoever waits for the broker, and a topic has many records. So a record whose parts are
plain is cut into the form of the cassette by `request_of`, with its metadata as text, and becomes no object; whatever
is to be hidden, changed or told in another way takes the way through `Envelope`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.drivers.base import canonical_json
from x07py.msg import Envelope
from x07py.msg.plain import request_of
from x07py.wire.kafka.publishes import is_given

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.rr.entry_template import Fields
    from x07py.wire.kafka.batches import Record
    from x07py.wire.kafka.entries import Entries

_META = b'{"offset":%d,"partition":%d,"timestamp":%d,"timestamp_type":%d,"topic":%b}'


class Rows:
    """Makes the rows of one cassette.

    Args:
        tape: the cassette.
    """

    def __init__(self, tape: Entries) -> None:
        self._tape = tape
        self._redaction = tape.rules.redaction
        self._token = self._redaction.token.encode()
        self._is_plain = not tape.rules.before_record

    def requests(self, topic: str, records: list[Record]) -> list[bytes]:
        """Return what records of a topic are compared and written as.

        Raises:
            EnvelopeError: 9506 for a record of 2 GiB or more.
        """
        shows, plain, tape = self._redaction.shows_all, self._is_plain, self._tape
        found: list[bytes] = []
        for record in records:
            _, _, key, value, headers = record
            request = request_of(topic, key, value, headers) if plain and shows(key, value, headers) else None
            found.append(request if request is not None else tape.envelope_of(topic, record).encode())
        return found

    def published(
        self, place: tuple[str, int], records: list[Record], requests: list[bytes], base: int, appended: int | None
    ) -> list[Fields]:
        """Return records that the broker took.

        Args:
            place: topic and partition.
            records: the records.
            requests: the same, as `requests` returned them.
            base: the offset of the first.
            appended: the broker's time, if it set it.
        """
        topic, partition = place
        name, write, now = canonical_json(topic), self._tape.write_record, self._tape.now_ms()
        kind = 1 if appended is None else 2
        rows: list[Fields] = []
        for number, (record, request) in enumerate(zip(records, requests, strict=True)):
            time_ = record.timestamp
            meta = _META % (base + number, partition, time_ if appended is None else appended, kind, name)
            if is_given(time_, now):
                meta = _with_time(meta, time_)
            rows.append((request, write(request, b"ACK"), meta, 0, 0))
        return rows

    def refused(
        self, place: tuple[str, int], records: list[Record], requests: list[bytes], error: tuple[int, str]
    ) -> list[Fields]:
        """Return records that the broker refused with an error of a number and a text."""
        now = self._tape.now_ms()
        rows: list[Fields] = []
        for record, request in zip(records, requests, strict=True):
            meta: dict[str, Json] = {"topic": place[0], "partition": place[1]}
            if is_given(record.timestamp, now):
                meta["timestamp_given"] = record.timestamp
            rows.append(self._tape.failed_row(request, meta, error))
        return rows

    def unconfirmed(self, place: tuple[str, int], requests: list[bytes], **how: bool) -> list[Fields]:
        """Return records of which nobody knows whether the broker took them.

        Args:
            place: topic and partition.
            requests: the records, as `requests` returned them.
            how: what became of the answer: `lost` with the connection, or never given (`silent`); neither where the
                client wanted none.
        """
        meta, write = canonical_json({"confirmed": False, "partition": place[1], **how}), self._tape.write_record
        return [(request, write(request, b"ACK"), meta, 0, 0) for request in requests]

    def delivered(
        self, place: tuple[str, int], subscription: bytes, records: list[Record], *, appended: bool
    ) -> list[Fields]:
        """Return records that came to a consumer.

        Args:
            place: topic and partition.
            subscription: what stands as request.
            records: the records.
            appended: whether the broker set their time.
        """
        topic, partition = place
        name, write, token = canonical_json(topic), self._tape.write_delivered, self._token
        kind = 2 if appended else 1
        rows: list[Fields] = []
        for record, encoded in zip(records, self.requests(topic, records), strict=True):
            meta = _META % (record.offset, partition, record.timestamp, kind, name)
            if token in encoded:
                rows.append(self._tape.hiding_row(subscription, Envelope.decode(encoded), meta))
            else:
                rows.append((subscription, write(encoded, b"ACK"), meta, 0, 0))
        return rows


def _with_time(meta: bytes, given: int) -> bytes:
    """Return metadata of a record with the time that its program gave it."""
    before, name, after = meta.partition(b',"timestamp_type":')
    return b'%b,"timestamp_given":%d%b%b' % (before, given, name, after)
