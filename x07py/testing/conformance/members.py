"""What members of one group, or consumers of one queue, may count on: no message is given to two of them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from x07py.errors import CommitFailedError, DriverClosedError, GroupLostError, X07Error
from x07py.msg import Envelope
from x07py.testing.conformance.subject import Subject, semantics, values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.drivers import Driver

_LANES = 16
"""How many keys there are, so that each partition gets some of them."""
_SHARED = 1_000_000
"""The first of what is published once both members are in."""
_LAST = range(2_000_000, 2_000_000 + _LANES)
"""What is published once the first member has left."""
_TWICE = 20
"""How many messages may come to both members while one joins, and partitions move with what is in flight."""

_PAUSE_S = 0.1
"""How long a member that has published a probe leaves it to the other one, whose driver may have to ask for it."""


async def _publish(driver: Driver, place: str, numbers: Sequence[int]) -> None:
    await driver.publish_many([Envelope(place, b"k%d" % (n % _LANES), b"%d" % n) for n in numbers])


class _Member:
    """A consumer that acknowledges and commits each batch before it counts it.

    Members ask for batches of different sizes, by which a recording tells them apart.
    """

    def __init__(self, subject: Subject, driver: Driver, place: str, news: asyncio.Event, size: int) -> None:
        self._driver, self._place, self._news = driver, place, news
        self._batches = driver.consume([place], group=subject.group(place), max_items=size)
        self.got: list[int] = []
        self.error: X07Error | None = None

    async def run(self, *, probes: bool) -> None:
        """Take messages until all of the last ones are there, the driver is closed, or the recording ends.

        Args:
            probes: whether to publish the next number for each one that is new, up to the first that another one gets.
        """
        try:
            with suppress(DriverClosedError):
                async for batch in self._batches:
                    with suppress(GroupLostError, CommitFailedError):  # it comes again, perhaps to the other one
                        await self._driver.ack(batch)
                        await self._driver.commit()
                    found = [n for n in values(batch) if n not in self.got]
                    self.got += found
                    self._news.set()
                    if probes and (next_ones := [n + 1 for n in found if n < _SHARED]):
                        await _publish(self._driver, self._place, next_ones)
                        await asyncio.sleep(_PAUSE_S)
                    if {*self.got} >= {*_LAST}:
                        break
        except X07Error as error:
            self.error = error
            self._news.set()


@semantics("members of one group, or consumers of one queue, share what comes: no message goes to two of them")
async def members_share_what_comes(subject: Subject, place: str) -> bool:
    """Look at what is published once both are in: the second one has had the probe that the first one waits for.

    Each key has a message, again and again until the first one has some of them. That one then leaves, and the second
    one has to have a last message of each key: if it is given what the first one had, it has seen that by then, however
    slow it is.
    """
    news = asyncio.Event()
    async with subject.driver() as older, subject.driver() as newer:
        await subject.prepare(newer, place)
        first, second = (_Member(subject, one, place, news, size) for size, one in enumerate((older, newer), 1))

        async def until(done: Callable[[], bool]) -> None:
            while not done():
                for one in (first, second):
                    if one.error is not None:
                        raise one.error
                news.clear()
                await news.wait()

        def taken(numbers: range) -> bool:
            return {*first.got, *second.got} >= {*numbers}

        def twice(start: int = _SHARED) -> int:
            return len({n for n in first.got if n >= start} & {*second.got})

        await _publish(newer, place, [0])  # first, since that may be what makes the place
        loops = [asyncio.create_task(first.run(probes=True))]
        await until(lambda: bool(first.got))
        loops.append(asyncio.create_task(second.run(probes=False)))
        await until(lambda: first.got[-1] + 1 in second.got or twice(0) > _TWICE)
        for start in count(_SHARED, _LANES):
            round_ = range(start, start + _LANES)
            await _publish(newer, place, round_)
            await until(partial(taken, round_))
            if twice() or {*first.got} & {*round_}:
                break
        await older.close()
        await _publish(newer, place, _LAST)
        await until(lambda: {*second.got} >= {*_LAST})
        await asyncio.gather(*loops)
    return not twice()
