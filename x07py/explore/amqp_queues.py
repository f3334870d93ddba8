"""The stored side of a simulated RabbitMQ: exchanges, bindings, queues, dead letters."""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from x07py.drivers.amqp_native import DELAY, is_delayed
from x07py.drivers.amqp_topology import DELAYED, DELAYED_TYPE
from x07py.drivers.requests import DIRECT_REPLY, is_direct_reply
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.explore.clock import Clock
    from x07py.explore.services import Asked

_TICK_S = 0.001
"""How much too early a timer may ring."""
_DIED = ("x-first-death-reason", "x-first-death-queue", "x-first-death-exchange")


@dataclass(slots=True, eq=False)
class Message:
    """A message in one queue."""

    envelope: Envelope
    exchange: str
    key: str
    number: int
    life: str
    returns: int = 0
    """How many times it was delivered and came back."""
    rank: int = 0
    """Its priority, in a queue that has priorities."""
    expires: float = math.inf
    """When it is too old."""

    def meta(self, queue: str, channel: int, tag: int) -> dict[str, Any]:
        """Return what the broker says of its delivery."""
        return {
            "channel": channel,
            "delivery_tag": tag,
            "exchange": self.exchange,
            "queue": queue,
            "redelivered": self.returns > 0,
            "routing_key": self.key,
        }


class Reader(Protocol):
    """A consumer, as a queue sees it."""

    def room(self) -> bool:
        """Tell whether it takes another message."""
        ...

    def arrive(self, queue: Queue, message: Message) -> None:
        """Take a message."""
        ...


