"""What a history begins with: the messages of a recording, or of a file of JSON lines."""

from __future__ import annotations

import base64
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.amqp_native import DELAY, EXCHANGE
from x07py.drivers.base import AMQP, KAFKA
from x07py.drivers.requests import CORRELATION_ID, REPLY_TO, is_direct_reply
from x07py.errors import UsageError
from x07py.explore.services import REQUEST_OP, request_of
from x07py.files import load_json, read_file
from x07py.msg import Envelope, MessageRecord
from x07py.msg.native import NULL_KEY, NULL_VALUE, PARTITION
from x07py.rr import Cassette

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST_BYTES = 2**28
_MOST_PARTITIONS = 10_000
_Same = tuple[str, str, bytes, bytes, tuple[tuple[str, str], ...]]
_BROKERS = {KAFKA.publish_op: "kafka", AMQP.publish_op: "amqp"}
_TO_BROKERS = frozenset({PARTITION, EXCHANGE, DELAY})
_OF_REQUESTS = frozenset({REPLY_TO, CORRELATION_ID})
_ABSENT = {"key": NULL_KEY, "value": NULL_VALUE}
"""Kafka alone has records without a key or a value; such a value is a tombstone."""
_FIELDS = {"topic", "key", "value", "headers", "partition", "key_b64", "value_b64"}


