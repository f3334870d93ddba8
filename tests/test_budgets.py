"""Budgets: what is counted, the four modes, and the same numbers while recording and in a replay."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from tests.support.project import x07
from x07py import Envelope, budget
from x07py.contracts.schemas import load_schema
from x07py.counting import current_scope
from x07py.drivers import Driver
from x07py.drivers.base import AMQP, Ack
from x07py.errors import BudgetError, ContractError
from x07py.msg import MessageRecord

MESSAGE = Envelope("orders", b"key", b"value", {"a": "b"})


def profile(root: Path, *, name: str = "msg_core_v1", worlds: list[str] | None = None, **cfg: Any) -> None:
    """Change a budget profile of the example."""
    path = root / f"arch/budgets/profiles/{name}.budget.json"
    document = json.loads(path.read_text())
    document["cfg"] = {"label": "test", "mode": "result_err_v1"} | cfg
    path.write_text(json.dumps(document))
    index = root / "arch/budgets/index.x07budgets.json"
    text = json.loads(index.read_text())
    for row in text["profiles"]:
        row["worlds_allowed"] = worlds or []
    index.write_text(json.dumps(text))


def make(count: int) -> None:
    for _ in range(count):
        Envelope("orders", b"key", b"value", {"a": "b"})


def test_each_codec_call_makes_one_buffer_and_copies_it_once(project: Path) -> None:
    with budget("msg_core_v1") as scope:
        data = Envelope("orders", b"key", b"value", {"a": "b"}).encode()
        Envelope.decode(data)
        record = MessageRecord(1, 1, "local", data, 1, b"ACK").encode()
        MessageRecord.decode(record)
    size = 2 * len(data) + 2 * len(record)
    assert scope.counters == {
        "alloc_bytes": size,
        "alloc_calls": 4,
        "realloc_calls": 0,
        "memcpy_bytes": size,
        "sched_ticks": 0,
        "fuel": 4,
    }
    make(1)
    assert scope.counters["fuel"] == 4
    assert current_scope() is None


def test_outer_scopes_count_what_inner_ones_do(project: Path) -> None:
    with budget("msg_core_v1") as outer:
        make(1)
        with budget("msg_kafka_v1") as inner:
            make(2)
    assert (outer.counters["fuel"], inner.counters["fuel"]) == (3, 2)


@pytest.mark.parametrize(
    ("limit", "code"),
    [
        ("alloc_bytes", 0x80000001),
        ("alloc_calls", 0x80000002),
        ("memcpy_bytes", 0x80000004),
        ("fuel", 0x80000006),
    ],
)
def test_excess_gives_the_number_at_the_end_of_the_scope(project: Path, limit: str, code: int) -> None:
    profile(project, **cast("dict[str, Any]", {limit: 1}))
    with pytest.raises(BudgetError) as caught, budget("msg_core_v1") as scope:
        make(2)
    assert (caught.value.code, scope.counters["fuel"]) == (code, 2)
    assert limit in str(caught.value.where)


@pytest.mark.parametrize(("limit", "code"), [("realloc_calls", 0x80000003), ("sched_ticks", 0x80000005)])
def test_messages_and_time_have_numbers_too(project: Path, limit: str, code: int) -> None:
    profile(project, **cast("dict[str, Any]", {limit: 3}))
    with pytest.raises(BudgetError) as caught, budget("msg_core_v1") as scope:
        scope.add(messages=4, ticks=4)
    assert caught.value.code == code


def test_a_trap_stops_at_the_call_that_is_too_much(project: Path) -> None:
    profile(project, mode="trap_v1", alloc_calls=2)
    with pytest.raises(BudgetError), budget("msg_core_v1") as scope:
        make(5)
    assert scope.counters["fuel"] == 3


def test_statistics_alone_refuse_nothing_and_an_error_of_the_block_wins(project: Path) -> None:
    profile(project, mode="stats_only_v1", fuel=1)
    with budget("msg_core_v1") as scope:
        make(3)
    assert scope.counters["fuel"] == 3
    profile(project, fuel=1)
    with pytest.raises(ZeroDivisionError), budget("msg_core_v1"):
        make(1 // 0)


class Echo:
    """A backend that confirms everything at once, without giving way to other tasks."""

    dialect, profile = AMQP, "local_dev_v1"

    async def publish_many(self, envelopes: list[Envelope]) -> list[Ack]:
        make(3)  # a driver's own buffers are not the program's
        return [Ack(b"", b"{}") for _ in envelopes]

    async def close(self) -> None:
        pass


def test_beyond_a_yielding_budget_other_tasks_run(project: Path) -> None:
    profile(project, mode="yield_v1", realloc_calls=2)
    order: list[str] = []

    async def publish() -> None:
        driver = Driver(Echo(), max_message_bytes=1000, max_items=10)  # type: ignore[arg-type]
        with budget("msg_core_v1") as scope:
            for number in range(4):
                await driver.publish(MESSAGE)
                order.append(str(number))
        assert (scope.yields, scope.counters["alloc_calls"], scope.counters["fuel"]) == (1, 4, 4)

    async def other() -> None:
        order.append("other")

    async def both() -> None:
        await asyncio.gather(publish(), other())

    asyncio.run(both())
    assert order == ["0", "1", "other", "2", "3"]


def test_a_budget_that_cannot_be_used_is_an_error(project: Path) -> None:
    with pytest.raises(ContractError, match="no budget profile 'none'"), budget("none"):
        pass
    profile(project, worlds=["solve-rr"])
    with pytest.raises(ContractError, match="not for world run-os"), budget("msg_core_v1"):
        pass
    profile(project, fuel=-1)
    with pytest.raises(ContractError, match="X07_BUDGET_PROFILE"), budget("msg_core_v1"):
        pass
    profile(project, mode="maybe")
    with pytest.raises(ContractError, match="X07_BUDGET_PROFILE"), budget("msg_core_v1"):
        pass


WORKER = """
import asyncio, sys
from x07py import Envelope, X07Error, budget, open_driver
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        with budget("msg_core_v1"):
            await driver.publish_many([Envelope("budgets", b"k", b"v" * number) for number in range(10)])
            seen = 0
            async for batch in driver.consume(["budgets"], group="b", max_items=4):
                seen += len(batch)
                await driver.ack(batch); await driver.commit()
                if seen >= 10: break
    print(seen)
