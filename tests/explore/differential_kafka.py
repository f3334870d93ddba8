"""Random sequences of operations on Kafka, and what is to be seen of each: the same on a simulated and a real one.

One member consumes two topics, two partitions of each; another driver sends. A take sends a marker to each partition
that is not paused and reads until it has all markers, so that nothing depends on how long a broker takes or where its
batches end.
"""

from __future__ import annotations

import os
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka.admin import AdminClient, NewTopic

from x07py import Delivery, Driver, Envelope, open_driver
from x07py.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

TOPICS, PARTITIONS = ("in", "other"), (0, 1)
_OPERATIONS = ("send", "take", "take", "ack", "ack", "nack", "drop", "commit", "commit-soon", "seek", "pause", "resume")
_RARE = ("restart", "transact", "abort", "fence", "lag")


class Operation(NamedTuple):
    """One operation, and the seed of what it draws."""

    name: str
    seed: int


def operations(seed: int, length: int) -> list[Operation]:
    """Return a sequence of operations, the same for the same seed."""
    draw = Random(f"kafka {seed}")
    names = [*_OPERATIONS * 2, *_RARE]
    return [Operation(draw.choice(names), draw.randrange(2**32)) for _ in range(length)]


def make_topics(place: str) -> None:
    """Make the topics of a sequence on the broker of the profile."""
    admin = AdminClient({"bootstrap.servers": os.environ["X07_KAFKA_LOCAL_DEV_V1"]})
    topics = [NewTopic(f"{place}-{topic}", 4, 1) for topic in (*TOPICS, "out")]
    for future in admin.create_topics(topics).values():
        future.result(60)