class Input(NamedTuple):
    """One message that is there when the program starts.

    Args:
        envelope: the message; its topic is the topic, on AMQP the routing key.
        partition: where it stands on Kafka, None where its key leads.
        queue: where it stands on AMQP.
        brokers: on which brokers it stands.
    """

    envelope: Envelope
    partition: int | None
    queue: str
    brokers: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return it as JSON that `input_of` reads."""
        one = self.envelope
        return {
            "topic": one.topic,
            "key_b64": base64.b64encode(one.key).decode(),
            "value_b64": base64.b64encode(one.value).decode(),
            "headers": dict(one.headers),
            "partition": self.partition,
            "queue": self.queue,
            "brokers": list(self.brokers),
        }


def read_inputs(path: Path, topic: str) -> list[Input]:
    """Return the messages of a cassette, or of a file with a JSON object a line.

    What the recording has itself published is no input, unless all that was delivered is: then a sender was recorded
    along with the program.

    Args:
        path: the file; one that ends in ``.jsonl`` has lines with ``topic``, ``key``, ``value`` (text, or JSON that is
            not; null is a record of Kafka without one), ``headers``, ``partition``; ``key_b64`` and ``value_b64`` for
            bytes.
        topic: of lines that name none.

    Raises:
        UsageError: ``X07EXPLORE_INPUTS`` if there is no message in it, or a line cannot be meant.
        CassetteError: it is no cassette.
    """
    found = list(_of_lines(path, topic)) if path.suffix == ".jsonl" else _delivered(Cassette.load(path))
    if not found:
        hint = "record the program while it consumes something, or write a file of JSON lines"
        raise UsageError("X07EXPLORE_INPUTS", "no message was delivered in it", where=str(path), hint=hint)
    return found


def _of_lines(path: Path, topic: str) -> Iterable[Input]:
    try:
        lines = read_file(path, limit=_MOST_BYTES).decode().splitlines()
    except (OSError, ValueError) as error:
        hint = "name a cassette, or a .jsonl file with a JSON object a line"
        raise UsageError("X07EXPLORE_INPUTS", f"cannot read: {error}", where=str(path), hint=hint) from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield input_of_row(load_json(line), topic)
            except (ValueError, TypeError, AttributeError) as error:
                hint = 'for example {"key": "a", "value": {"id": 1}}'
                where = f"{path}:{number}"
                raise UsageError("X07EXPLORE_INPUTS", f"no message: {error}", where=where, hint=hint) from None


def input_of_row(row: Any, topic: str) -> Input:
    """Return the input that a line of a file says; raises ValueError, TypeError or AttributeError for others.

    Args:
        row: the line, read; key and value may be bytes too.
        topic: if it names none; empty if it has to.
    """
    if not isinstance(row, dict) or not row.keys() <= _FIELDS:
        raise ValueError(f"a line is an object with some of {', '.join(sorted(_FIELDS))}")
    name = row.get("topic", topic)
    if not isinstance(name, str) or not name:
        raise ValueError("topic is a string" if name != "" else "it names no topic")
    headers = {str(key): str(value) for key, value in row.get("headers", {}).items()}
    absent = {header: "1" for field, header in _ABSENT.items() if field in row and row[field] is None}
    envelope = Envelope(name, _bytes(row, "key"), _bytes(row, "value"), headers | absent)
    return Input(envelope, _partition(row.get("partition")), name, ("kafka",) if absent else ("kafka", "amqp"))


def _bytes(row: dict[str, Any], name: str) -> bytes:
    if f"{name}_b64" in row:
        return base64.b64decode(row[f"{name}_b64"], validate=True)
    value = row.get(name)
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    return value.encode() if isinstance(value, str) else json.dumps(value, separators=(",", ":")).encode()


def input_of(document: dict[str, Any]) -> Input:
    """Return the input that `Input.document` has written; raises ValueError, KeyError or TypeError for others."""
    headers = {str(name): str(text) for name, text in dict(document["headers"]).items()}
    envelope = Envelope(str(document["topic"]), _bytes(document, "key"), _bytes(document, "value"), headers)
    brokers = tuple(map(str, document["brokers"]))
    return Input(envelope, _partition(document["partition"]), str(document["queue"]), brokers)


def _facts(meta: str) -> dict[str, Any]:
    found = load_json(meta or "{}")
    if not isinstance(found, dict):
        raise ValueError("it is not a JSON object")
    return found


def _partition(value: object) -> int | None:
    if value is None or (isinstance(value, int) and 0 <= value < _MOST_PARTITIONS):
        return value
    raise ValueError(f"the partition is no number from 0 to {_MOST_PARTITIONS - 1}")


def _plain(value: object) -> str | int | None:
    if value is None or isinstance(value, str | int):
        return value
    raise ValueError("a place is neither text nor number")


def _delivered(cassette: Cassette) -> list[Input]:
    """Return each delivered message once, but those that the recording sent itself, unless it sent them all."""
    found = list(_deliveries(cassette))
    sent = Counter(_sent(cassette))
    inputs = []
    for one in reversed(found):  # of equal ones the last are its own: it may send again what it was given
        same = _as_it_arrives(one.brokers[0], one.envelope)
        if sent[same]:
            sent[same] -= 1
        else:
            inputs.append(one)
    return inputs[::-1] or found


def _deliveries(cassette: Cassette) -> Iterator[Input]:
    seen: set[tuple[object, ...]] = set()
    for number, entry in enumerate(cassette.entries):
        if entry.err or entry.op not in {KAFKA.poll_op, AMQP.poll_op}:
            continue
        record = MessageRecord.decode(entry.resp)
        kafka = entry.op == KAFKA.poll_op
        try:
            meta = _facts(entry.meta)
            partition = _partition(meta.get("partition")) if kafka else None
            place = tuple(_plain(meta.get(name)) for name in (KAFKA if kafka else AMQP).coordinates)
        except ValueError as error:
            hint = "the cassette was damaged or made by another tool; record it again"
            where = f"entry {number}"
            raise UsageError("X07EXPLORE_INPUTS", f"what the broker said: {error}", where=where, hint=hint) from None
        if place in seen if kafka else bool(meta.get("redelivered")) and (record.env,) in seen:
            continue
        seen |= {place, (record.env,)}
        envelope = Envelope.decode(record.env)
        queue = str(meta.get("queue", envelope.topic))
        yield Input(envelope, partition, queue, ("kafka",) if kafka else ("amqp",))


def _sent(cassette: Cassette) -> Iterator[_Same]:
    """Yield what the recording sent: messages, whether or not it heard of them again, and requests."""
    for entry in cassette.entries:
        if entry.op in {KAFKA.publish_op, AMQP.publish_op}:
            yield _as_it_arrives(_BROKERS[entry.op], Envelope.decode(entry.req))
        elif entry.op == REQUEST_OP:
            yield _as_it_arrives("amqp", request_of(entry.req))


def _as_it_arrives(broker: str, envelope: Envelope) -> _Same:
    """Return what a message is known by where it was sent and where it arrives: not by what is said to brokers."""
    headers = envelope.headers
    said = _TO_BROKERS | _OF_REQUESTS if is_direct_reply("", headers.get(REPLY_TO, "")) else _TO_BROKERS
    kept = tuple(sorted((name, text) for name, text in headers.items() if name not in said))
    return broker, envelope.topic, envelope.key, envelope.value, kept
