"""What the client tells of a batch of messages, and the acknowledgements made of it when somebody looks at them.

The client calls back for each message and does not say which one it means. An object for each message tells them
apart, and costs as much as the call. So the messages of a topic share one callback if they have a key: messages of one
key stand in one partition, in the order in which they were published. It keeps the offsets of one partition; of other
partitions, and of failures, it keeps the client's message, and finds the one that was published by key and value.
Messages without a key may stand anywhere, and headers are not given back by the client; those have a callback each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from x07py.drivers.base import Ack

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.msg import Envelope

    Report = Callable[[Any, Any], None]

PENDING = object()
"""What stands for the error of a message that the client has not told of."""


class _Place(NamedTuple):
    partition: int
    offset: int


_SOMEWHERE = _Place(-1, -1)
"""Where a message stands that was confirmed, if it cannot be told from others."""


class _Single:
    """What becomes of one message that has a callback of its own, which this is.

    Nothing of it is set before the client tells; setting it would cost as much as all else. It holds two numbers and
    not the client's message, of which ten thousand cost the allocator more still.
    """

    __slots__ = ("error", "offset", "partition")
    error: Any

    def __call__(self, error: Any, message: Any) -> None:
        self.error = error
        self.offset, self.partition = message.offset(), message.partition()

    def outcome(self) -> Any:
        """Return where the message stands, or its error, or `PENDING`."""
        try:
            return _Place(self.partition, self.offset) if self.error is None else self.error
        except AttributeError:
            return PENDING


class _Topic:
    """What becomes of the messages of one topic that share a callback, which is `take`."""

    __slots__ = ("offsets", "others", "partition", "take")

    def __init__(self) -> None:
        self.offsets: list[int] = []
        """Of the messages in `partition`, in their order."""
        self.others: list[Any] = []
        """The client's messages that stand in another partition, or in none."""
        self.partition = -1
        self.take: Report = self._callback()

    def _callback(self) -> Report:
        partition, keep = -1, self.offsets.append

        def take(error: Any, message: Any) -> None:
            nonlocal partition
            if error is None and message.partition() == partition:
                keep(message.offset())
            elif error is None and partition < 0:
                self.partition = partition = message.partition()
                keep(message.offset())
            else:
                self.others.append(message)

        return take

    def places(self) -> list[_Place]:
        """Return where the messages in `partition` stand."""
        return [_Place(self.partition, offset) for offset in self.offsets]

    def told(self) -> int:
        """Return of how many messages the client has told."""
        return len(self.offsets) + len(self.others)


class Batch:
    """The messages of one call, and what the client has told of them.

    Args:
        envelopes: the messages.
    """

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.envelopes = envelopes
        self._refused: dict[int, Any] = {}
        self._singles: dict[int, _Single] = {}
        self._topics: dict[str, _Topic] = {}

    def single(self, number: int) -> Report:
        """Return the callback of a message that has headers, or no key."""
        report = self._singles[number] = _Single()
        return report

    def of_topic(self, topic: str) -> Report:
        """Return the callback of all other messages of a topic."""
        found = self._topics.get(topic)
        if found is None:
            found = self._topics[topic] = _Topic()
        return found.take

    def refuse(self, number: int, error: Any) -> None:
        """Note that the client did not take a message, so that it calls back for it never."""
        self._refused[number] = error
        self._singles.pop(number, None)

    def is_told(self) -> bool:
        """Tell whether the client has told of every message."""
        told = len(self._refused) + sum(topic.told() for topic in self._topics.values())
        return told + len(self._singles) == len(self.envelopes) and self._are_singles_told()

    def _are_singles_told(self) -> bool:
        try:
            for report in reversed(self._singles.values()):  # the last one is told of last
                report.error  # noqa: B018
        except AttributeError:
            return False
        return True

    def failures(self, unless_told: Any = PENDING) -> list[tuple[int, Any]]:
        """Return number and error of each message that failed.

        Args:
            unless_told: the error of those that the client has not told of.
        """
        is_well = not self._refused and all(
            other.error() is None for topic in self._topics.values() for other in topic.others
        )
        if is_well and self.is_told() and all(one.error is None for one in self._singles.values()):
            return []
        outcomes = [unless_told if outcome is PENDING else outcome for outcome in self.outcomes()]
        return [(number, outcome) for number, outcome in enumerate(outcomes) if type(outcome) is not _Place]

    def outcomes(self) -> list[Any]:
        """Return for each message where it stands, or its error, or `PENDING`."""
        found: list[Any] = [PENDING] * len(self.envelopes)
        numbers: dict[str, list[int]] = {name: [] for name in self._topics}
        for number, envelope in enumerate(self.envelopes):
            if number in self._refused:
                found[number] = self._refused[number]
            elif number in self._singles:
                found[number] = self._singles[number].outcome()
            elif envelope.topic in numbers:
                numbers[envelope.topic].append(number)
        for name, topic in self._topics.items():
            rest, are_known = self._rest(topic, numbers[name], found)
            for number, place in zip(rest, topic.places(), strict=False):
                found[number] = place if are_known else _SOMEWHERE
        return found

    def _rest(self, topic: _Topic, numbers: list[int], found: list[Any]) -> tuple[list[int], bool]:
        """Note what is known of messages by their key and value.

        Returns:
            The numbers of the others in their order, and whether that tells them apart: not if the topic got more
            partitions meanwhile, so that messages which are equal in both stand here and there.
        """
        if not topic.others:
            return numbers, True
        alike: dict[tuple[bytes, bytes], list[int]] = {}
        for number in numbers:
            envelope = self.envelopes[number]
            alike.setdefault((envelope.key, envelope.value), []).append(number)
        met = set()
        for message in reversed(topic.others):
            pair = message.key(), message.value() or b""
            met.add(pair)
            error = message.error()
            found[alike[pair].pop()] = _Place(message.partition(), message.offset()) if error is None else error
        are_known = not any(alike[pair] for pair in met)
        return sorted(number for left in alike.values() for number in left), are_known


class Acks(Sequence[Ack]):
    """The acknowledgements of a batch that was confirmed, made when one of them is looked at.

    Args:
        batch: what the client has told.
    """

    __slots__ = ("_batch", "_made")

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._made: list[Ack] | None = None

    def _all(self) -> list[Ack]:
        if self._made is None:
            self._made = [Ack(b"OK", _meta(place)) for place in self._batch.outcomes()]
        return self._made

    def __len__(self) -> int:
        return len(self._batch.envelopes)

    @overload
    def __getitem__(self, index: int) -> Ack: ...
    @overload
    def __getitem__(self, index: slice) -> list[Ack]: ...
    def __getitem__(self, index: int | slice) -> Ack | list[Ack]:
        return self._all()[index]

    def __eq__(self, other: object) -> bool:
        return self._all() == list(other) if isinstance(other, list | Acks) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._all())


def _meta(place: _Place) -> bytes:
    return b"{}" if place is _SOMEWHERE else b'{"offset":%d,"partition":%d}' % (place.offset, place.partition)
