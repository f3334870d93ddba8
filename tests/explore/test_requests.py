"""Requests under faults: a lost answer, one that comes twice, a crash between request and answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.explore.test_explore import order_of
from x07py import open_driver
from x07py.errors import UsageError
from x07py.explore.campaign import Explored, explore
from x07py.explore.choices import fault_count
from x07py.explore.inputs import read_inputs
from x07py.explore.kept import keep, read_schedule, schedule_of
from x07py.explore.order import Order
from x07py.explore.services import Answered
from x07py.explore.story import tell
from x07py.msg import Envelope
from x07py.rr import Cassette, session

SERVICE = """
from x07py import answer_to, open_driver, pump

def handle(one):
    return answer_to(one, one.value * 2)

async def main():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await pump(driver, handle, topics=["orders"])
"""
TOO_EARLY = """
from x07py import answer_to, open_driver

async def main():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            await driver.ack(batch)
            await driver.publish_many([answer_to(one.envelope, one.envelope.value * 2) for one in batch])
"""
ASKS = """
from x07py import Envelope, open_driver
from x07py.errors import NoAnswerError

async def main():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            for one in batch:
                key, value = one.envelope.key, one.envelope.value
{asking}
                await driver.ack([one])
"""
ASKING = """
                answer = await driver.request(Envelope("prices", key, value), timeout_s=60)
                await driver.publish(Envelope("out", key, answer.value))
"""
SWALLOWING = """
                try:
                    answer = await driver.request(Envelope("prices", key, value), timeout_s=60)
                    await driver.publish(Envelope("out", key, answer.value))
                except NoAnswerError:
                    pass
"""
BOTH = """
import asyncio
from x07py import Envelope, answer_to, open_driver, pump

async def ask():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"]):
            asked = [Envelope("prices", one.envelope.key, one.envelope.value) for one in batch]
            answers = await asyncio.gather(*[driver.request(one, timeout_s=5) for one in asked])
            await driver.publish_many([Envelope("out", one.key, one.value) for one in answers])
            await driver.ack(batch)

def handle(one):
    return answer_to(one, one.value * 2)

async def answer():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        await pump(driver, handle, topics=["prices"])

async def main():
    await asyncio.gather(ask(), answer())