class Member:
    """A program that consumes, and carries out operations.

    Args:
        place: what its topics, group and transactional id begin with.
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self.seen: list[Any] = []
        self._open: dict[tuple[str, int, int], Delivery] = {}
        self._paused: set[str] = set()
        self._values = count()
        self._soon = False
        """Whether a commit is due some time: what the next one commits is not known then."""
        self._helper: Driver
        self._driver: Driver
        self._opened: AbstractAsyncContextManager[Driver]
        self._batches: AsyncIterator[list[Delivery]]

    async def run(self, sequence: list[Operation]) -> list[Any]:
        """Carry out a sequence; return what was seen of each operation, and at the end of logs and group."""
        async with open_driver("kafka", profile="local_dev_v1") as self._helper:
            await self._put(self._helper, TOPICS[0], 0, 1)
            await self._put(self._helper, TOPICS[1], 0, 1)
            await self._start()
            for operation in sequence:
                carry_out = getattr(self, "_" + operation.name.replace("-", "_"))
                told = await carry_out(Random(operation.seed))
                self.seen.append((operation.name, told))
            await self._opened.__aexit__(None, None, None)
            self.seen.append(("at the end", await self._lag()))
            self.seen.append(("logs", await self._logs()))
        return self.seen

    async def _start(self) -> None:
        self._opened = open_driver("kafka", profile="local_dev_v1")
        self._driver = await self._opened.__aenter__()
        names = [f"{self.place}-{topic}" for topic in TOPICS]
        self._batches = aiter(self._driver.consume(names, group=self.place))
        self._open, self._paused, self._soon = {}, set(), False
        await self._take()

    async def _put(self, driver: Driver, topic: str, partition: int, number: int, text: str = "") -> list[int]:
        where = {"x07-partition": str(partition)}
        values = [next(self._values) for _ in range(number)]
        envelopes = [Envelope(f"{self.place}-{topic}", b"k", b"%b%d" % (text.encode(), one), where) for one in values]
        acks = await driver.publish_many(envelopes)
        assert [ack.meta["partition"] for ack in acks] == [partition] * number
        return [ack.meta["offset"] for ack in acks]

    async def _send(self, draw: Random) -> object:
        return await self._put(self._helper, draw.choice(TOPICS), draw.choice(PARTITIONS), draw.randrange(1, 6))

    async def _take(self, draw: Random | None = None) -> object:
        del draw
        marks = {}
        for topic in TOPICS:
            for partition in PARTITIONS:
                if topic not in self._paused:
                    [offset] = await self._put(self._helper, topic, partition, 1, "mark ")
                    marks[f"{self.place}-{topic}", partition] = offset
        found: dict[tuple[str, int], list[Any]] = {}
        while marks:
            for one in await anext(self._batches):
                topic, partition, offset = one.meta["topic"], one.meta["partition"], one.meta["offset"]
                found.setdefault((topic, partition), []).append((offset, one.envelope.value))
                self._open[topic, partition, offset] = one
                if marks.get((topic, partition)) == offset:
                    del marks[topic, partition]
        return sorted((self._short(place), rows) for place, rows in found.items())

    def _short(self, place: tuple[str, int]) -> str:
        return f"{place[0].removeprefix(self.place)}/{place[1]}"

    def _some(self, draw: Random) -> list[Delivery]:
        share = draw.choice((0.2, 0.5, 0.9, 1.0))
        return [one for _, one in sorted(self._open.items(), key=lambda row: row[0]) if draw.random() < share]

    def _forget(self, deliveries: list[Delivery]) -> None:
        for one in deliveries:
            self._open.pop((one.meta["topic"], one.meta["partition"], one.meta["offset"]), None)

    def _forget_from(self, topic: str, partition: int, offset: int) -> None:
        """Forget what comes again, from an offset on."""
        self._open = {
            place: one for place, one in self._open.items() if place[:2] != (topic, partition) or place[2] < offset
        }

    async def _ack(self, draw: Random) -> None:
        some = self._some(draw)
        await self._driver.ack(some)
        self._forget(some)

    async def _drop(self, draw: Random) -> None:
        some = self._some(draw)
        await self._driver.nack(some, requeue=False)
        self._forget(some)

    async def _nack(self, draw: Random) -> None:
        some = self._some(draw)[:3]
        await self._driver.nack(some)
        for one in some:
            self._forget_from(one.meta["topic"], one.meta["partition"], one.meta["offset"])

    async def _commit(self, draw: Random) -> object:
        del draw
        return self._committed(await self._driver.control("commit", {}))

    def _committed(self, answer: dict[str, dict[str, int]]) -> object:
        soon, self._soon = self._soon, False
        return None if soon else {place.removeprefix(self.place): one for place, one in answer["offsets"].items()}

    async def _commit_soon(self, draw: Random) -> None:
        self._soon = True
        await self._driver.commit(wait=False, interval_s=draw.choice((0.1, 1.0)))

    async def _seek(self, draw: Random) -> None:
        topic, partition = f"{self.place}-{draw.choice(TOPICS)}", draw.choice(PARTITIONS)
        known = [place[2] for place in self._open if place[:2] == (topic, partition)]
        to: Any = draw.choice(("earliest", "latest", *sorted(known)))
        await self._driver.seek(topic, partition, to)
        self._forget_from(topic, partition, 0)

    async def _pause(self, draw: Random) -> object:
        topic = draw.choice(TOPICS)
        if self._paused:
            return None
        self._paused.add(topic)
        held = await self._driver.control("pause", {"topics": [f"{self.place}-{topic}"]})
        await self._put(self._helper, topic, 0, 2)
        return [place.removeprefix(self.place) for place in held["partitions"]]

    async def _resume(self, draw: Random) -> None:
        del draw
        await self._driver.resume([f"{self.place}-{topic}" for topic in sorted(self._paused)])
        self._paused.clear()

    async def _restart(self, draw: Random) -> None:
        if draw.random() < 0.5:
            await self._batches.aclose()  # type: ignore[attr-defined]
        await self._opened.__aexit__(None, None, None)
        await self._start()

    async def _transact(self, draw: Random, *, commit: bool = True) -> object:
        await self._driver.control("begin_transaction", {"id": self.place})
        offsets = await self._put(self._driver, "out", draw.choice(PARTITIONS), draw.randrange(1, 4))
        some = self._some(draw)
        await self._driver.ack(some)
        if not commit:
            await self._driver.control("abort_transaction", {})
            return offsets
        self._forget(some)
        return offsets, self._committed(await self._driver.control("commit_transaction", {}))

    async def _abort(self, draw: Random) -> object:
        return await self._transact(draw, commit=False)

    async def _fence(self, draw: Random) -> object:
        """Let another producer take the transactional id while a transaction is open."""
        await self._driver.control("begin_transaction", {"id": self.place})
        await self._put(self._driver, "out", 0, 2)
        await self._driver.ack(self._some(draw))
        async with open_driver("kafka", profile="local_dev_v1") as other:
            await other.control("init_transactions", {"id": self.place})
        code = None
        try:
            await self._driver.control("commit_transaction", {})
        except DriverError as error:
            code = error.code
        await self._opened.__aexit__(None, None, None)
        await self._start()
        return code

    async def _lag(self, draw: Random | None = None) -> object:
        if draw is not None:
            await self._driver.commit()
            self._soon = False
        lag = await self._helper.lag([f"{self.place}-{topic}" for topic in TOPICS], group=self.place)
        return {place.removeprefix(self.place): one for place, one in lag.items() if one}

    async def _logs(self) -> object:
        """Return what read_committed shows of all topics to a group of its own."""
        names = [f"{self.place}-{topic}" for topic in (*TOPICS, "out")]
        marks: dict[tuple[str, int], int] = {}
        for topic in (*TOPICS, "out"):
            for partition in PARTITIONS:
                [offset] = await self._put(self._helper, topic, partition, 1, "end ")
                marks[f"{self.place}-{topic}", partition] = offset
        found: dict[tuple[str, int], list[Any]] = {}
        async with open_driver("kafka", profile="local_dev_v1") as reader:
            async for batch in reader.consume(names, group=f"{self.place}-reader"):
                for one in batch:
                    place = (one.meta["topic"], one.meta["partition"])
                    found.setdefault(place, []).append((one.meta["offset"], one.envelope.value))
                    if marks.get(place) == one.meta["offset"]:
                        del marks[place]
                if not marks:
                    break
        return sorted((self._short(place), rows) for place, rows in found.items())
