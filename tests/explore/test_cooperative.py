"""Members of a group whose profile says so give up only what goes to another one, and nothing is lost over it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.explore.programs import RIGHT
from tests.explore.test_explore import order_of
from x07py.explore.campaign import explore
from x07py.explore.choices import Choices
from x07py.explore.runner import Runner
from x07py.explore.world import run_history


@pytest.fixture(
    params=[{"partition.assignment.strategy": "cooperative-sticky"}, {"group.protocol": "consumer"}, {}],
    ids=["cooperative", "KIP-848", "eager"],
)
def settings(request: pytest.FixtureRequest, project: Path) -> dict[str, str]:
    path = project / "arch/msg/kafka/profiles/local_dev_v1.kafka.json"
    profile = {**json.loads(path.read_text()), "client_settings": request.param}
    path.write_text(json.dumps({**profile, "schema_version": "x07py.arch.msg.kafka.profile@0.1.0"}))
    given: dict[str, str] = request.param
    return given


def test_a_rebalance_takes_away_what_the_profile_lets_it(project: Path, settings: dict[str, str]) -> None:
    order = order_of(project, RIGHT["a loop"])
    runner = Runner(order)
    with runner.world():
        runner.undisturbed()
        history = run_history(runner.setting, Choices({"a.1:poll#1": "rebalance"}), 0)
    lost = next(event.facts for event in history.events if event.what == "revoked")
    assert len(lost) == (2 if settings else 3)
    assert history.left == []


def test_nothing_is_found_in_two_instances_of_a_pump(project: Path, settings: dict[str, str]) -> None:
    del settings
    order = order_of(project, RIGHT["a pump"])
    two = replace(order, promises=replace(order.promises, instances=2))
    result = explore(replace(two, families=frozenset({"rebalance", "crash", "order"})), 60)
    assert result.unshrunk == []
    assert result.coverage.faults["poll rebalance"] > 0
