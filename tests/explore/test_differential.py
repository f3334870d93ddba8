"""Random operations on simulated and on real brokers: whatever is to be seen is the same."""

from __future__ import annotations

import asyncio

import pytest

from tests.explore.differential import DIFFERENCES

FIXTURES = {"kafka": "on_kafka", "amqp": "on_amqp"}
SEEDS = {"kafka": range(6), "amqp": range(6)}


@pytest.mark.live
@pytest.mark.parametrize("kind", DIFFERENCES)
async def test_simulated_and_real_brokers_differ_nowhere(kind: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(FIXTURES[kind])
    found = await asyncio.gather(*[DIFFERENCES[kind](seed) for seed in SEEDS[kind]])
    assert [one for one in found if one] == []
