"""Handlers that take a decoded value, in a pump on simulated brokers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from x07py import Envelope, PumpOptions, open_driver, pump, typed
from x07py.errors import UsageError
from x07py.explore.standing import simulated_brokers


class Order(BaseModel):
    id: int
    urgent: bool = False


@typed(Order.model_validate_json)
def alert(order: Order) -> Envelope | None:
    return Envelope("alerts", b"", b"%d" % order.id) if order.urgent else None


@typed(Order.model_validate_json)
async def alert_on_loop(order: Order, envelope: Envelope) -> list[Envelope]:
    return [Envelope("alerts", envelope.key, b"%d" % order.id)] if order.urgent else []


@typed(json.loads)
def alert_untyped(order: dict[str, Any], /) -> Envelope | None:
    return Envelope("alerts", b"", b"%d" % order["id"]) if order.get("urgent") else None


@pytest.mark.parametrize("handler", [alert, alert_on_loop, alert_untyped])
async def test_what_does_not_decode_is_a_dead_letter(project: Path, handler: Callable[[Envelope], Any]) -> None:
    values = [b'{"id": 1}', b'{"id": 2, "urgent": true}', b"no order", b'{"id": 4, "urgent": true}']
    with simulated_brokers() as brokers:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await driver.publish_many([Envelope("orders", b"k", value) for value in values])
            options = PumpOptions(dead_letter="orders-dead", limit=4)
            report = await pump(driver, handler, topics=["orders"], group="g", options=options)
        logs = brokers.cluster.logs
        found = {topic: [one.envelope for *_, one in logs.visible(topic)] for topic in ("alerts", "orders-dead")}
    assert (report.produced, report.dead_lettered) == (3, 1)
    assert [one.value for one in found["alerts"] if one] == [b"2", b"4"]
    [letter] = [one for one in found["orders-dead"] if one]
    assert letter.value == b"no order"


def test_a_handler_of_too_many_arguments_is_told_when_it_is_decorated() -> None:
    with pytest.raises(UsageError, match="takes 3 arguments"):
        typed(json.loads)(lambda _a, _b, _c: None)
    with pytest.raises(UsageError, match="takes 0 arguments"):
        typed(json.loads)(lambda: None)
