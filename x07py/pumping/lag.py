"""How far a group is behind, now and then."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from x07py import metrics

if TYPE_CHECKING:
    from x07py.drivers import Driver

log: logging.Logger = logging.getLogger("x07py.pump")

EVERY_S = 30.0


async def watch_lag(source: Driver, topics: tuple[str, ...], group: str) -> None:
    """Keep the gauge of the lag and warn when it grows, until cancelled; then take the gauge away."""
    last = 0
    known: set[str] = set()
    try:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                found = await source.lag(topics, group=group)
            except Exception as error:  # noqa: BLE001  (the pump's own calls say what is wrong for good)
                log.warning("cannot tell the lag of group %s: %s", group, error)
                continue
            metrics.forget_lag(group, known - found.keys())
            known = {*found}
            behind = sum(found.values())
            if behind > last:
                log.warning("group %s is %d messages behind, %d more than before", group, behind, behind - last)
            last = behind
    finally:
        metrics.forget_lag(group, known)
