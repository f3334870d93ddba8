"""The simulated brokers are held to the same suite as the real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.drivers.test_conformance import SUBJECTS
from x07py.explore.standing import simulated_brokers
from x07py.testing.conformance import CHECKS, suite_of


@pytest.mark.parametrize("kind", ["kafka", "amqp"])
@pytest.mark.parametrize("text", CHECKS)
def test_a_simulated_broker_does_what_the_real_one_does(project: Path, kind: str, text: str) -> None:
    del project
    subject = SUBJECTS[kind]
    if CHECKS[text] not in suite_of(subject):
        return

    async def check() -> bool:
        return await asyncio.wait_for(CHECKS[text].check(subject, "place"), 30)

    with simulated_brokers():
        assert asyncio.run(check())