"""
COUNT = 6
NEVER = ["--promise", "prices:duplicates=never"]
REPLY = "amq.rabbitmq.reply-to"


def rows(*, requests: bool) -> list[dict[str, object]]:
    """Return inputs: messages, or requests of somebody outside."""
    about = [{"reply-to": f"{REPLY}.{n % 2}", "correlation-id": str(n)} if requests else {} for n in range(COUNT)]
    return [{"key": f"k{n}", "value": str(n), "headers": headers} for n, headers in enumerate(about)]


def answers(count: int = COUNT) -> list[Answered]:
    """Return what a service outside answers."""
    pairs = [(b"k%d" % n, b"%d" % n) for n in range(count)]
    return [Answered(Envelope("prices", *pair), Envelope(REPLY, pair[0], pair[1] * 2)) for pair in pairs]


def explored(
    project: Path,
    text: str,
    flags: Sequence[str] = (),
    *,
    requests: bool = False,
    known: Sequence[Answered] = (),
    histories: int = 300,
) -> tuple[Order, Explored]:
    (project / "program.py").write_text(text)
    order = order_of(project, (text, list(flags)), rows(requests=requests), known)
    return order, explore(order, histories)


def asking(how: str) -> str:
    return ASKS.format(asking=how.rstrip())


RIGHT = {
    "a service": {"text": SERVICE, "requests": True},
    "who asks a service outside": {"text": asking(ASKING), "known": answers()},
    "who asks and answers": {"text": BOTH},
}


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found_where_lost_answers_are_asked_for_again(project: Path, name: str) -> None:
    given = RIGHT[name]
    _, result = explored(project, **given)  # type: ignore[arg-type]
    assert result.found == []
    assert result.unshrunk == []
    met = {fault.partition(" ")[2] for fault in result.coverage.faults if fault.startswith("request ")}
    if name != "a service":
        assert met >= {"crash-before", "crash-after", "unconfirmed", "unanswered", "unsent", "refused", "unreachable"}


@pytest.mark.parametrize(
    ("text", "flags", "requests", "told"),
    [
        (TOO_EARLY, [], True, f"results: {REPLY}: "),
        (SERVICE, ["--promise", f"{REPLY}:duplicates=never"], True, f"duplicates: {REPLY}: "),
        (asking(SWALLOWING), [], False, "results: out: "),
        (asking(ASKING), NEVER, False, "duplicates: prices: "),
    ],
    ids=["acknowledged before it is answered", "answered twice", "no answer, no result", "asked twice"],
)
def test_a_broken_promise_is_found_with_one_fault(
    project: Path, text: str, flags: list[str], requests: bool, told: str
) -> None:
    order, result = explored(project, text, flags, requests=requests, known=[] if requests else answers())
    shortest = result.found[0]
    story = tell(shortest)
    assert story[0].startswith(told)
    assert fault_count(shortest.decisions) == 1
    assert len(shortest.inputs) <= 2
    again = read_schedule(keep(project, schedule_of(order, shortest), shortest))
    assert (again.decisions, list(again.answers)) == (shortest.decisions, list(order.answers))


def test_a_crash_between_request_and_answer_is_told_as_such(project: Path) -> None:
    _, result = explored(project, asking(ASKING), [*NEVER, "--faults", "crash"], known=answers())
    story = "\n".join(tell(result.found[0]))
    assert "a.1 publishes prices: k" in story
    assert "crash-after at request (request#1)" in story
    assert "a.2 is answered" in story


def test_a_request_that_nobody_answers_is_refused_by_name(project: Path) -> None:
    with pytest.raises(UsageError, match=f"nobody answers the request k{COUNT - 1}=") as caught:
        explored(project, asking(SWALLOWING), known=answers(COUNT - 1))
    assert caught.value.code == "X07EXPLORE_BASE"


def test_a_request_that_had_no_answer_in_the_recording_has_none(project: Path) -> None:
    silent = [one._replace(answer=None) for one in answers()]
    _, result = explored(project, asking(SWALLOWING), ["--faults", "crash"], known=silent, histories=60)
    assert result.found == []
    assert result.base is not None
    assert set(result.base.topics()) == {"prices"}


def test_a_program_answers_its_own_requests_though_a_recording_knows_answers(project: Path) -> None:
    """They may have come by an exchange, whose routing keys are no names of queues."""
    known = [one._replace(answer=Envelope(REPLY, one.request.key, b"of the recording")) for one in answers()]
    _, result = explored(project, BOTH, known=known, histories=10)
    assert result.base is not None
    assert [one.value for one in result.base.topics()["out"]] == [b"%d%d" % (n, n) for n in range(COUNT)]


def test_answers_are_written_and_read_as_they_are() -> None:
    from x07py.explore.services import answered_of

    odd = Answered(Envelope("q", b"\xff", b"\x00\xfe", {"a": "b"}), None)
    for one in (odd, *answers()):
        assert answered_of(json.loads(json.dumps(one.document()))) == one


RETRIES = """
from x07py import Envelope, open_driver

async def main():
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        left = 5
        async for batch in driver.consume(["orders"], max_items=1):
            for one in batch:
                sent = one.envelope
                if sent.key == b"k0":
                    await driver.publish(Envelope("orders", b"again", sent.value, dict(sent.headers)))
                await driver.ack([one])
                left -= 1
            if not left:
                break
"""


@pytest.mark.live
async def test_what_a_program_sends_to_itself_is_no_input(on_amqp: Path) -> None:
    sent = [Envelope("orders", b"k%d" % n, b"%d" % n) for n in range(4)]
    queues = [{"name": queue} for queue in ("orders", "prices", "out")]
    async with open_driver("amqp", profile="local_dev_v1") as outside:
        await outside.control("apply_topology", {"topology": {"queues": queues}})
        for text, name in ((BOTH, "asks.x07rr.bin"), (RETRIES, "again.x07rr.bin")):
            await outside.publish_many(sent)
            names: dict[str, Any] = {"__name__": name}
            exec(text, names)
            with session(cassette=name, mode="record"):
                running = asyncio.create_task(names["main"]())
                await asyncio.wait({running}, timeout=2)
                running.cancel()
                await asyncio.wait({running})
            ops = [entry.op for entry in Cassette.load(on_amqp / ".x07_rr" / name).entries]
            assert ops.count("std.msg.amqp.consume_env_v1") > len(sent)
            inputs = read_inputs(on_amqp / ".x07_rr" / name, "")
            assert [one.envelope.key for one in inputs] == [one.key for one in sent]
