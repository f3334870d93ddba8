"""Wall clocks that jump: what goes wrong over it is found, and nothing is said of a program that tells the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.explore.programs import HEAD, RIGHT
from tests.explore.test_explore import ROWS, explored, order_of
from x07py.explore.campaign import Explored, explore
from x07py.explore.report import report_of, text_report
from x07py.explore.story import tell

KEEPS_FOR_A_DAY = (
    HEAD
    + """
import time

async def main():
    seen = {}
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        async for batch in driver.consume(["orders"], group="g"):
            out = []
            for one in batch:
                name = one.envelope.headers["ce_id"]
                WHEN
                out.append(result(one.envelope))
            await driver.publish_many(out)
            await driver.ack(batch)
            await driver.commit()
"""
)
DROPS_WHAT_IS_OLD = KEEPS_FOR_A_DAY.replace(
    "WHEN",
    """
                seen.setdefault("first", time.time())
                if time.time() - seen["first"] > 86400:
                    continue
""".strip(),
)
MEASURES = KEEPS_FOR_A_DAY.replace("WHEN", "seen[name] = time.time()")
STAMPS = KEEPS_FOR_A_DAY.replace(
    "WHEN", 'one.envelope.headers["ce_id"]; out.append(Envelope("at", b"", str(time.time()).encode()))'
)
DROPS_WHAT_WAS_EARLIER = KEEPS_FOR_A_DAY.replace(
    "WHEN",
    """
                if time.time() < seen.get("last", 0):
                    continue
                seen["last"] = time.time()
""".strip(),
)


def found(project: Path, text: str, histories: int) -> Explored:
    return explored(project, (text, []), histories)[1]


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        (DROPS_WHAT_IS_OLD, "clock-forward", "results: out:"),
        (DROPS_WHAT_WAS_EARLIER, "clock-back", "results: out:"),
    ],
)
def test_what_goes_wrong_when_a_clock_jumps_is_found(project: Path, text: str, kind: str, told: str) -> None:
    result = found(project, text, 300)
    shortest = next(one for one in result.found if kind in one.decisions.values())
    story = tell(shortest)
    assert [one for one in shortest.decisions.values() if isinstance(one, str)] == [kind]
    assert story[0].startswith(told)
    assert any("the wall clock is set" in line for line in story)


def test_clocks_jump_only_where_they_are_read_and_nothing_published_depends_on_them(project: Path) -> None:
    reads = found(project, MEASURES, 60)
    assert {"poll clock-forward", "poll clock-back", "start clock-back"} <= reads.coverage.faults.keys()
    order = order_of(project, (STAMPS, []), ROWS)
    stamps = explore(order, 60)
    assert (stamps.found, stamps.unshrunk) == ([], [])
    assert "depends on the time of day" in "\n".join(text_report(report_of(order, stamps, [])))
    for result in (stamps, found(project, RIGHT["a loop"][0], 60)):
        assert not [name for name in (*result.coverage.faults, *result.space.kinds) if "clock" in name]
