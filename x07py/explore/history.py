"""What a history is, as invariants see it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from x07py.drivers.requests import CORRELATION_ID, REPLY_TO, is_direct_reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.explore.choices import Decisions
    from x07py.explore.process import Event
    from x07py.msg import Envelope

_ABOUT = ("x07-dead-", "x07-retry-", "x-first-death-", "traceparent", "tracestate", "x07-partition", "x07-exchange")


class Published(NamedTuple):
    """A message that whoever reads committed sees.

    Args:
        envelope: the message.
        place: topic and partition, or queue.
        life: who wrote it, as ``a.1``: member and number of the start.
    """

    envelope: Envelope
    place: str
    life: str


class Life(NamedTuple):
    """One start of one member, and how it ended: ``crash``, ``error``, ``ended``, ``stopped`` or ``hangs``."""

    name: str
    how: str
    why: str


class Left(NamedTuple):
    """Inputs that are not acknowledged at the end."""

    place: str
    messages: int


@dataclass(slots=True)
class History:
    """One history, at its end.

    Args:
        inputs: the messages that were there, in their order.
        published: what the program wrote, in the order of each partition or queue.
        committed: where each group stands, by ``group topic/partition``.
        left: what is not acknowledged.
        lives: the starts of the program.
        faults: how many faults there were.
        decisions: what makes this history.
        events: what happened, in order.
        stuck: why it was broken off, empty if it came to its end.
        read: topics and queues that the program consumed.
        poisoned: whether a message was put in that nobody can handle.
        brokers: ``kafka``, ``amqp``: those that the program consumed from.
        timed: whether the program asked for the time of day.
    """

    inputs: Sequence[Envelope]
    published: list[Published] = field(default_factory=list)
    committed: dict[str, int] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    faults: int = 0
    decisions: Decisions = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    stuck: str = ""
    read: set[str] = field(default_factory=set)
    poisoned: bool = False
    brokers: tuple[str, ...] = ()
    timed: bool = False

    def topics(self) -> dict[str, list[Envelope]]:
        """Return what was published, by topic."""
        found: dict[str, list[Envelope]] = {}
        for one in self.published:
            found.setdefault(one.envelope.topic, []).append(one.envelope)
        return found


Identity = tuple[bytes, bytes, tuple[tuple[str, str], ...]]


def identity(envelope: Envelope) -> Identity:
    """Return what makes two messages the same: key, value and headers, but not where and when it was handled.

    Of a request whose answer goes straight to who asks, neither where that is nor the number that it has there.
    """
    headers = envelope.headers
    if not headers:
        return envelope.key, envelope.value, ()
    about = (*_ABOUT, REPLY_TO, CORRELATION_ID) if is_direct_reply("", headers.get(REPLY_TO, "")) else _ABOUT
    kept = tuple(sorted((name, text) for name, text in headers.items() if not name.startswith(about)))
    return envelope.key, envelope.value, kept


def counted(envelopes: Sequence[Envelope]) -> Counter[Identity]:
    """Return how often each message is there."""
    return Counter(map(identity, envelopes))
