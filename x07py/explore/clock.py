"""An event loop in virtual time: a timer that all wait for is due at once, and a thread's work is done on the spot."""

from __future__ import annotations

import asyncio
import heapq
import os
import random
import selectors
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator
    from contextvars import Context

EPOCH_S = 1_700_000_000.0
"""What ``time.time`` says: the wall clocks of a solve world stand still, but where one jumps."""
JUMP_S = 36 * 3600.0
"""How far a wall clock jumps: further than what is kept for a day, whatever the zone."""
_REAL = time.monotonic, time.monotonic_ns, time.time, time.time_ns, time.sleep, os.urandom


_RESOLUTION_S = time.get_clock_info("monotonic").resolution


class Clock(Protocol):
    """What brokers need of a loop."""

    def time(self) -> float:
        """Return the time in seconds."""
        ...

    def active(self) -> None:
        """Note that something has happened at a broker."""
        ...

    def broker_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have a broker do something later."""
        ...

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future of the loop."""
        ...


class WallClocks:
    """The wall clock of each machine; each member runs on its own.

    Args:
        start_s: what they say at first, in seconds since 1970.
        machine: returns the member whose code runs, empty if it is none's.
    """

    def __init__(self, start_s: float, machine: Callable[[], str]) -> None:
        self._start_s, self._machine = start_s, machine
        self._ahead_s: dict[str, float] = {}
        self.read: bool = False
        """Whether the program has asked for the time."""

    def time(self) -> float:
        """Return the time of the machine whose code runs, in seconds since 1970."""
        self.read = True
        return self._start_s + self._ahead_s.get(self._machine(), 0.0)

    def time_ns(self) -> int:
        """Return it in nanoseconds."""
        return int(self.time() * 1e9)

    def jump(self, machine: str, by_s: float) -> None:
        """Set a machine's clock forward, or back if it is negative."""
        self._ahead_s[machine] = self._ahead_s.get(machine, 0.0) + by_s


class Stuck(KeyboardInterrupt):
    """Nothing in the program will ever happen again; asyncio lets nothing else pass through a task or a callback."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop of one history: nothing outside of the process wakes it, so it looks at no sockets.

    Args:
        quiet: called when nothing has happened at the brokers for `patience_s`; returns False if it could not wake
            anybody up any more.
    """

    patience_s: float = 35.0
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]
    _stopping: bool
    _closed: bool

    def __init__(self, quiet: Callable[[], bool]) -> None:
        self.now: float = 1000.0
        super().__init__(selectors.SelectSelector())
        self.active_at: float = self.now
        self.pending: int = 0
        """How many timers of the brokers run: until they are over it is not quiet."""
        self._quiet = quiet
        self.on_signal: Callable[[int, Callable[[], object] | None], None] | None = None

    def _make_self_pipe(self) -> None:
        """Make none: it would wake a loop that waits for sockets, and two sockets a history take their time."""

    def _close_self_pipe(self) -> None:
        """Have nothing to close."""

    def _write_to_self(self) -> None:
        """Wake nobody: the loop never sleeps."""

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call on the next turn; as asyncio's own, without what only its debug mode asks."""
        if self._closed:
            self._check_closed()  # type: ignore[attr-defined]
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def _run_once(self) -> None:
        """Take one turn, as asyncio's own loops do, but for what they ask the system."""
        scheduled, ready = self._scheduled, self._ready
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)
        if not ready and not self._stopping:
            self.wait(max(scheduled[0].when() - self.now, 0.0) if scheduled else None)
        while scheduled and scheduled[0].when() < self.now + _RESOLUTION_S:
            ready.append(heapq.heappop(scheduled))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                handle._run()

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self.now

    def active(self) -> None:
        """Note that something has happened at a broker."""
        self.active_at = self.now

    def wait(self, timeout: float | None) -> None:
        """Move the clock to the next timer, or say that it is quiet."""
        if not self.pending and (timeout is None or self.now + timeout > self.active_at + self.patience_s):
            self.active()
            if not self._quiet():
                raise Stuck
        elif timeout is None:
            raise Stuck
        else:
            self.now += timeout

    def broker_later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have a broker do something later."""
        self.pending += 1

        def due() -> None:
            self.pending -= 1
            self.active()
            call()

        self.call_later(delay_s, due)

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Call at once, and tell the result on the next turn."""
        del executor
        future: asyncio.Future[Any] = self.create_future()
        try:
            result = func(*args)
        except Exception as error:  # noqa: BLE001  (it is raised where the future is awaited)
            self.call_soon(_settle, future.set_exception, future, error)
        else:
            self.call_soon(_settle, future.set_result, future, result)
        return future

    def add_signal_handler(self, sig: int, callback: Callable[..., object], *args: Any) -> None:  # type: ignore[override]
        """Keep a handler of the member that asks."""
        if self.on_signal is not None:
            self.on_signal(sig, lambda: callback(*args))

    def remove_signal_handler(self, sig: int) -> bool:
        """Forget a handler of the member that asks."""
        if self.on_signal is not None:
            self.on_signal(sig, None)
        return True


def _settle(settling: Callable[[Any], None], future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        settling(value)


@contextmanager
def virtual_time(loop: VirtualLoop, seed: int, wall: WallClocks) -> Iterator[None]:
    """Let clocks, sleeping and randomness of the process be those of the loop while the block runs."""
    draw = random.Random(seed)  # noqa: S311

    def sleep(seconds: float) -> None:
        loop.now += max(seconds, 0.0)

    time.monotonic, time.monotonic_ns = loop.time, lambda: int(loop.now * 1e9)
    time.time, time.time_ns, time.sleep = wall.time, wall.time_ns, sleep  # type: ignore[assignment]
    os.urandom = draw.randbytes
    random.seed(seed)
    try:
        yield
    finally:
        time.monotonic, time.monotonic_ns, time.time, time.time_ns, time.sleep, os.urandom = _REAL
