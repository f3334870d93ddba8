"""Commits that do not hold up the next batch."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Commits:
    """One commit at a time; what is done while it runs goes into the next one.

    Args:
        commit: commits what is done; awaited once for any number of requests that came during the one before.
        at_once: commit with every request, as recordings need, which must not depend on time.
    """

    def __init__(self, commit: Callable[[], Awaitable[None]], *, at_once: bool) -> None:
        self._commit, self._at_once = commit, at_once
        self._asked = False
        self._running: asyncio.Task[None] | None = None

    async def request(self) -> None:
        """See to it that what is done now is committed; raises what an earlier commit raised."""
        if self._at_once:
            await self._commit()
            return
        self._asked = True
        if self._running is None or self._running.done():
            await self.finish()
            self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._asked:
            self._asked = False
            await self._commit()

    async def finish(self) -> None:
        """Return when everything that was asked for is committed; raises what a commit raised."""
        if self._running is not None:
            running, self._running = self._running, None
            await running

    def abandon(self) -> None:
        """Wait for nothing any more."""
        if self._running is not None:
            self._running.cancel()
