"""Bugs of the kinds that people report are found, in short histories; the same done right holds."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.explore.programs import BUGS, RIGHT
from tests.support.project import REPOSITORY, x07, x07_here
from x07py.drivers.offsets import _PartitionState
from x07py.errors import UsageError
from x07py.explore.campaign import Explored, explore
from x07py.explore.choices import fault_count
from x07py.explore.faults import FAMILIES, KINDS
from x07py.explore.inputs import read_inputs
from x07py.explore.kept import keep, read_schedule, schedule_of
from x07py.explore.order import Order
from x07py.explore.promises import Promises, parse_promise
from x07py.explore.services import Answered
from x07py.explore.story import tell

ROWS: list[dict[str, object]] = [
    {"key": f"k{n % 5}", "value": {"id": n}, "headers": {"ce_id": str(n)}} for n in range(20)
]


def inputs(folder: Path, rows: Sequence[dict[str, object]] = ROWS) -> Path:
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def order_of(
    project: Path,
    program: tuple[str, list[str]],
    rows: Sequence[dict[str, object]] = ROWS,
    answers: Sequence[Answered] = (),
) -> Order:
    text, flags = program
    (project / "program.py").write_text(text)
    given = dict(zip(flags[::2], flags[1::2], strict=True))
    topics = dict([parse_promise(given["--promise"])]) if "--promise" in given else {}
    letters = (given["--dead-letter"],) if "--dead-letter" in given else ()
    families = frozenset(given["--faults"].split(",")) if "--faults" in given else frozenset(FAMILIES)
    found = read_inputs(inputs(project, rows), "orders")
    return Order(project, "program.py", (), found, Promises(topics, letters), families, here=True, answers=answers)


def explored(project: Path, program: tuple[str, list[str]], histories: int) -> tuple[Order, Explored]:
    order = order_of(project, program)
    return order, explore(order, histories)


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_is_found_and_told_in_a_short_history(project: Path, bug: str) -> None:
    order, result = explored(project, BUGS[bug], 2000)
    assert result.found
    shortest = result.found[0]
    assert fault_count(shortest.decisions) <= 2
    assert len(shortest.inputs) <= 6
    assert len(tell(shortest)) <= 20
    again = read_schedule(keep(project, schedule_of(order, shortest), shortest))
    assert (again.decisions, list(again.inputs)) == (shortest.decisions, list(shortest.inputs))


def test_the_ledger_that_kept_what_an_aborted_transaction_had_acknowledged_is_found(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_PartitionState, "restore", lambda _: None)
    monkeypatch.setattr(_PartitionState, "rewind", lambda state, offset: setattr(state, "next", offset))
    _, result = explored(project, RIGHT["a pump in transactions"], 600)
    assert "is missing" in result.found[0].finding.what
    assert "aborts the transaction" in " ".join(tell(result.found[0]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_says_why_each_fault_is_legal(kind: str) -> None:
    assert f"`{kind}`" in (REPOSITORY / "docs/guide/explore.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("right", RIGHT)
def test_nothing_is_found_where_nothing_is_wrong(project: Path, right: str) -> None:
    _, result = explored(project, RIGHT[right], 120)
    assert result.found == []
    assert result.unshrunk == []
    assert len(result.coverage.faults) > 15


def test_the_command_tells_the_story_and_keeps_a_cassette(project: Path) -> None:
    (project / "program.py").write_text(BUGS["commits before it produces"][0])
    inputs(project)
    ran = x07_here("explore", "in.jsonl", "--histories", "60", "--cores", "1", "--", "program.py", cwd=project)
    assert ran.returncode == 1
    assert "is missing" in ran.stdout
    [kept] = (project / ".x07_rr/explore").iterdir()
    shown = x07_here("rr", "show", f"explore/{kept.name}", cwd=project)
    assert (shown.returncode, "x07.explore.fault_v1" in shown.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["in.jsonl"], "X07EXPLORE_ENTRY"),
        (["in.jsonl", "--", "nothing.py"], "X07EXPLORE_ENTRY"),
        (["in.jsonl", "--faults", "gremlins", "--", "program.py"], "X07EXPLORE_FAULTS"),
        (["in.jsonl", "--promise", "out:order=best", "--", "program.py"], "X07EXPLORE_PROMISE"),
        (["in.jsonl", "--shard", "3/2", "--", "program.py"], "X07EXPLORE_SHARD"),
        (["empty.jsonl", "--", "program.py"], "X07EXPLORE_INPUTS"),
        (["in.jsonl", "--topic", "others", "--cores", "1", "--", "program.py"], "X07EXPLORE_BASE"),
    ],
)
def test_what_cannot_be_explored_is_said(project: Path, words: list[str], code: str) -> None:
    (project / "program.py").write_text(RIGHT["a loop"][0])
    (project / "pyproject.toml").write_text("[tool.x07]\n")
    (project / "empty.jsonl").write_text("")
    inputs(project)
    ran = x07_here("explore", *words, cwd=project)
    assert (ran.returncode, code in ran.stderr) == (20, True), ran.stderr


def test_a_recording_of_a_sender_and_the_program_gives_what_was_sent_as_inputs(tmp_path: Path) -> None:
    assert x07("init", "orders", cwd=tmp_path).returncode == 0
    done = x07("explore", "worker.x07rr.bin", "--histories", "40", "--", "work", cwd=tmp_path / "orders")
    assert done.returncode == 0, done.stderr
    assert "histories of 3 messages" in done.stdout


def test_null_in_a_line_is_a_record_of_kafka_without_key_or_value(project: Path) -> None:
    (project / "program.py").write_text(
        "import asyncio\nfrom x07py import Envelope, open_driver\n"
        "async def main():\n"
        "    async with open_driver('kafka', profile='local_dev_v1') as driver:\n"
        "        async for batch in driver.consume(['orders'], group='g'):\n"
        "            gone = [one.envelope for one in batch if 'x07-null-value' in one.envelope.headers]\n"
        "            await driver.publish_many([Envelope('gone', one.key, b'') for one in gone])\n"
        "            await driver.ack(batch)\n            await driver.commit()\n"
        "asyncio.run(main())\n"
    )
    (project / "checks.py").write_text(
        "def one_is_gone(history):\n    return {one.envelope.key for one in history.published} == {b'a'}\n"
    )
    inputs(project, [{"key": "a", "value": None}, {"key": "b", "value": "null"}, {"key": None, "value": 1}])
    words = ["--invariant", "checks:one_is_gone", "--histories", "20", "--cores", "1", "--topic", "orders"]
    ran = x07_here("explore", "in.jsonl", *words, "--", "program.py", cwd=project)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    [absent, named, keyless] = read_inputs(project / "in.jsonl", "orders")
    assert absent.brokers == keyless.brokers == ("kafka",)
    assert (named.envelope.value, "kafka" in named.brokers, "amqp" in named.brokers) == (b"null", True, True)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("chekcs:holds", "no invariant chekcs:holds: there is no module chekcs"),
        ("checks:hold", "no invariant checks:hold: checks has no hold"),
        ("checks", "no invariant checks: it is the name of a module alone"),
        ("checks:typo", "checks:typo fails on the undisturbed history: AttributeError: 'History' object has no"),
    ],
)
def test_an_invariant_that_is_none_or_fails_by_itself_is_no_finding(project: Path, name: str, told: str) -> None:
    (project / "checks.py").write_text("def holds(history):\n    pass\n\ndef typo(history):\n    history.publisht\n")
    order = order_of(project, RIGHT["a loop"])
    with pytest.raises(UsageError, match=re.escape(told)) as refused:
        explore(replace(order, promises=replace(order.promises, invariants=(name,))), 20)
    assert refused.value.code == "X07EXPLORE_INVARIANT"


def test_what_an_invariant_raises_after_faults_alone_is_a_finding(project: Path) -> None:
    (project / "checks.py").write_text("def once(history):\n    if len(history.lives) > 1:\n        {}['gone']\n")
    order = order_of(project, RIGHT["a loop"])
    result = explore(replace(order, promises=replace(order.promises, invariants=("checks:once",))), 20)
    assert [one.finding.what for one in result.found] == ["it ended with KeyError: 'gone'"]
