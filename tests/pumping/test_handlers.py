"""What a handler may be and return, when it is called again, and how many messages it is given."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.drivers.test_conformance import values
from tests.pumping.test_pump import kind, places, prefill, read, run
from x07py import Envelope, PumpOptions, open_driver, pump
from x07py.errors import CassetteError, PumpError
from x07py.rr import session

__all__ = ["kind"]


@pytest.mark.live
async def test_a_coroutine_function_runs_on_the_loop_bounded_and_in_the_order_of_keys(kind: str) -> None:
    source, sink = places(2)
    await prefill(kind, [Envelope(source, b"k%d" % (n % 6), b"%d" % n) for n in range(60)], sink)
    loop = asyncio.get_running_loop()
    at_work: Counter[bytes] = Counter()
    most = 0

    async def handler(envelope: Envelope) -> Envelope | None:
        nonlocal most
        assert asyncio.get_running_loop() is loop
        at_work[envelope.key] += 1
        most = max(most, at_work.total())
        assert at_work[envelope.key] == 1
        await asyncio.sleep(0.005)
        at_work[envelope.key] -= 1
        return Envelope(sink, envelope.key, envelope.value) if int(envelope.value) % 2 else None

    report = await run(kind, source, handler, workers=3, limit=60)
    assert (report.consumed, report.produced) == (60, 30)
    assert 1 < most <= 3
    found = values(await read(kind, sink, 30))
    for key in range(6):
        lane = [n for n in found if n % 6 == key]
        assert lane == sorted(lane)


@pytest.mark.live
async def test_a_pump_takes_no_more_than_its_limit_and_leaves_the_rest(kind: str) -> None:
    [source] = places(1)
    await prefill(kind, [Envelope(source, b"k", b"%d" % n) for n in range(10)])
    handled: list[int] = []

    def handler(envelope: Envelope) -> None:
        handled.append(int(envelope.value))

    report = await run(kind, source, handler, limit=4)
    assert (handled, report.consumed) == ([0, 1, 2, 3], 4)
    assert sorted(values(await read(kind, source, 6))) == [4, 5, 6, 7, 8, 9]


async def pumped(source: str, handler: Any, **options: Any) -> Any:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        call = pump(driver, handler, topics=[source], group=source, options=PumpOptions(**options))
        return await asyncio.wait_for(call, 60)


async def found(topic: str, count: int) -> list[Envelope]:
    return [one.envelope for one in await read("kafka", topic, count)]


WRONG = {
    "str": lambda _: "text",
    "bytes": lambda _: b"",
    "dict": lambda _: {},
    "bool": lambda _: False,
    "int": lambda _: 5,
    "None": lambda _: [None],
    "coroutine": lambda envelope: asyncio.sleep(0, [envelope]),
}


async def test_what_is_no_envelope_ends_the_pump_at_once_and_is_no_dead_letter(
    kafka: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A replay knows of no dead letter, and would not let one pass."""
    source, dead = places(2)
    await prefill("kafka", [Envelope(source, b"k", b"1")])

    async def fails(handler: Any) -> str:
        with pytest.raises(PumpError) as caught:
            await pumped(source, handler, dead_letter=dead)
        assert caught.value.code == 9903
        return str(caught.value)

    await fails(WRONG["str"])
    with session(cassette="w.x07rr.bin", mode="record"):
        assert (await pumped(source, lambda _: None, limit=1)).consumed == 1
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    for name, handler in WRONG.items():
        with pytest.raises(CassetteError, match="2051"), session(cassette="w.x07rr.bin", mode="replay"):
            assert name in await fails(handler)


@pytest.mark.parametrize("on_loop", [False, True])
async def test_a_declared_error_is_retried_and_others_are_not(kafka: Path, on_loop: bool) -> None:
    source, sink, dead = places(3)
    await prefill("kafka", [Envelope(source, b"k", b"%d" % n) for n in range(3)])
    calls: Counter[bytes] = Counter()

    def handle(envelope: Envelope) -> Envelope:
        calls[envelope.value] += 1
        if envelope.value == b"0":
            raise ValueError("for good")
        if calls[envelope.value] <= 2:
            raise ConnectionResetError("for now")
        return Envelope(sink, envelope.key, envelope.value)

    async def handle_on_loop(envelope: Envelope) -> Envelope:
        return handle(envelope)

    handler = handle_on_loop if on_loop else handle
    options = {"retried_errors": (ConnectionError,), "retry_pause_s": 0.01, "dead_letter": dead}
    report = await pumped(source, handler, limit=3, **options)
    assert (report.produced, report.dead_lettered, report.postponed) == (3, 1, 0)
    assert calls == {b"0": 1, b"1": 3, b"2": 3}
    assert [one.value for one in await found(sink, 2)] == [b"1", b"2"]
    assert [one.value for one in await found(dead, 1)] == [b"0"]


async def test_after_the_attempts_comes_the_retry_topic_and_after_its_rounds_the_dead_letters(kafka: Path) -> None:
    source, later, dead = places(3)
    await prefill("kafka", [Envelope(source, b"k", b"1", {"own": "header"}), Envelope(later, b"k", b"mark")])
    calls = 0

    def handler(envelope: Envelope) -> None:
        nonlocal calls
        if envelope.value == b"1":
            calls += 1
            raise TimeoutError("for now")

    options = {"retried_errors": (TimeoutError,), "retry_attempts": 2, "retry_pause_s": 0.01, "retry_rounds": 2}
    options |= {"retry_topic": later, "dead_letter": dead}
    reports = [await pumped(source, handler, limit=1, **options), await pumped(later, handler, limit=3, **options)]
    assert [(one.postponed, one.dead_lettered) for one in reports] == [(1, 0), (1, 1)]
    assert calls == 6
    [letter] = await found(dead, 1)
    assert letter.headers["own"] == "header"
    assert letter.headers["x07-retry-count"] == "2"
    assert letter.headers["x07-dead-reason"] == "TimeoutError: for now"


async def test_a_pump_with_retries_and_a_limit_replays(kafka: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, sink = places(2)
    await prefill("kafka", [Envelope(source, b"k", b"%d" % n) for n in range(5)])

    def flaky() -> Any:
        calls: Counter[bytes] = Counter()

        def handler(envelope: Envelope) -> Iterable[Envelope]:
            calls[envelope.value] += 1
            if calls[envelope.value] == 1:
                raise ConnectionError("for now")
            yield Envelope(sink, envelope.key, envelope.value)

        return handler

    options = {"retried_errors": (ConnectionError,), "retry_pause_s": 0.01, "limit": 3, "workers": 2}
    with session(cassette="h.x07rr.bin", mode="record"):
        live = await pumped(source, flaky(), **options)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    with session(cassette="h.x07rr.bin", mode="replay"):
        assert await pumped(source, flaky(), **options) == live


@pytest.mark.parametrize(
    "options",
    [{"retry_topic": "t"}, {"retry_attempts": 0}, {"limit": 0}, {"workers": 0}],
    ids=lambda one: next(iter(one)),
)
async def test_options_that_cannot_be_meant(kafka: Path, options: dict[str, Any]) -> None:
    with pytest.raises(PumpError) as caught:
        await pumped("t", lambda _: None, **options)
    assert caught.value.code == 9900
