"""One suite for every broker, live and replayed; docs/reference/brokers.md states what it finds."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.project import REPOSITORY
from x07py import Delivery, Envelope, open_driver
from x07py.drivers import Driver
from x07py.errors import DriverError, X07Error
from x07py.rr import session

TABLE = REPOSITORY / "docs" / "reference" / "brokers.md"
BROKERS = {"kafka": "on_kafka", "amqp": "on_amqp", "embedded": "kafka"}
Check = Callable[[str, str], Awaitable[bool]]
CHECKS: dict[str, Check] = {}
KAFKA_ONLY: set[str] = set()
AMQP_ONLY: set[str] = set()


def semantics(text: str, *, kafka_only: bool = False, amqp_only: bool = False) -> Callable[[Check], Check]:
    def register(check: Check) -> Check:
        CHECKS[text] = check
        if kafka_only:
            KAFKA_ONLY.add(text)
        if amqp_only:
            AMQP_ONLY.add(text)
        return check

    return register


def driver_of(kind: str) -> AbstractAsyncContextManager[Driver]:
    return open_driver(kind, profile="local_dev_v1")


async def prepare(driver: Driver, place: str) -> None:
    if driver.kind == "amqp":
        await driver.control("apply_topology", {"topology": {"queues": [{"name": place}]}})


async def take(driver: Driver, place: str, count: int, *, ack: bool = True) -> list[Delivery]:
    found: list[Delivery] = []
    async for batch in driver.consume([place], group=place if driver.kind == "kafka" else ""):
        found += batch
        if ack:
            await driver.ack(batch)
            await driver.commit()
        if len(found) >= count:
            break
    return found


def numbered(place: str, count: int) -> list[Envelope]:
    return [Envelope(place, b"k%d" % (n % 5), b"%d" % n, {"ce_id": str(n)}) for n in range(count)]


def values(deliveries: list[Delivery]) -> list[int]:
    return [int(one.envelope.value) for one in deliveries]


@semantics("publishes are confirmed and arrive in the order of their key")
async def publishes_are_confirmed_and_arrive(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        acks = await driver.publish_many(numbered(place, 100))
        found = await take(driver, place, 100)
    lanes = [[n for n in values(found) if n % 5 == lane] for lane in range(5)]
    return [ack.text for ack in acks] == [b"OK"] * 100 and all(lane == sorted(lane) for lane in lanes)


@semantics("envelopes arrive byte for byte: keys, text and binary values, headers")
async def envelopes_arrive_byte_for_byte(kind: str, place: str) -> bool:
    headers = {"ce_id": "1", "content-type": "application/json", "empty": "", "text": "grüß dich", "priority": "high"}
    sent = [
        Envelope(place, b"", b"", {}),
        Envelope(place, "schlüssel".encode(), bytes(range(256)), headers),
        Envelope(place, b"\xff\x00", b"{}", {"type": "t", "correlation-id": "c"}),
    ]
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish_many(sent)
        found = await take(driver, place, len(sent))
    return sorted(one.envelope.encode() for one in found) == sorted(one.encode() for one in sent)


@semantics("what was not acknowledged comes again to the next consumer")
async def what_was_not_acknowledged_comes(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(20)])
        found = await take(driver, place, 20, ack=False)
        await driver.ack(found[:12])
        await driver.commit()
    async with driver_of(kind) as driver:
        again = await take(driver, place, 8)
    return sorted(values(again)) == list(range(12, 20))


@semantics("what was acknowledged and committed does not come again")
async def what_was_acknowledged_and_committed(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish_many(numbered(place, 20))
        await take(driver, place, 20)
    async with driver_of(kind) as driver:
        await driver.publish(Envelope(place, b"k", b"99"))
        return values(await take(driver, place, 1)) == [99]


@semantics("a refused message comes again")
async def a_refused_message_comes_again(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        seen: list[int] = []
        async for batch in driver.consume([place], group=place if kind == "kafka" else ""):
            refuse = [one for one in batch if one.envelope.value == b"2" and 2 not in seen]
            await driver.ack([one for one in batch if one not in refuse])
            if refuse:
                await driver.nack(refuse)
            await driver.commit()
            seen += values(batch)
            if seen.count(2) == 2 and {*range(6)} <= {*seen}:
                return True
    return False


@semantics("a message larger than the profile allows is refused before it is sent")
async def a_message_larger_than_the(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        try:
            await driver.publish_many([Envelope(place, b"k", b"0"), Envelope(place, b"k", bytes(1048576))])
        except DriverError as error:
            if error.code not in {9711, 9811}:
                return False
        await driver.publish(Envelope(place, b"k", b"1"))
        return values(await take(driver, place, 1)) == [1]


@semantics("errors are recorded and come back")
async def errors_are_recorded_and_come(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        try:
            if kind == "kafka":
                await driver.lag([place + "-nowhere-at-all"], group=place)
            else:
                await driver.publish(Envelope(place + "-nowhere"))
        except DriverError as error:
            return error.code in {9757, 9855}
    return False


@semantics("a batch has as many messages as are asked for at most, and one at least")
async def a_batch_has_as_many(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish_many(numbered(place, 20))
        sizes: list[int] = []
        async for batch in driver.consume([place], group=place if kind == "kafka" else "", max_items=3):
            sizes.append(len(batch))
            await driver.ack(batch)
            if sum(sizes) >= 20:
                break
        await driver.commit()
    return sum(sizes) == 20 and min(sizes) >= 1 and max(sizes) <= 3


@semantics("a message that comes again says so", amqp_only=True)
async def a_message_that_comes_again(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await prepare(driver, place)
        await driver.publish(Envelope(place, b"k", b"1"))
        marks: list[bool] = []
        async for batch in driver.consume([place]):
            marks += [bool(one.meta["redelivered"]) for one in batch]
            if len(marks) == 2:
                await driver.ack(batch)
                break
            await driver.nack(batch)
    return marks == [False, True]


@semantics("a message that no queue takes, and one that a full queue rejects, are errors", amqp_only=True)
async def what_is_not_stored_is_an_error(kind: str, place: str) -> bool:
    codes: list[int | str] = []
    limits = {"x-max-length": 1, "x-overflow": "reject-publish"}
    async with driver_of(kind) as driver:
        await driver.control("apply_topology", {"topology": {"queues": [{"name": place, "arguments": limits}]}})
        await driver.publish(Envelope(place))
        for batch in ([Envelope(place + "-nowhere")], [Envelope(place)] * 3):
            try:
                await driver.publish_many(batch)
            except DriverError as error:
                codes.append(error.code)
    return codes == [9855, 9856]


@semantics("each group gets every message", kafka_only=True)
async def each_group_gets_every_message(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await driver.publish_many(numbered(place, 10))
    found: list[list[int]] = []
    for group in ("one", "two"):
        seen: list[int] = []
        async with driver_of(kind) as driver:
            async for batch in driver.consume([place], group=place + group):
                seen += values(batch)
                if len(seen) >= 10:
                    break
        found.append(sorted(seen))
    return found == [list(range(10))] * 2


@semantics("nothing is committed past an unacknowledged message", kafka_only=True)
async def nothing_is_committed_past_an(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        async for batch in driver.consume([place], group=place):
            await driver.ack([one for one in batch if one.envelope.value != b"3"])
            answer = await driver.control("commit", {})
            if values(batch)[-1] == 5:
                return bool(max(answer["offsets"].values()) == 3)
    return False


@semantics("the lag of a group is known", kafka_only=True)
async def the_lag_of_a_group(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        before = await driver.lag([place], group=place)
        await take(driver, place, 6)
        after = await driver.lag([place], group=place)
    return (sum(before.values()), sum(after.values())) == (6, 0)


@semantics("seek goes back", kafka_only=True)
async def seek_goes_back(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        seen: list[int] = []
        async for batch in driver.consume([place], group=place):
            seen += values(batch)
            if len(seen) == 6:
                await driver.seek(place, batch[0].meta["partition"], 4)
            if len(seen) == 8:
                return seen[-2:] == [4, 5]
    return False


@semantics("a paused topic delivers nothing", kafka_only=True)
async def a_paused_topic_delivers_nothing(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
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


@semantics("an aborted transaction is hidden", kafka_only=True)
async def an_aborted_transaction_is_hidden(kind: str, place: str) -> bool:
    async with driver_of(kind) as driver:
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


@semantics("a transaction commits offsets and messages together", kafka_only=True)
async def a_transaction_commits_offsets_and(kind: str, place: str) -> bool:
    results = place + "-results"
    async with driver_of(kind) as driver:
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(4)])
        async for batch in driver.consume([place], group=place):
            await driver.control("begin_transaction", {"id": place})
            await driver.publish_many([Envelope(results, b"k", one.envelope.value) for one in batch])
            await driver.ack(batch)
            await driver.control("commit_transaction", {})
            if values(batch)[-1] == 3:
                break
        lag = await driver.lag([place], group=place)
        found = await take(driver, results, 4)
    return sum(lag.values()) == 0 and values(found) == [0, 1, 2, 3]


@semantics(
    "a member that joins takes partitions over: what is done is committed, the rest comes again", kafka_only=True
)
async def a_member_that_joins(kind: str, place: str) -> bool:
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
        async for batch in older.consume([place], group=place):
            note(again if has_all.is_set() else first, batch)
            await older.ack([each for each in batch if int(each.envelope.value) < 20])
            if len(first) == 40:
                has_all.set()

    async def two() -> None:
        await has_all.wait()
        async for batch in newer.consume([place, place + "-other"], group=place):
            note(taken, [each for each in batch if each.envelope.topic == place])

    async with driver_of(kind) as older, driver_of(kind) as newer:
        spread = [Envelope(place, b"k", b"%d" % n, {"x07-partition": str(n % 4)}) for n in range(40)]
        await older.publish_many([Envelope(place + "-other", b"k", b"0"), *spread])
        members = [asyncio.create_task(one()), asyncio.create_task(two())]
        await ended.wait()
        await older.close()
        await newer.close()
        await asyncio.gather(*members)
    return sorted(again + taken) == [*range(20, 40)] and bool(taken)


def stated(broker: str) -> dict[str, str]:
    """Return what the table says about a broker, without what that broker does not have."""
    rows = [line.strip("| \n").split(" | ") for line in TABLE.read_text(encoding="utf-8").splitlines() if "| " in line]
    column = rows[0].index(broker)
    return {row[0]: row[column] for row in rows[1:] if row[column] != "-"}


async def outcome(text: str, kind: str, place: str, mode: str) -> str:
    """Return what a check finds, as the table says it."""
    try:
        with session(cassette=f"{place}.x07rr.bin", mode=mode):
            return "yes" if await asyncio.wait_for(CHECKS[text](kind, place), 180) else "no"
    except (X07Error, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.live
@pytest.mark.parametrize("broker", BROKERS)
async def test_live_and_replayed(broker: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once: most of the time is waiting for groups."""
    request.getfixturevalue(BROKERS[broker])
    kind = "amqp" if broker == "amqp" else "kafka"
    absent = KAFKA_ONLY if kind == "amqp" else AMQP_ONLY
    places = {text: f"c-{uuid.uuid4().hex[:10]}" for text in CHECKS if text not in absent}
    allow_everything()
    found = await asyncio.gather(*[outcome(text, kind, place, "record") for text, place in places.items()])
    live = dict(zip(places, found, strict=True))
    assert live == stated(broker)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    for name in ("X07_KAFKA_LOCAL_DEV_V1", "X07_AMQP_LOCAL_DEV_V1"):
        monkeypatch.setenv(name, "127.0.0.1:1")
    replayed = await asyncio.gather(*[outcome(text, kind, place, "replay") for text, place in places.items()])
    wrong = {text: one for text, one in zip(places, replayed, strict=True) if one != live[text]}
    left = "[2051]"  # what a broker gets wrong may go on, and be recorded, after the check has seen enough
    assert {text: one for text, one in wrong.items() if live[text] == "yes" or left not in one} == {}


def allow_everything() -> None:
    """Let the project's policy admit every operation that the checks use."""
    index = Path("arch/rr/index.x07rr.json")
    text = index.read_text(encoding="utf-8")
    more = (
        "seek",
        "pause",
        "resume",
        "init_transactions",
        "begin_transaction",
        "commit_transaction",
        "abort_transaction",
    )
    added = "".join(f'"std.msg.kafka.{op}_v1", ' for op in more)
    index.write_text(text.replace('"ops_allowed": [', f'"ops_allowed": [{added}', 1), encoding="utf-8")