try: asyncio.run(main())
except X07Error as error: print(error.code); sys.exit(1)
"""


def test_recording_and_replay_count_the_same(kafka: Path) -> None:
    (kafka / "worker.py").write_text(WORKER)
    (kafka / "x07.toml").write_text('entry = "worker.py"\n')
    reports = {}
    for name, flags in (
        ("record", ("--profile", "sandbox", "--allow-contract", "kafka:local_dev_v1", "--rr", "record")),
        ("replay", ("--profile", "replay")),
        ("again", ("--profile", "replay")),
    ):
        done = x07("run", *flags, "--cassette", "b.x07rr.bin", "--report", name, cwd=kafka)
        assert (done.returncode, done.stdout) == (0, "10\n"), done.stderr
        reports[name] = json.loads((kafka / name).read_text())
        jsonschema.validate(reports[name], load_schema("x07.run.report"))
    assert reports["record"]["budgets"] == reports["replay"]["budgets"]
    assert (kafka / "replay").read_bytes() == (kafka / "again").read_bytes()
    by_id = {row["id"]: row for row in reports["replay"]["budgets"]}
    assert by_id["msg_core_v1"]["total"]["realloc_calls"] == 20
    assert by_id["msg_kafka_v1"]["scopes"] == by_id["msg_core_v1"]["total"]["fuel"] - 10
    assert by_id["msg_core_v1"]["total"]["sched_ticks"] > 0
    (cassette,) = reports["replay"]["cassettes"]
    assert cassette["used"] == cassette["entries"] > 20
    assert cassette["ticks"] == reports["record"]["cassettes"][0]["ticks"] > 0


def test_a_driver_call_is_held_to_the_budget_of_its_profile(kafka: Path) -> None:
    profile(kafka, name="msg_kafka_v1", mode="trap_v1", realloc_calls=9)
    (kafka / "worker.py").write_text(WORKER)
    done = x07("run", "--profile", "os", "--entry", "worker.py", "--report", "r", cwd=kafka)
    assert (done.returncode, done.stdout) == (1, f"{0x80000003}\n"), done.stderr
    rows = {row["id"]: row for row in json.loads((kafka / "r").read_text())["budgets"]}
    assert rows["msg_kafka_v1"]["exceeded"] == 1
