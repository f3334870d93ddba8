"""What is left of a process that has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from x07py.explore.process import Process

_KILL_TURNS = 200


async def until_done(tasks: list[asyncio.Task[Any]]) -> None:
    """Let cancelled tasks come to their end, for so many turns of the loop."""
    for _ in range(_KILL_TURNS):
        if all(task.done() for task in tasks):
            return
        await asyncio.sleep(0)


def forget(process: Process) -> None:
    """Let go of the tasks of a process; those that do not end are left where they are, as a killed process' are."""
    for task in process.tasks:
        if not task.done():
            task._log_destroy_pending = False  # type: ignore[attr-defined]
    process.tasks.clear()
