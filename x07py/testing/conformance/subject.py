"""Who is held to the suite, and the register of what it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from x07py.drivers import open_driver
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from x07py.drivers import Delivery, Driver


async def _nothing(driver: Driver, place: str) -> None:
    """Prepare a place that comes to be by itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A driver that is held to the suite. A place is whatever messages go to and come from: topic, queue, stream.

    Args:
        kind: what programs say to `open_driver`.
        profile: id of a profile of the project in which the suite runs.
        fail: does what the broker refuses, with a place that is not there; the error has to come back from a recording.
        prepare: makes a place, where publishing to it does not.
        prepare_full: makes a place that takes one message and refuses more; for the trait ``limits``.
        grouped: whether consumers give a group.
        traits: what the broker has besides what every broker has: ``groups`` that each get all messages, ``lag``,
            ``offsets`` in the answer of a commit, ``seek``, ``pause``, ``transactions``, ``partitions`` that move
            to members who join, ``redelivered`` in the metadata of a message that comes again, ``limits`` of a place.
    """

    kind: str
    profile: str
    fail: Callable[[Driver, str], Awaitable[object]]
    prepare: Callable[[Driver, str], Awaitable[object]] = _nothing
    prepare_full: Callable[[Driver, str], Awaitable[object]] = _nothing
    grouped: bool = True
    traits: frozenset[str] = frozenset()

    def driver(self) -> AbstractAsyncContextManager[Driver]:
        """Open the driver."""
        return open_driver(self.kind, profile=self.profile)

    def group(self, place: str) -> str:
        """Return the group in which a place is consumed."""
        return place if self.grouped else ""

    async def take(self, driver: Driver, place: str, count: int, *, ack: bool = True) -> list[Delivery]:
        """Consume `count` messages or a few more, and acknowledge and commit each batch unless told otherwise."""
        found: list[Delivery] = []
        async for batch in driver.consume([place], group=self.group(place)):
            found += batch
            if ack:
                await driver.ack(batch)
                await driver.commit()
            if len(found) >= count:
                break
        return found


class Semantics(NamedTuple):
    """One line of the suite: what it says, the trait that it needs (empty for none), and the coroutine that tells."""

    text: str
    trait: str
    check: Callable[[Subject, str], Awaitable[bool]]


CHECKS: dict[str, Semantics] = {}
"""The suite, by text."""


def semantics(
    text: str, trait: str = ""
) -> Callable[[Callable[[Subject, str], Awaitable[bool]]], Callable[[Subject, str], Awaitable[bool]]]:
    """Return a decorator that puts a check into the suite."""

    def register(check: Callable[[Subject, str], Awaitable[bool]]) -> Callable[[Subject, str], Awaitable[bool]]:
        CHECKS[text] = Semantics(text, trait, check)
        return check

    return register


def numbered(place: str, count: int) -> list[Envelope]:
    """Return messages with numbers as values and five keys in turn."""
    return [Envelope(place, b"k%d" % (n % 5), b"%d" % n, {"ce_id": str(n)}) for n in range(count)]


def values(deliveries: Sequence[Delivery]) -> list[int]:
    """Return the numbers that messages hold."""
    return [int(one.envelope.value) for one in deliveries]
