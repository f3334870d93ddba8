"""Programs with clients of their own, explored over the wire: what is found, what is not, and what is refused."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.campaign import CAMPAIGN
from tests.support.project import x07_here
from x07py.errors import UsageError
from x07py.explore.campaign import Explored, explore, run_kept
from x07py.explore.choices import Choices, fault_count
from x07py.explore.faults import WIRE_FAMILIES
from x07py.explore.history import History
from x07py.explore.inputs import read_inputs
from x07py.explore.invariants import Finding
from x07py.explore.kept import keep, read_schedule, schedule_of
from x07py.explore.order import Order, wire_families
from x07py.explore.promises import Promise, Promises
from x07py.explore.runner import Runner
from x07py.explore.shrinking import Counterexample
from x07py.explore.sources import goes_over_the_wire
from x07py.explore.story import tell
from x07py.explore.wire.program import close_starters
from x07py.explore.workers import alarm
from x07py.explore.world import run_history

PROGRAMS = Path(__file__).parent / "own_client"
CLIENTS = ("confluent", "aiokafka", "kafka_python", "pika", "aio_pika")
COMMIT_FIRST = ("commit-first",)


def order_of(folder: Path, client: str, args: tuple[str, ...] = (), *, messages: int = 1, faults: str = "") -> Order:
    shutil.copy(PROGRAMS / f"{client}_alerts.py", folder)
    rows = [{"topic": "orders", "key": f"k{n % 3}", "value": {"id": n}} for n in range(messages)]
    (folder / "in.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    families = frozenset(faults.split(",")) if faults else frozenset(WIRE_FAMILIES)
    found = read_inputs(folder / "in.jsonl", "orders")
    entry = f"{client}_alerts.py"
    return Order(folder, entry, args, found, Promises(), families, here=True, until_idle_s=0.6)


@pytest.mark.parametrize("client", CLIENTS if CAMPAIGN else ("confluent", "pika"))
def test_what_is_acknowledged_before_its_results_are_stored_is_found(tmp_path: Path, client: str) -> None:
    order = order_of(tmp_path, client, COMMIT_FIRST, faults="crash")
    result = explore(order, 4, cores=1)
    shortest = result.found[0]
    assert (shortest.finding.invariant, fault_count(shortest.decisions)) == ("results", 1)
    assert "alerts has 0 messages, undisturbed 1" in tell(shortest)[-1]
    kept = keep(tmp_path, schedule_of(order, shortest), shortest)
    again = read_schedule(kept)
    assert (again.decisions, again.until_idle_s) == (shortest.decisions, order.until_idle_s)


def nothing_is_found(result: Explored) -> bool:
    return (result.found, result.unshrunk) == ([], [])


@pytest.mark.parametrize(
    ("client", "faults"),
    [("aio_pika", "crash"), ("aiokafka_once", "confirm")],
)
def test_in_a_right_program_nothing_is_found(tmp_path: Path, client: str, faults: str) -> None:
    order = order_of(tmp_path, client, faults=faults)
    once = Promises({"alerts": Promise(duplicates="never" if faults == "confirm" else "after-fault")})
    result = explore(replace(order, promises=once), 4, cores=1)
    assert nothing_is_found(result)
    assert "publish unconfirmed" in result.coverage.faults or faults == "crash"


def test_a_commit_beside_the_transaction_is_found_and_one_within_it_is_not(tmp_path: Path) -> None:
    once = Promises({"alerts": Promise(duplicates="never")})
    order = replace(order_of(tmp_path, "confluent_once", ("own-commit",), faults="crash"), promises=once)
    [found] = explore(order, 6, cores=1).found
    assert (found.finding.invariant, fault_count(found.decisions)) == ("duplicates", 1)
    assert any("begins a transaction" in line for line in tell(found))
    result = explore(replace(order, args=(), families=frozenset({"crash", "stall"})), 8, cores=1)
    assert nothing_is_found(result)
    assert "send-offsets stall" in result.coverage.faults or "commit-transaction crash-after" in result.coverage.faults


@pytest.mark.skipif(not CAMPAIGN, reason="minutes: make explore-wire")
@pytest.mark.parametrize("client", [*CLIENTS, "confluent_once"])
def test_in_a_right_program_nothing_is_found_for_long(tmp_path: Path, client: str) -> None:
    result = explore(replace(order_of(tmp_path, client, messages=6), here=False, until_idle_s=2.0), 200)
    assert nothing_is_found(result)
    assert len(result.coverage.faults) > 12


def test_partitions_pass_from_an_instance_whose_session_expires_to_another_one(tmp_path: Path) -> None:
    order = replace(order_of(tmp_path, "confluent", messages=4), promises=Promises(instances=2))
    runner = Runner(order)
    with runner.world():
        stalls = {f"{member}.1:poll-in-group#1": "stall" for member in "ab"}
        history = run_history(runner.setting, Choices(stalls))
    close_starters()
    assert history.decisions == stalls
    assert {one.process.partition(".")[0] for one in history.events if one.what == "delivered"} == {"a", "b"}
    assert {json.loads(one.envelope.value)["id"] for one in history.published} == {0, 1, 2, 3}
    assert (history.left, history.stuck) == ([], "")


@pytest.mark.skipif(not CAMPAIGN, reason="minutes: make explore-wire")
@pytest.mark.parametrize("client", ["confluent", "aiokafka", "kafka_python", "confluent_once", "pika"])
def test_in_several_instances_of_a_right_program_nothing_is_found(tmp_path: Path, client: str) -> None:
    topics = {"alerts": Promise(duplicates="never" if client == "confluent_once" else "after-fault")}
    promises = Promises(topics, instances=2)
    families = frozenset(wire_families(promises))
    order = replace(order_of(tmp_path, client, ("own-id",), messages=6), promises=promises, families=families)
    result = explore(replace(order, here=False, until_idle_s=2.0), 60)
    assert nothing_is_found(result)
    assert len(result.coverage.faults) > 8


@pytest.mark.skipif(not CAMPAIGN, reason="a program that is started five times")
def test_a_kept_history_is_run_again(tmp_path: Path) -> None:
    order = order_of(tmp_path, "pika", COMMIT_FIRST, faults="crash")
    shortest = explore(order, 4, cores=1).found[0]
    kept = keep(tmp_path, schedule_of(order, shortest), shortest)
    found = run_kept(tmp_path, kept)
    assert found is not None
    program = tmp_path / order.entry
    program.write_text(program.read_text().replace('"commit-first" in sys.argv', "False").replace("not in", "in"))
    assert run_kept(tmp_path, kept) is None


@pytest.mark.parametrize(
    ("entry", "until_idle_s", "code"),
    [("tools.py", 1.0, "X07EXPLORE_ENTRY"), ("pika_alerts.py", 1e9, "X07EXPLORE_SCHEDULE")],
)
def test_a_kept_history_starts_nothing_but_programs_with_a_client(
    tmp_path: Path, entry: str, until_idle_s: float, code: str
) -> None:
    order = order_of(tmp_path, "pika")
    (tmp_path / "tools.py").write_text("import shutil\n")
    nothing = History([])
    found = Counterexample(nothing, nothing, Finding("results", "alerts", "gone"), {}, order.inputs, 0)
    schedule = schedule_of(replace(order, entry=entry, until_idle_s=until_idle_s), found)
    with pytest.raises(UsageError) as refused:
        run_kept(tmp_path, keep(tmp_path, schedule, found))
    assert refused.value.code == code


WITHOUT_GROUP = """
import asyncio
from aiokafka import AIOKafkaConsumer

