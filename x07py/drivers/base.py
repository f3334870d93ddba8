"""The driver protocol: what a program calls (`Driver`) and what a broker has to provide (`Backend`).

A program sees one class for every broker and every world. Behind it stands a backend: live (Kafka, AMQP), recording
(wraps a live one) or replaying. A backend has two data paths, publishing and consuming, in batches, because a thread
hop or an await for each message costs more than the message; everything else (ack, commit, seek, transactions,
topology) is a small JSON request to `Backend.control`, so that the recorder and the replayer handle every operation,
also future ones, alike.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from x07py.errors import DriverError, UnsupportedError
from x07py.files import load_json
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

Json = Any
Coordinates = tuple[str, int, int]
"""Where a delivery stands: topic, partition, offset on Kafka; queue, channel number, delivery tag on AMQP."""


class Dialect(NamedTuple):
    """What differs between brokers in names only: the ``driver_kind`` number, operation names, metadata names."""

    name: str
    number: int
    publish_op: str
    poll_op: str
    op_prefix: str
    coordinates: tuple[str, str, str]
    too_large: int
    operations: tuple[str, ...]
    """Short names of what `Backend.control` carries out."""
    start: str | None = "earliest"
    """Where consumers begin that do not say it; None if only the broker knows."""

    @classmethod
    def of(
        cls, kind: str, number: int, coordinates: tuple[str, str, str], operations: tuple[str, ...], too_large: int
    ) -> Self:
        """Return the dialect of a driver that is not x07py's: its operations are recorded as ``KIND.NAME_v1``.

        Args:
            kind: what programs say to `open_driver`.
            number: of the driver in message records, 128 or more.
            coordinates: names, in the metadata of a delivery, of what `Delivery.coordinates` returns.
            operations: short names of what `Backend.control` carries out.
            too_large: code of the error for a message that is larger than the profile allows.
        """
        publish, consume = f"{kind}.publish_env_v1", f"{kind}.consume_env_v1"
        return cls(kind, number, publish, consume, f"{kind}.", coordinates, too_large, operations)

    def recorded(self) -> list[str]:
        """Return the name of every operation that a recording may hold, as policies have to allow them, sorted."""
        return sorted([self.publish_op, self.poll_op, *(f"{self.op_prefix}{op}_v1" for op in self.operations)])

    def operation(self, method: str) -> str:
        """Return the name under which a method of `Driver`, or an operation of `control`, is recorded."""
        if method == "consume":
            return self.poll_op
        return self.publish_op if method in {"publish", "publish_many"} else f"{self.op_prefix}{method}_v1"

    def refuse_unknown(self, op: str) -> None:
        """Refuse an operation that this broker does not have.

        Raises:
            DriverError: 9622.
        """
        if op not in self.operations:
            raise UnsupportedError(
                9622, f"{self.name} has no operation {op!r}", hint=f"it has {', '.join(self.operations)}"
            )


KAFKA = Dialect(
    "kafka",
    1,
    "std.msg.kafka.publish_env_v1",
    "std.msg.kafka.poll_env_v1",
    "std.msg.kafka.",
    ("topic", "partition", "offset"),
    9711,
    (
        "ack",
        "nack",
        "commit",
        "lag",
        "seek",
        "pause",
        "resume",
        "init_transactions",
        "begin_transaction",
        "commit_transaction",
        "abort_transaction",
        "schema_ids",
        "schema",
        "subject",
    ),
)
AMQP = Dialect(
    "amqp",
    2,
    "std.msg.amqp.publish_env_v1",
    "std.msg.amqp.consume_env_v1",
    "std.msg.amqp.",
    ("queue", "channel", "delivery_tag"),
    9811,
    ("ack", "nack", "commit", "request", "plan_topology", "apply_topology"),
    None,
)
COMMIT_INTERVAL_MS = 1000
"""How long a commit that is not waited for comes after the one before it, unless the program says otherwise."""
_decode = Envelope.decode  # taken here, so that what a driver decodes is not counted as the program's own


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
"""Made once: ``json.dumps`` makes one at each call."""


def canonical_json(value: Json) -> bytes:
    """Return JSON with sorted keys and no spaces; for integers, strings, lists and maps this is RFC 8785."""
    text = _CANONICAL.encode(value)
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # half of a character, which JSON can spell and bytes cannot
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class Delivery:
    """One message from a broker: the envelope, and in ``meta`` what the broker says about it.

    Both are decoded when they are looked at, so that a program that only counts or forwards pays for neither.
    """

    __slots__ = ("_coordinates", "_envelope", "_envelope_bytes", "_meta", "_meta_json")

    def __init__(self, envelope: Envelope, meta: Mapping[str, Json]) -> None:
        self._envelope: Envelope | None = envelope
        self._envelope_bytes: bytes = b""
        self._meta: dict[str, Json] | None = dict(meta)
        self._meta_json: bytes = b""
        self._coordinates: Coordinates | None = None

    @classmethod
    def from_broker(cls, envelope: Envelope, meta_json: bytes, coordinates: Coordinates) -> Self:
        """Return a delivery whose metadata is already canonical JSON."""
        self = cls.__new__(cls)
        self._envelope, self._meta_json, self._coordinates = envelope, meta_json, coordinates
        self._envelope_bytes, self._meta = b"", None
        return self

    @classmethod
    def from_recording(cls, envelope: bytes, meta_json: bytes) -> Self:
        """Return a delivery made of recorded bytes."""
        self = cls.__new__(cls)
        self._envelope_bytes, self._meta_json = envelope, meta_json
        self._envelope = self._meta = self._coordinates = None
        return self

    @property
    def envelope(self) -> Envelope:
        """The message.

        Raises:
            EnvelopeError: 9504 to 9509 if a recording holds bytes that are no envelope.
        """
        if self._envelope is None:
            self._envelope = _decode(self._envelope_bytes)
        return self._envelope

    @property
    def envelope_bytes(self) -> bytes:
        """The encoded message."""
        return self._envelope_bytes or self.envelope.encode()

    @property
    def size(self) -> int:
        """Bytes of the encoded message."""
        return len(self._envelope_bytes) if self._envelope is None else self._envelope.size

    @property
    def meta(self) -> Mapping[str, Json]:
        """Facts from the broker, by the names of its own documentation (``partition``, ``delivery_tag``, and so on).

        Raises:
            DriverError: 9612 if a recording holds something else than a JSON object.
        """
        if self._meta is None:
            self._meta = _parse_meta(self.meta_json)
        return self._meta

    @property
    def meta_json(self) -> bytes:
        """``meta`` as canonical JSON."""
        return self._meta_json or canonical_json(self._meta)

    def coordinates(self, dialect: Dialect) -> Coordinates:
        """Return where the broker keeps the message.

        Raises:
            DriverError: 9620 if the metadata does not say, as in recordings of other tools.
        """
        if self._coordinates is None:
            try:
                source, partition, position = (self.meta[name] for name in dialect.coordinates)
            except KeyError as error:
                raise DriverError(
                    9620,
                    f"the delivery has no {error.args[0]} in its metadata, so it cannot be acknowledged",
                    hint="record the cassette with x07py",
                ) from None
            self._coordinates = (source, partition, position)
        return self._coordinates

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Delivery):
            return NotImplemented
        return self.envelope_bytes == other.envelope_bytes and self.meta == other.meta

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Delivery({self.envelope!r}, meta={dict(self.meta)!r})"


def _parse_meta(text: bytes) -> dict[str, Json]:
    try:
        found = load_json(text or b"{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise DriverError(
            9612,
            "the recorded metadata of a message is not a JSON object",
            where=repr(text[:60]),
            hint="the cassette was damaged or made by another tool",
        )
    return found


class Ack:
    """The broker's confirmation of one publish.

    Args:
        text: the broker's answer.
        meta_json: canonical JSON of where the message went.
    """

    __slots__ = ("_meta_json", "_text")

    def __init__(self, text: bytes, meta_json: bytes) -> None:
        self._text, self._meta_json = text, meta_json

    @property
    def text(self) -> bytes:
        """The broker's answer."""
        return self._text

    @property
    def meta_json(self) -> bytes:
        """``meta`` as canonical JSON."""
        return self._meta_json

    @property
    def meta(self) -> dict[str, Json]:
        """Where the message went, for example ``partition`` and ``offset``."""
        return _parse_meta(self.meta_json)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ack):
            return NotImplemented
        return self.text == other.text and self.meta_json == other.meta_json

    def __hash__(self) -> int:
        return hash((self.text, self.meta_json))

    def __repr__(self) -> str:
        return f"Ack({self.text!r}, {self.meta_json!r})"


