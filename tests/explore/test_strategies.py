"""Inputs that hypothesis draws: the same from a seed, the failing ones simple, and said where they cannot be had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.explore.programs import BUGS, RIGHT, loop
from tests.explore.test_explore import order_of
from tests.explore.test_plugin import cassette, pytest_in
from tests.support.project import x07_here
from x07py import Envelope
from x07py.errors import UsageError
from x07py.explore.campaign import Explored
from x07py.explore.choices import fault_count
from x07py.explore.drawn import explore_drawn
from x07py.explore.kept import keep, read_schedule, schedule_of
from x07py.explore.report import joined, report_of, text_report
from x07py.explore.story import tell
from x07py.explore.strategies import draw, drawn_from

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["a", "b", "c"]),
            "value": st.fixed_dictionaries({"id": st.integers(0, 10_000)}),
            "headers": st.just({"ce_id": "1"}),
        }
    ),
    min_size=1,
    max_size=12,
)
LARGE = loop(
    """
large = [one for one in batch if json.loads(one.envelope.value)["id"] >= 1000]
if len(batch) > 1:
    await driver.ack(large)
    await driver.commit()
await driver.publish_many([result(one.envelope) for one in batch])
await driver.ack(batch)
await driver.commit()
"""
)
"""Commits before it produces where a large number, the first of its partition, comes together with another message."""
FAILS = loop(
    """
await driver.publish_many([result(one.envelope) for one in batch if 1 / (json.loads(one.envelope.value)["id"] - 77)])
await driver.ack(batch)
await driver.commit()
"""
)


def explored(project: Path, program: tuple[str, list[str]], strategy: object, histories: int, **more: Any) -> Explored:
    order = replace(order_of(project, program), inputs=(), seed=more.pop("seed", 0))
    return explore_drawn(order, drawn_from(strategy, "orders", "here"), histories, **more)


def values(result: Explored) -> list[int]:
    return [json.loads(one.envelope.value)["id"] for one in result.found[0].inputs]


def test_what_is_wrong_with_some_inputs_alone_is_found_and_both_inputs_and_faults_are_made_simple(
    project: Path,
) -> None:
    order = replace(order_of(project, (LARGE, [])), inputs=())
    result = explored(project, (LARGE, []), ROWS, 600)
    shortest = result.found[0]
    assert sorted(values(result)) == [0, 1000]
    assert fault_count(shortest.decisions) == 1
    assert len(tell(shortest)) <= 20
    kept = read_schedule(keep(project, schedule_of(order, shortest), shortest))
    assert list(kept.inputs) == list(shortest.inputs)


def test_inputs_with_which_the_program_fails_by_itself_are_found(project: Path) -> None:
    numbers = st.lists(st.builds(lambda n: Envelope("orders", b"k", b'{"id":%d}' % n), st.integers(0, 80)), min_size=1)
    result = explored(project, (FAILS, []), numbers, 1000)
    assert values(result) == [77]
    assert "the program fails without any fault" in tell(result.found[0])[0]
    assert "ZeroDivisionError" in tell(result.found[0])[0]


def test_nothing_is_found_where_nothing_is_wrong_and_the_report_says_what_was_drawn(project: Path) -> None:
    result = explored(project, RIGHT["a loop"], ROWS, 100)
    assert (result.found, result.unshrunk, result.coverage.histories) == ([], [], 100)
    text = "\n".join(text_report(report_of(order_of(project, RIGHT["a loop"]), result, [])))
    assert "100 histories of 4 drawn sets of inputs" in text
    assert "inputs that were not drawn" in text


def test_a_seed_draws_the_same_inputs_on_all_shards_and_another_seed_others(project: Path) -> None:
    given = drawn_from(ROWS, "orders", "here")
    assert draw(given, 3, 20) == draw(given, 3, 20) != draw(given, 4, 20)
    parts = [explored(project, RIGHT["a loop"], ROWS, 120, shard=(number, 2)) for number in (1, 2)]
    assert parts[0].inputs == parts[1].inputs
    order = order_of(project, RIGHT["a loop"])
    assert joined([report_of(order, one, []) for one in parts])["histories"] == 120


@pytest.mark.parametrize(
    ("strategy", "told"),
    [
        ([{"value": 1}], "the inputs are list, no strategy of hypothesis"),
        (st.integers(), "the strategy draws int, no list of messages"),
        (st.lists(st.integers(), min_size=1), "something that is no message"),
        (st.just([]), "the strategy draws no messages"),
        (st.nothing(), "the strategy draws nothing"),
        (st.integers().map(lambda n: [n / 0]), "the strategy ends with ZeroDivisionError"),
    ],
)
def test_what_is_no_strategy_of_messages_is_said(project: Path, strategy: object, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        explored(project, RIGHT["a loop"], strategy, 20)
    assert caught.value.code == "X07EXPLORE_INPUTS"


TEST = """
import pytest
from hypothesis import strategies as st

{program}

ORDERS = st.lists(
    st.fixed_dictionaries({{"key": st.just("k"), "value": st.fixed_dictionaries({{"id": st.integers(0, 9)}})}})
)

@pytest.mark.x07(cassette="a.x07rr.bin", allow_unused=True, explore=60, inputs=ORDERS)
def test_service():
    asyncio.run(main())
"""


def test_a_marker_gives_a_strategy_and_what_is_kept_needs_none(project: Path) -> None:
    cassette(project)
    (project / "test_service.py").write_text(TEST.format(program=BUGS["swallows an error in a callback"][0]))
    told = pytest_in(project)
    assert 'results: out: k={"id": 0} is missing' in told
    assert "1 message, 1 fault" in told
    without = TEST.replace("from hypothesis import strategies as st", "").replace(", explore=60, inputs=ORDERS", "")
    plain = "\n".join(
        line for line in without.splitlines() if not line.startswith(("ORDERS", " " * 4 + "st.fixed", ")"))
    )
    (project / "test_service.py").write_text(plain.format(program=RIGHT["a loop"][0]))
    assert "2 passed" in pytest_in(project)


def test_the_command_takes_a_strategy_of_a_module(project: Path) -> None:
    (project / "program.py").write_text(BUGS["commits before it produces"][0])
    (project / "checks.py").write_text(
        "from hypothesis import strategies as st\n"
        'orders = st.lists(st.fixed_dictionaries({"key": st.just("k"), "value": st.builds(dict, id=st.integers())}))\n'
    )
    ran = x07_here("explore", "checks:orders", "--histories", "60", "--cores", "1", "--", "program.py", cwd=project)
    assert ran.returncode == 1, ran.stderr
    assert 'out: k={"id": 0} is missing' in ran.stdout
    (project / "others.py").write_text("import hypothesis_that_nobody_has\n")
    ran = x07_here("explore", "others:orders", "--cores", "1", "--", "program.py", cwd=project)
    assert (ran.returncode, "others:orders cannot be imported" in ran.stderr) == (20, True)
