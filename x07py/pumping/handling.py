"""The handler, run over a batch in threads: one hop a batch, or one for each worker.

The threads are daemons, started for the batch: a pool's threads would keep a process alive whose handler never returns.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import logging
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from x07py.drivers.tracing import follow_trace
from x07py.errors import PumpError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from x07py.drivers import Delivery
    from x07py.pumping.options import Handler, PumpOptions

log = logging.getLogger("x07py.pump")


class Outcome(NamedTuple):
    """What came of one delivery: its results, or the error that the handler raised, as text."""

    results: Sequence[Envelope]
    reason: str = ""
    digest: str = ""


_NOTHING = Outcome(())


class Handling:
    """A handler and how it is run.

    Args:
        handler: pure function from an envelope to envelopes.
        check: refuses a result that could not be sent.
        options: number of workers, and when a handler is stalled.
        overdue: is told for how many seconds a handler has not finished, once that is too long, and 0 when it has.
        inline: run it without a thread, in a world where nothing waits.
    """

    def __init__(
        self,
        handler: Handler,
        check: Callable[[Envelope], None],
        options: PumpOptions,
        overdue: Callable[[float], None],
        *,
        inline: bool,
    ) -> None:
        self._overdue = overdue
        self._handler, self._check, self._options, self._inline = handler, check, options, inline

    async def outcomes(self, batch: Sequence[Delivery]) -> list[Outcome]:
        """Return what comes of each delivery, in their order.

        Raises:
            PumpError: 9903 if the handler does not return envelopes.
        """
        workers = self._options.workers
        if self._inline:
            return self._handle(batch)
        if workers == 1:
            [outcomes] = await self._watched([_in_daemon(self._handle, batch)], batch)
            return outcomes
        lanes: list[list[int]] = [[] for _ in range(workers)]
        for number, delivery in enumerate(batch):
            lanes[crc32(delivery.envelope.key) % workers].append(number)
        lanes = [lane for lane in lanes if lane]
        parts = await self._watched([_in_daemon(self._handle, [batch[n] for n in lane]) for lane in lanes], batch)
        placed: dict[int, Outcome] = {}
        for lane, part in zip(lanes, parts, strict=True):
            placed.update(zip(lane, part, strict=True))
        return [placed[number] for number in range(len(batch))]

    async def _watched(
        self, calls: list[asyncio.Future[list[Outcome]]], batch: Sequence[Delivery]
    ) -> list[list[Outcome]]:
        working = asyncio.gather(*calls)
        waited = 0.0
        self._overdue(0)
        while not (await asyncio.wait({working}, timeout=self._options.stall_s))[0]:
            waited += self._options.stall_s
            self._overdue(waited)
            log.warning("the handler has not finished a batch after %.0f s; it begins with %s", waited, batch[0].meta)
        self._overdue(0)
        return working.result()

    def _handle(self, batch: Sequence[Delivery]) -> list[Outcome]:
        outcomes = []
        handler = self._handler
        for delivery in batch:
            try:
                envelope = delivery.envelope
                results = handler(envelope)
                outcomes.append(self._checked(envelope, results) if results else _NOTHING)
            except PumpError:
                raise
            except Exception as error:  # noqa: BLE001  (whatever a handler raises makes the message poison)
                outcomes.append(poison(error))
        return outcomes

    def _checked(self, envelope: Envelope, results: Any) -> Outcome:
        checked = []
        for result in results:
            if not isinstance(result, Envelope):
                raise PumpError(
                    9903,
                    f"the handler returned {type(result).__name__}, not Envelope",
                    hint="return an iterable of envelopes",
                )
            self._check(result)
            checked.append(follow_trace(envelope, result))
        return Outcome(checked)


def poison(error: Exception) -> Outcome:
    """Return the outcome that an error is."""
    frames = traceback.extract_tb(error.__traceback__)
    places = "".join(f"{frame.name}:{frame.line}\n" for frame in frames[1:])
    digest = hashlib.sha256(f"{places}{type(error).__name__}: {error}".encode("utf-8", "replace")).hexdigest()
    reason = f"{type(error).__name__}: {error}".encode("utf-8", "replace").decode()
    return Outcome((), reason[:1000], digest)


def _in_daemon(call: Callable[[Sequence[Delivery]], list[Outcome]], batch: Sequence[Delivery]) -> asyncio.Future[Any]:
    """Run a call in a daemon thread with this task's context, and return its result as a future."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(settling: Callable[[Any], None], value: object) -> None:
        if not future.done():
            settling(value)

    def work() -> None:
        try:
            result = context.run(call, batch)
        except BaseException as error:  # noqa: BLE001  (it is raised where the future is awaited)
            told: tuple[Callable[[Any], None], object] = (future.set_exception, error)
        else:
            told = (future.set_result, result)
        with suppress(RuntimeError):  # a handler that returns late finds its loop closed
            loop.call_soon_threadsafe(settle, *told)

    threading.Thread(target=work, daemon=True, name="x07-pump-handler").start()
    return future
