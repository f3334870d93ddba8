"""A batch at work: the handler run over it in lanes, a thread or a task each, and what has come of it so far.

Messages of one key are in one lane, one after the other. The threads are daemons, started for the batch: a pool's
threads would keep a process alive whose handler never returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.drivers import Delivery
    from x07py.pumping.handling import Handling, Outcome


class _Lane:
    """Some messages of a batch, by their numbers in it; outcomes come in the same order, and are taken on the loop."""

    __slots__ = ("cut", "deliveries", "numbers", "outcomes", "taken")

    def __init__(self, numbers: Sequence[int], deliveries: Sequence[Delivery]) -> None:
        self.numbers, self.deliveries = numbers, deliveries
        self.outcomes: list[Outcome] = []
        self.taken = 0
        self.cut = False

    def run(self, handling: Handling) -> None:
        handle, append = handling.handle, self.outcomes.append
        for delivery in self.deliveries:
            if self.cut:
                return
            append(handle(delivery))

    async def run_on_loop(self, handling: Handling) -> None:
        for delivery in self.deliveries:
            if self.cut:
                return
            self.outcomes.append(await handling.handle_on_loop(delivery))


class Work:
    """A batch that the handler has begun with.

    Args:
        handling: the handler.
        batch: the messages, at least one.
        workers: most messages at a time.
    """

    def __init__(self, handling: Handling, batch: Sequence[Delivery], workers: int) -> None:
        self._lanes = _lanes(batch, 1 if handling.inline else workers)
        self._running: set[asyncio.Future[None]] = set()
        for lane in self._lanes:
            if handling.on_loop:
                self._running.add(asyncio.ensure_future(lane.run_on_loop(handling)))
            elif handling.inline:
                lane.run(handling)
            else:
                self._running.add(_in_daemon(lane.run, handling))

    async def wait(self, timeout_s: float) -> bool:
        """Wait until the handler has ended, for a time; tell whether it has.

        Raises:
            PumpError: 9903 as soon as the handler returns something else than envelopes.
        """
        if self._running:
            done, self._running = await asyncio.wait(
                self._running, timeout=timeout_s, return_when=asyncio.FIRST_EXCEPTION
            )
            for one in done:
                one.result()
        return not self._running

    def take(self) -> list[tuple[int, Outcome]]:
        """Return what has come of messages since the last time, by their numbers in the batch, in their order."""
        found: list[tuple[int, Outcome]] = []
        for lane in self._lanes:
            ready = len(lane.outcomes)
            found += zip(lane.numbers[lane.taken : ready], lane.outcomes[lane.taken : ready], strict=True)
            lane.taken = ready
        if len(self._lanes) > 1:
            found.sort(key=lambda one: one[0])
        return found

    def finished(self) -> int:
        """Return how many messages the handler has ended with."""
        return sum(len(lane.outcomes) for lane in self._lanes)

    def cut(self) -> None:
        """Begin with no other message."""
        for lane in self._lanes:
            lane.cut = True

    def abandon(self) -> None:
        """Begin with no other message, and cancel what runs on the loop; a thread ends when its message does."""
        self.cut()
        for one in self._running:
            one.cancel()


def _lanes(batch: Sequence[Delivery], workers: int) -> list[_Lane]:
    if workers == 1:
        return [_Lane(range(len(batch)), batch)]
    numbers: list[list[int]] = [[] for _ in range(workers)]
    for number, delivery in enumerate(batch):
        key = delivery.envelope.key
        numbers[(crc32(key) if key else number) % workers].append(number)
    return [_Lane(lane, [batch[number] for number in lane]) for lane in numbers if lane]


def _in_daemon(call: Callable[[Handling], None], handling: Handling) -> asyncio.Future[Any]:
    """Run a call in a daemon thread with this task's context, and return its result as a future."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(settling: Callable[[Any], None], value: object) -> None:
        if not future.done():
            settling(value)

    def work() -> None:
        told: tuple[Callable[[Any], None], object] = (future.set_result, None)
        try:
            context.run(call, handling)
        except BaseException as error:  # noqa: BLE001  (it is raised where the future is awaited)
            told = (future.set_exception, error)
        with suppress(RuntimeError):  # a handler that returns late finds its loop closed
            loop.call_soon_threadsafe(settle, *told)

    threading.Thread(target=work, daemon=True, name="x07-pump-handler").start()
    return future
