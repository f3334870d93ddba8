"""What a broker has to get right if it has the thing at all: a subject names those traits that it has."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from x07py.errors import DriverClosedError, DriverError
from x07py.msg import Envelope
from x07py.testing.conformance.subject import Subject, numbered, semantics, values

if TYPE_CHECKING:
    from x07py.drivers import Delivery


@semantics("a message that comes again says so", "redelivered")
async def a_message_that_comes_again(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish(Envelope(place, b"k", b"1"))
        marks: list[bool] = []
        async for batch in driver.consume([place]):
            marks += [bool(one.meta["redelivered"]) for one in batch]
            if len(marks) == 2:
                await driver.ack(batch)
                break
            await driver.nack(batch)
    return marks == [False, True]


@semantics("a message that no queue takes, and one that a full queue rejects, are errors", "limits")
async def what_is_not_stored_is_an_error(subject: Subject, place: str) -> bool:
    refused: list[bool] = []
    async with subject.driver() as driver:
        await subject.prepare_full(driver, place)
        await driver.publish(Envelope(place))
        for batch in ([Envelope(place + "-nowhere")], [Envelope(place)] * 3):
            try:
                await driver.publish_many(batch)
            except DriverError:
                refused += [True]
    return refused == [True, True]


@semantics("each group gets every message", "groups")
async def each_group_gets_every_message(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await driver.publish_many(numbered(place, 10))
    found: list[list[int]] = []
    for group in ("one", "two"):
        seen: list[int] = []
        async with subject.driver() as driver:
            async for batch in driver.consume([place], group=place + group):
                seen += values(batch)
                if len(seen) >= 10:
                    break
        found.append(sorted(seen))
    return found == [list(range(10))] * 2


@semantics("nothing is committed past an unacknowledged message", "offsets")
async def nothing_is_committed_past_an(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        async for batch in driver.consume([place], group=place):
            await driver.ack([one for one in batch if one.envelope.value != b"3"])
            answer = await driver.control("commit", {})
            if values(batch)[-1] == 5:
                return bool(max(answer["offsets"].values()) == 3)
    return False


@semantics("the lag of a group is known", "lag")
async def the_lag_of_a_group(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        before = await driver.lag([place], group=place)
        await subject.take(driver, place, 6)
        after = await driver.lag([place], group=place)
    return (sum(before.values()), sum(after.values())) == (6, 0)


@semantics("seek goes back", "seek")
async def seek_goes_back(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        seen: list[int] = []
        async for batch in driver.consume([place], group=place):
            seen += values(batch)
            if len(seen) == 6:
                await driver.seek(place, batch[0].meta["partition"], 4)
            if len(seen) == 8:
                return seen[-2:] == [4, 5]
    return False


@semantics("a paused topic delivers nothing", "pause")
async def a_paused_topic_delivers_nothing(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        other = place + "-other"
        await driver.publish_many([Envelope(place, b"k", b"1"), Envelope(other, b"k", b"2")])
        seen: list[int] = []
        async for batch in driver.consume([place, other], group=place):
            seen += values(batch)
            if sorted(seen) == [1, 2]:
                await driver.pause([place])
                await driver.publish(Envelope(place, b"k", b"3"))
                await asyncio.sleep(0.3)
                await driver.publish(Envelope(other, b"k", b"4"))
            if seen[-1] == 4:
                await driver.resume([place])
            if seen[-1] == 3:
                break
    return seen[-2:] == [4, 3]


@semantics("an aborted transaction is hidden", "transactions")
async def an_aborted_transaction_is_hidden(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await driver.publish(Envelope(place, b"same", b"0"))
        await driver.control("begin_transaction", {"id": place})
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in (1, 2)])
        await driver.control("abort_transaction", {})
        await driver.control("begin_transaction", {"id": place})
        await driver.publish(Envelope(place, b"same", b"3"))
        await driver.control("commit_transaction", {})
        found: list[int] = []
        async for batch in driver.consume([place], group=place):
            found += values(batch)
            if found[-1] == 3:
                break
    return found == [0, 3]


@semantics("a transaction commits offsets and messages together", "transactions")
async def a_transaction_commits_offsets_and(subject: Subject, place: str) -> bool:
    results = place + "-results"
    async with subject.driver() as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(4)])
        async for batch in driver.consume([place], group=place):
            await driver.control("begin_transaction", {"id": place})
            await driver.publish_many([Envelope(results, b"k", one.envelope.value) for one in batch])
            await driver.ack(batch)
            await driver.control("commit_transaction", {})
            if values(batch)[-1] == 3:
                break
        lag = await driver.lag([place], group=place)
        found = await subject.take(driver, results, 4)
    return sum(lag.values()) == 0 and values(found) == [0, 1, 2, 3]


@semantics("a member that joins takes partitions over: what is done is committed, the rest comes again", "partitions")
async def a_member_that_joins(subject: Subject, place: str) -> bool:
    first: list[int] = []
    again: list[int] = []
    taken: list[int] = []
    has_all, ended = asyncio.Event(), asyncio.Event()

    def note(found: list[int], batch: list[Delivery]) -> None:
        found += values(batch)
        if {*again, *taken} >= {*range(20, 40)}:
            ended.set()

    async def one() -> None:
        """Acknowledge one half, commit nothing, and go on asking for batches."""
        with contextlib.suppress(DriverClosedError):  # it is closed while it acknowledges, once all has been seen
            async for batch in older.consume([place], group=place):
                note(again if has_all.is_set() else first, batch)
                await older.ack([each for each in batch if int(each.envelope.value) < 20])
                if len(first) == 40:
                    has_all.set()

    async def two() -> None:
        await has_all.wait()
        async for batch in newer.consume([place, place + "-other"], group=place):
            note(taken, [each for each in batch if each.envelope.topic == place])

    async with subject.driver() as older, subject.driver() as newer:
        spread = [Envelope(place, b"k", b"%d" % n, {"x07-partition": str(n % 4)}) for n in range(40)]
        await older.publish_many([Envelope(place + "-other", b"k", b"0"), *spread])
        members = [asyncio.create_task(one()), asyncio.create_task(two())]
        await ended.wait()
        await older.close()
        await newer.close()
        await asyncio.gather(*members)
    return sorted(again + taken) == [*range(20, 40)] and bool(taken)
