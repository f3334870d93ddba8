"""What every broker has to get right."""

from __future__ import annotations

from x07py.drivers.plugin import find_driver
from x07py.errors import DriverError
from x07py.msg import Envelope
from x07py.testing.conformance.subject import Subject, numbered, semantics, values


@semantics("publishes are confirmed and arrive in the order of their key")
async def publishes_are_confirmed_and_arrive(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        acks = await driver.publish_many(numbered(place, 100))
        found = await subject.take(driver, place, 100)
    lanes = [[n for n in values(found) if n % 5 == lane] for lane in range(5)]
    return [ack.text for ack in acks] == [b"OK"] * 100 and all(lane == sorted(lane) for lane in lanes)


@semantics("envelopes arrive byte for byte: keys, text and binary values, headers")
async def envelopes_arrive_byte_for_byte(subject: Subject, place: str) -> bool:
    headers = {"ce_id": "1", "content-type": "application/json", "empty": "", "text": "grüß dich", "priority": "high"}
    sent = [
        Envelope(place, b"", b"", {}),
        Envelope(place, "schlüssel".encode(), bytes(range(256)), headers),
        Envelope(place, b"\xff\x00", b"{}", {"type": "t", "correlation-id": "c"}),
    ]
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish_many(sent)
        found = await subject.take(driver, place, len(sent))
    return sorted(one.envelope.encode() for one in found) == sorted(one.encode() for one in sent)


@semantics("what was not acknowledged comes again to the next consumer")
async def what_was_not_acknowledged_comes(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(20)])
        found = await subject.take(driver, place, 20, ack=False)
        await driver.ack(found[:12])
        await driver.commit()
    async with subject.driver() as driver:
        again = await subject.take(driver, place, 8)
    return sorted(values(again)) == list(range(12, 20))


@semantics("what was acknowledged and committed does not come again")
async def what_was_acknowledged_and_committed(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish_many(numbered(place, 20))
        await subject.take(driver, place, 20)
    async with subject.driver() as driver:
        await driver.publish(Envelope(place, b"k", b"99"))
        return values(await subject.take(driver, place, 1)) == [99]


@semantics("a refused message comes again")
async def a_refused_message_comes_again(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish_many([Envelope(place, b"same", b"%d" % n) for n in range(6)])
        seen: list[int] = []
        async for batch in driver.consume([place], group=subject.group(place)):
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
async def a_message_larger_than_the(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        try:
            large = bytes(driver.max_message_bytes)
            await driver.publish_many([Envelope(place, b"k", b"0"), Envelope(place, b"k", large)])
        except DriverError as error:
            if error.code != find_driver(subject.kind).dialect.too_large:
                return False
        await driver.publish(Envelope(place, b"k", b"1"))
        return values(await subject.take(driver, place, 1)) == [1]


@semantics("errors are recorded and come back")
async def errors_are_recorded_and_come(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        try:
            await subject.fail(driver, place + "-nowhere-at-all")
        except DriverError as error:
            return bool(error.code)
    return False


@semantics("a batch has as many messages as are asked for at most, and one at least")
async def a_batch_has_as_many(subject: Subject, place: str) -> bool:
    async with subject.driver() as driver:
        await subject.prepare(driver, place)
        await driver.publish_many(numbered(place, 20))
        sizes: list[int] = []
        async for batch in driver.consume([place], group=subject.group(place), max_items=3):
            sizes.append(len(batch))
            await driver.ack(batch)
            if sum(sizes) >= 20:
                break
        await driver.commit()
    return sum(sizes) == 20 and min(sizes) >= 1 and max(sizes) <= 3
