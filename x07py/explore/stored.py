"""What the brokers of one history keep: the inputs at first, what the program wrote and acknowledged at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.explore.choices import POISON_PLACE
from x07py.explore.history import History, Left, Life, Published
from x07py.explore.invariants import POISON_ID
from x07py.explore.kafka import KafkaCluster
from x07py.explore.process import Event
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from x07py.explore.amqp_queues import Vhost
    from x07py.explore.choices import Choices
    from x07py.explore.clock import Clock
    from x07py.explore.inputs import Input
    from x07py.explore.services import Asked

_PARTITIONS = 3


class Given(NamedTuple):
    """What brokers hold before the program starts.

    Args:
        inputs: the messages.
        poison: whether there may be a message among them that nobody can handle.
        topology: what is declared on AMQP.
        services: what services outside of the program answer to its requests.
    """

    inputs: Sequence[Input]
    poison: bool
    topology: tuple[dict[str, Any], ...]
    services: Mapping[Asked, Envelope | None]


class Stored:
    """The brokers of one history.

    Args:
        given: what they hold at first.
        choices: decides whether a message is put in that nobody can handle, and where.
        loop: their time.
        wake: called when there may be something new for consumers.
        events: what happens.

    Attributes:
        faults: how many faults were put in here.
    """

    def __init__(
        self, given: Given, choices: Choices, loop: Clock, wake: Callable[[], None], events: list[Event]
    ) -> None:
        self._given, self._choices, self._loop, self._wake, self._events = given, choices, loop, wake, events
        self.poisoned: bool = False
        self.faults: int = 0
        self.inputs: list[Input] = self._with_poison()
        self._topics = {one.envelope.topic for one in self.inputs}
        self.cluster: KafkaCluster = self._filled()
        self._vhost: Vhost | None = None
        if any("amqp" in one.brokers for one in self.inputs):
            self.vhost()

    def _with_poison(self) -> list[Input]:
        inputs = list(self._given.inputs)
        if self._choices.fault(POISON_PLACE, ("poison",) if self._given.poison else ()):
            at = self._choices.order("-:input-at#1", len(inputs))
            near = inputs[at]
            bad = Envelope(near.envelope.topic, near.envelope.key, b"\xff\x00 not a message", {"ce_id": POISON_ID})
            inputs.insert(at, near._replace(envelope=bad))
            self.poisoned = True
            self.faults += 1
            self._events.append(Event("-", "fault", ("input", "poison", f"before message {at}")))
        return inputs

    def _filled(self) -> KafkaCluster:
        kafka = [one for one in self.inputs if "kafka" in one.brokers]
        parts = max([one.partition or 0 for one in kafka], default=0) + 1
        cluster = KafkaCluster(max(parts, _PARTITIONS), self._loop, self._wake)
        for one in kafka:
            if one.partition is not None:
                cluster.logs.append_to(one.partition, one.envelope, None, "")
            else:
                cluster.logs.append(one.envelope, None, "")
        return cluster

    def vhost(self) -> Vhost:
        """Return the RabbitMQ; it is filled when it is first asked for."""
        if self._vhost is None:
            from x07py.explore.amqp import declare
            from x07py.explore.amqp_queues import Vhost

            self._vhost = Vhost(self._loop, self._wake, lenient=True, services=self._given.services)
            for topology in self._given.topology:
                declare(self._vhost, topology)
            for one in self.inputs:
                if "amqp" in one.brokers:
                    self._vhost.put_input(one.queue, one.envelope)
        return self._vhost

    def left(self) -> list[Left]:
        """Return what of the topics and queues that were consumed is not acknowledged.

        Groups that commit nothing, as those that read back what the program published, leave only inputs.
        """
        found = []
        commit = {name for name, _, _ in self.cluster.logs.committed}
        for name, group in sorted(self.cluster.groups.items()):
            for topic in sorted(group.topics if name in commit else group.topics & self._topics):
                for number in range(len(self.cluster.logs.topics[topic])):
                    start = self.cluster.logs.start(name, topic, number) or 0
                    rest = self.cluster.logs.count(topic, number, start)
                    if rest:
                        found.append(Left(f"{topic}/{number}", rest))
        if self._vhost is not None:
            found += [
                Left(queue.name, len(queue.ready) + queue.out)
                for queue in self._vhost.queues.values()
                if queue.was_read and (queue.ready or queue.out)
            ]
        return found

    def history(self, lives: list[Life], faults: int, events: list[Event], stuck: str) -> History:
        """Return what has come of it.

        Args:
            lives: the starts of the program.
            faults: how many faults the lives met.
            events: what happened.
            stuck: why it was broken off, empty if it came to its end.
        """
        logs = self.cluster.logs
        published = [
            Published(record.envelope, f"{topic}/{number}", record.life)
            for topic in sorted(logs.topics)
            for number, _, record in logs.visible(topic)
            if record.life and record.envelope is not None
        ]
        read = {topic for group in self.cluster.groups.values() for topic in group.topics}
        if self._vhost is not None:
            published += [Published(*row) for row in self._vhost.arrived]
            read |= {queue.name for queue in self._vhost.queues.values() if queue.was_read}
        return History(
            [one.envelope for one in self.inputs],
            published,
            {f"{group} {topic}/{number}": at for (group, topic, number), at in sorted(logs.committed.items())},
            self.left(),
            lives,
            faults + self.faults,
            self._choices.taken,
            events,
            stuck,
            read,
            self.poisoned,
            self._brokers(),
        )

    def _brokers(self) -> tuple[str, ...]:
        """Return the brokers that were consumed from."""
        amqp = self._vhost is not None and any(queue.was_read for queue in self._vhost.queues.values())
        return (*(("kafka",) if self.cluster.groups else ()), *(("amqp",) if amqp else ()))