class Subscription(NamedTuple):
    """What a consumer asks for: sources (topics or queues), group, most messages a batch, where a new group starts."""

    sources: tuple[str, ...]
    group: str
    max_items: int
    start: str | int | None = "earliest"

    def request(self) -> bytes:
        """Return the canonical JSON that stands as request in every recorded delivery."""
        asked: dict[str, Json] = {"group": self.group, "max_items": self.max_items, "sources": list(self.sources)}
        if self.start not in (None, "earliest"):
            asked["start"] = self.start
        return canonical_json(asked)

    def scope(self) -> str:
        """Return the scope of the recorded deliveries: sources, and the group behind an ``@`` if there is one."""
        return ",".join(self.sources) + (f"@{self.group}" if self.group else "")


class Backend(Protocol):
    """What stands behind a `Driver`: one connection to a broker, or to a recording of one."""

    dialect: Dialect
    profile: str

    async def publish_many(self, envelopes: Sequence[Envelope]) -> Sequence[Ack]:
        """Publish messages in order and return when the broker has confirmed all of them."""
        ...

    def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield batches of at least one message until the consumer is closed, or a recording ends."""
        ...

    async def control(self, op: str, request: Json) -> Json:
        """Carry out any other operation, by its short name (``ack``, ``commit``, ``seek``)."""
        ...

    async def keep_alive(self) -> bool:
        """Do what is due while the program works on what it was given; False if it should give back what it can."""
        ...

    async def close(self) -> None:
        """Release everything; unacknowledged messages go back to the broker."""
        ...


def is_consuming(backend: Backend) -> bool:
    """Tell whether the broker lets a connection consume; a backend that has no method ``consuming`` is taken to."""
    tell = getattr(backend, "consuming", None)
    return tell is None or bool(tell())