async def main():
    consumer = AIOKafkaConsumer("orders", bootstrap_servers="kafka.example:9092")
    await consumer.start()
    await consumer.getone()

asyncio.run(main())
"""


def test_whoever_starts_the_program_may_end(tmp_path: Path) -> None:
    order = order_of(tmp_path, "pika")
    (tmp_path / order.entry).write_text("import os, pika\nos.kill(os.getppid(), 9)\n")
    with pytest.raises(UsageError, match="the process that starts the program has ended") as refused:
        explore(order, 1)
    assert refused.value.code == "X07EXPLORE_WIRE"


def test_the_time_of_histories_ends_what_computes_in_a_callback(tmp_path: Path) -> None:
    order = order_of(tmp_path, "pika")

    def compute() -> None:
        ends = time.monotonic() + 5
        while time.monotonic() < ends:
            pass

    async def history() -> None:
        asyncio.get_running_loop().call_soon(compute)
        await asyncio.sleep(0.1)

    def run_for_a_second() -> None:
        with alarm(order):
            signal.alarm(1)
            asyncio.run(history())

    with pytest.raises(UsageError, match="did not end within 360 s"):
        run_for_a_second()


def test_what_is_not_simulated_is_refused_by_name(tmp_path: Path) -> None:
    order = order_of(tmp_path, "aiokafka_once")
    (tmp_path / order.entry).write_text(WITHOUT_GROUP)
    with pytest.raises(UsageError, match="consumes orders without a group, which is not explored over the wire"):
        explore(order, 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--faults", "rebalance", "--", "pika_alerts.py"], "X07EXPLORE_FAULTS"),
        (["--until-idle", "1", "--", "driver.py"], "X07EXPLORE_WIRE"),
    ],
)
def test_what_does_not_go_with_the_way_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: str
) -> None:
    order_of(tmp_path, "pika")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "driver.py").write_text("from x07py import open_driver\n")
    ran = x07_here("explore", "in.jsonl", *words, cwd=tmp_path)
    assert (ran.returncode, code in ran.stderr) == (20, True), ran.stderr


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        ("import pika\n", True),
        ("import shop.broker\n", True),
        ("from shop import broker\n", True),
        ("import shop\n", False),
        ("import pika\nfrom x07py import open_driver\n", False),
        ("import pika\nimport driven\n", False),
        ("import json\n", False),
    ],
)
def test_the_way_follows_from_what_a_program_imports(tmp_path: Path, text: str, wire: bool) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("")
    (tmp_path / "shop/broker.py").write_text("from aio_pika import connect\n")
    (tmp_path / "driven.py").write_text("import x07py\n\nasync def main():\n    x07py.open_driver('kafka')\n")
    (tmp_path / "program.py").write_text(text)
    assert goes_over_the_wire(tmp_path, "program.py") is wire
    assert goes_over_the_wire(tmp_path, "program") is wire