@dataclass(slots=True, eq=False)
class Queue:
    """One queue: what is ready, in order, and who reads it."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)
    durable: bool = True
    ready: list[Message] = field(default_factory=list)
    readers: list[Reader] = field(default_factory=list)
    out: int = 0
    """How many are delivered and not settled."""
    was_read: bool = False

    def most(self) -> int:
        """Return how many messages it takes."""
        return int(self.arguments.get("x-max-length", 2**62))

    def rejects(self) -> bool:
        """Tell whether it is full and takes no more."""
        return self.arguments.get("x-overflow") == "reject-publish" and len(self.ready) >= self.most()

    def rank_of(self, envelope: Envelope) -> int:
        """Return how far before others a message stands, by its priority."""
        text = envelope.headers.get("priority", "0")
        return min(int(text) if text.isdigit() else 0, int(self.arguments.get("x-max-priority", 0)))


def _turn(message: Message) -> tuple[int, int]:
    return -message.rank, message.number


class Binding(NamedTuple):
    """What leads from an exchange to a queue, or to another exchange."""

    source: str
    target: str
    key: str
    arguments: dict[str, Any]
    to_exchange: bool


class Refused(Exception):  # noqa: N818  (what the broker answers)
    """A queue does not take the message."""


class Unroutable(Exception):  # noqa: N818
    """No queue is bound."""


class Vhost:
    """What a simulated RabbitMQ keeps.

    Args:
        loop: its time.
        wake: called when there may be something new for consumers.
        lenient: make a queue when it is first named, as a deployment that declares its topology would have.
        services: what services outside of the simulation answer to requests.
    """

    def __init__(
        self,
        loop: Clock,
        wake: Callable[[], None],
        *,
        lenient: bool,
        services: Mapping[Asked, Envelope | None] | None = None,
    ) -> None:
        self._loop, self._wake, self._lenient = loop, wake, lenient
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, tuple[str, bool, dict[str, Any]]] = {}
        self.bindings: list[Binding] = []
        self.arrived: list[tuple[Envelope, str, str]] = []
        """What processes wrote, with queue and process, as it came into a queue."""
        self.answers: dict[str, Callable[[Envelope], object]] = {}
        """Who in this simulation waits for an answer, or has waited, by the routing key that leads to it."""
        self.services: Mapping[Asked, Envelope | None] = services or {}
        self._number = 0

    def put_input(self, name: str, envelope: Envelope) -> None:
        """Store a message that is there from the start."""
        queue = self.queues.setdefault(name, Queue(name))
        self._put(queue, "", envelope, "")

    def queue(self, name: str) -> Queue | None:
        """Return a queue, None if there is none."""
        found = self.queues.get(name)
        if found is None and self._lenient:
            found = self.queues[name] = Queue(name)
        return found

    def declare(self, name: str, arguments: dict[str, Any], *, durable: bool) -> Queue:
        """Return a queue, made if it is not there."""
        return self.queues.setdefault(name, Queue(name, arguments, durable))

    def bind(self, source: str, target: str, key: str, arguments: dict[str, Any], *, exchange: bool) -> None:
        """Bind a queue, or an exchange; twice is once."""
        binding = Binding(source, target, key, arguments, exchange)
        if binding not in self.bindings:
            self.bindings.append(binding)

    def routes(self, exchange: str, envelope: Envelope) -> list[Queue]:
        """Return the queues that a message goes to, each once, through as many exchanges as are bound."""
        if not exchange:
            found = self.queue(envelope.topic)
            return [found] if found else []
        names: dict[str, None] = {}
        reached = [exchange]
        for one in reached:
            for binding in self.bindings:
                if binding.source != one or not self._matches(binding, envelope):
                    continue
                if not binding.to_exchange:
                    names[binding.target] = None
                elif binding.target not in reached:
                    reached.append(binding.target)
        return [self.queues[name] for name in names if name in self.queues]

    def _matches(self, binding: Binding, envelope: Envelope) -> bool:
        kind, _, given = self.exchanges[binding.source]
        return _matches(given.get(DELAYED_TYPE, kind), binding.key, binding.arguments, envelope)

    def publish(self, exchange: str, envelope: Envelope, life: str) -> None:
        """Store a message in each queue that it is routed to, or hand an answer to who waits for it, if anybody does.

        Raises:
            Unroutable: there is none.
            Refused: one is full and rejects; the others have it.
        """
        if is_direct_reply(exchange, envelope.topic):
            self._answer(envelope, life)
            return
        if exchange and self.exchanges[exchange][0] == DELAYED and is_delayed(envelope):
            self._loop.broker_later(int(envelope.headers[DELAY]) / 1000, lambda: self._due(exchange, envelope, life))
            return
        queues = self.routes(exchange, envelope)
        if not queues:
            raise Unroutable
        full = [one for one in queues if one.rejects()]
        for queue in queues:
            if queue not in full:
                self._put(queue, exchange, envelope, life)
        self._loop.active()
        self._wake()
        if full:
            raise Refused

    def _answer(self, envelope: Envelope, life: str) -> None:
        """Hand an answer to who has asked; one to somebody outside is a result of the program, whatever the way."""
        take = self.answers.get(envelope.topic)
        if take is None:
            told = Envelope(DIRECT_REPLY, envelope.key, envelope.value, envelope.headers)
            self.arrived.append((told, DIRECT_REPLY, life))
        else:
            take(envelope)
        self._loop.active()

    def place_for_answer(self) -> str:
        """Return a routing key that leads to one who asks, known from now on; what comes before it waits is lost."""
        place = f"{DIRECT_REPLY}.simulated-{len(self.answers) + 1}"
        self.answers[place] = lambda _: None
        return place

    def reads(self, envelope: Envelope) -> bool:
        """Tell whether anybody has consumed a queue that a message goes to."""
        return any(one.was_read for one in self.routes(envelope.headers.get("x07-exchange", ""), envelope))

    def take_out(self, envelope: Envelope) -> None:
        """Let a service outside consume a message."""
        for queue in self.routes(envelope.headers.get("x07-exchange", ""), envelope):
            queue.ready = [one for one in queue.ready if one.envelope is not envelope]

    def _due(self, exchange: str, envelope: Envelope, life: str) -> None:
        """Route what was delayed; the plugin asks no queue whether it is full, and drops what none takes."""
        for queue in self.routes(exchange, envelope):
            self._put(queue, exchange, envelope, life)
        self._loop.active()
        self._wake()

    def _put(self, queue: Queue, exchange: str, envelope: Envelope, life: str) -> None:
        self._number += 1
        message = Message(envelope, exchange, envelope.topic, self._number, life, rank=queue.rank_of(envelope))
        insort(queue.ready, message, key=_turn)
        if life:
            self.arrived.append((envelope, queue.name, life))
        while len(queue.ready) > queue.most():
            self.bury(queue, queue.ready.pop(0), "maxlen")
        times = [queue.arguments.get("x-message-ttl"), envelope.headers.get("expiration")]
        given = [int(one) for one in times if one is not None and str(one).isdigit()]
        if given:
            message.expires = self._loop.time() + min(given) / 1000
            self._loop.broker_later(min(given) / 1000, lambda: self._drop_old(queue))

    def _drop_old(self, queue: Queue) -> None:
        """Take what is too old from the front; behind a message that is not, it stays."""
        while queue.ready and queue.ready[0].expires <= self._loop.time() + _TICK_S:
            self.bury(queue, queue.ready.pop(0), "expired")

    def give_back(self, queue: Queue, message: Message) -> None:
        """Put a message that was delivered back to where it stood; too often, and it is a dead letter."""
        message.returns += 1
        limit = queue.arguments.get("x-delivery-limit")
        if limit is not None and message.returns > int(limit):
            self.bury(queue, message, "delivery_limit")
            return
        insort(queue.ready, message, key=_turn)
        self._drop_old(queue)
        self._loop.active()
        self._wake()

    def bury(self, queue: Queue, message: Message, reason: str) -> None:
        """Send a message to the queue's dead-letter exchange, if it has one; else it is gone."""
        exchange = queue.arguments.get("x-dead-letter-exchange")
        if exchange is None:
            return
        headers = dict(message.envelope.headers)
        for name, text in zip(_DIED, (reason, queue.name, message.exchange), strict=True):
            headers.setdefault(name, text)
        headers.pop("expiration", None)
        key = queue.arguments.get("x-dead-letter-routing-key", message.key)
        letter = Envelope(key, message.envelope.key, message.envelope.value, headers)
        for target in self.routes(exchange, letter) if not exchange or exchange in self.exchanges else []:
            self._put(target, exchange, letter, message.life or "broker")
        self._wake()

    def dispatch(self) -> None:
        """Give what is ready to consumers that have room, in turn."""
        for queue in self.queues.values():
            while queue.readers:
                self._drop_old(queue)
                able = queue.readers[:1] if queue.arguments.get("x-single-active-consumer") else queue.readers
                reader = next((one for one in able if one.room()), None)
                if reader is None or not queue.ready:
                    break
                if len(able) > 1:
                    queue.readers.remove(reader)
                    queue.readers.append(reader)
                queue.out += 1
                reader.arrive(queue, queue.ready.pop(0))


def _matches(kind: str, key: str, arguments: dict[str, Any], envelope: Envelope) -> bool:
    if kind == "fanout":
        return True
    if kind == "topic":
        return _topic_matches(key.split("."), envelope.topic.split("."))
    if kind == "headers":
        rows = [
            envelope.headers.get(name) == str(value) for name, value in arguments.items() if not name.startswith("x-")
        ]
        return any(rows) if arguments.get("x-match") == "any" else all(rows)
    return key == envelope.topic


def _topic_matches(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    if pattern[0] == "#":
        return any(_topic_matches(pattern[1:], words[number:]) for number in range(len(words) + 1))
    return bool(words) and pattern[0] in ("*", words[0]) and _topic_matches(pattern[1:], words[1:])
