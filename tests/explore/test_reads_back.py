"""Programs that consume what they publish: read back at a start, or left as more at every start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.explore.programs import HEAD
from tests.explore.test_explore import ROWS, order_of
from x07py.errors import UsageError
from x07py.explore.campaign import explore

READS_BACK = """
import uuid


async def published():
    async with open_driver("kafka", profile="local_dev_v1") as reader:
        group, seen = f"restore-{uuid.uuid4()}", []
        there = sum((await reader.lag(["out"], group=group)).values())
        async for batch in reader.consume(["out"], group=group):
            seen += batch
            if len(seen) >= there:
                return {json.loads(one.envelope.value)["id"] for one in seen}


async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope("out", b"-", b'{"id": -1}', {"ce_id": "-1"}))
        known = await published()
        async for batch in driver.consume(["orders"], group="g"):
            new = [result(one.envelope) for one in batch]
            await driver.publish_many([one for one in new if json.loads(one.value)["id"] not in known])
            await driver.ack(batch)
            await driver.commit()
"""
MORE_EACH_TIME = """
async def main():
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope("ticks", b"-", b"tick"))
        async for batch in driver.consume(["orders", "ticks"], group="g"):
            await driver.ack([one for one in batch if one.envelope.topic == "orders"])
            await driver.commit()
"""


def test_a_group_that_reads_back_what_was_published_owes_no_commit(project: Path) -> None:
    order = order_of(project, (HEAD + READS_BACK, []), ROWS[:6])
    result = explore(replace(order, families=order.families - {"poison"}), 80)
    assert (result.found, result.unshrunk) == ([], [])
    assert len(result.coverage.faults) > 15


def test_a_program_that_leaves_more_at_each_start_comes_to_an_end(project: Path) -> None:
    with pytest.raises(UsageError, match="no end: after 41 starts there is still something new to consume"):
        explore(order_of(project, (HEAD + MORE_EACH_TIME, []), ROWS[:3]), 1)
