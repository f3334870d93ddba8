"""`use_cassette`: unmodified programs on confluent-kafka or aio-pika record a broker once and replay it without one."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from x07py.contracts.loader import find_root
from x07py.errors import ReplayMismatchError, UsageError, X07Error
from x07py.msg import Envelope
from x07py.rr import Config, Match, Mode, Session
from x07py.rr.files import FOLDER
from x07py.testing import registry
from x07py.testing.arrivals import Arrivals
from x07py.testing.libraries import PACKAGES, library
from x07py.testing.matching import PARTS, Rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from x07py.testing.libraries import Library
    from x07py.testing.matching import Filter, Matcher
    from x07py.testing.tape import Tape

_P = ParamSpec("_P")
_R = TypeVar("_R")
MODES = ("none", "once", "new_episodes", "all")
PATIENCE_S = 10.0
_GRACE_S = 1.0
_MAX_CASSETTE = 2**32
_MAX_MESSAGE = 2**30


def mode_of(name: str, *, exists: bool) -> Mode:
    """Return what a mode means for a cassette that exists or not.

    Args:
        name: ``none`` replays and never records; ``once`` records if there is no cassette, else replays;
            ``new_episodes`` replays what there is and records the rest; ``all`` records everything anew.
        exists: whether the cassette exists.

    Raises:
        UsageError: ``X07_CASSETTE_MODE`` for another name.
    """
    modes = {
        "none": Mode.REPLAY,
        "once": Mode.REPLAY if exists else Mode.RECORD,
        "new_episodes": Mode.RECORD_MISSING,
        "all": Mode.REWRITE,
    }
    if name not in modes:
        raise UsageError("X07_CASSETTE_MODE", f"no mode is called {name!r}", hint="modes: " + ", ".join(MODES))
    return modes[name]


class use_cassette:  # noqa: N801 - reads as the function that people know from vcrpy
    """Record what a block does through confluent-kafka or aio-pika, or replay it; a context manager and a decorator.

    Clients that are made inside the block belong to the cassette, whatever module makes them. Nothing that was made
    before is touched.

    Args:
        name: path of the cassette below ``.x07_rr`` of the project, for example ``checkout.x07rr.bin``.
        mode: ``none``, ``once``, ``new_episodes`` or ``all``; see `mode_of`.
        match_on: what must be equal for a message to be the recorded one: ``topic``, ``key``, ``headers``, ``value``,
            and functions that take the recorded and the new `Envelope`.
        ignore_headers: headers that are not compared, such as random identifiers.
        filter_headers: headers whose values are replaced by ``<redacted>`` before anything is compared or written.
        before_record: functions that take and return an `Envelope`, applied after `filter_headers`.
        allow_unused: whether a replay may end with entries left over.
        real_time: whether a replay waits as long as the recording did; else time is virtual.
        patience_s: seconds that a consumer may go on polling in a replay that has nothing left for it.
        root: the project's folder; found from the working directory if not given.

    Raises:
        UsageError: ``X07_CASSETTE_MODE`` or ``X07_CASSETTE_MATCH`` for an argument that cannot be meant.
        CassetteError: 2000 to 2008, 2014, 2052, 2053 or 2055 on entering; see ``x07 explain``.
        ReplayMismatchError: 2009, 2050 or 2070 inside; 2051 at the end if entries were left over.
    """

    def __init__(
        self,
        name: str,
        *,
        mode: str = "once",
        match_on: Iterable[str | Matcher] = PARTS,
        ignore_headers: Iterable[str] = (),
        filter_headers: Iterable[str] = (),
        before_record: Iterable[Filter] = (),
        allow_unused: bool = False,
        real_time: bool = False,
        patience_s: float = PATIENCE_S,
        root: Path | None = None,
    ) -> None:
        self.name = name
        self.mode = mode
        self.allow_unused = allow_unused
        self.root = root
        parts = tuple(match_on)
        unknown = [part for part in parts if not callable(part) and part not in PARTS]
        if unknown:
            raise UsageError(
                "X07_CASSETTE_MATCH",
                f"match_on has {unknown[0]!r}",
                hint=f"use {', '.join(PARTS)}, or a function of two envelopes",
            )
        hidden = frozenset(header.lower() for header in filter_headers)
        first: tuple[Filter, ...] = (functools.partial(_redact, hidden),) if hidden else ()
        ignored = frozenset(header.lower() for header in ignore_headers)
        self.rules = Rules(parts, ignored, (*first, *before_record), real_time, patience_s)
        mode_of(mode, exists=False)

    @property
    def path(self) -> Path:
        """The cassette's file."""
        return (self.root or find_root()) / FOLDER / self.name

    def __enter__(self) -> Self:
        root = self.root or find_root()
        config = Config(
            mode=mode_of(self.mode, exists=self.path.exists()),
            match=Match.LOOKUP,
            cassette=self.name,
            max_cassette_bytes=_MAX_CASSETTE,
            max_entries=2**32 - 1,
            max_req_bytes=_MAX_MESSAGE,
            max_resp_bytes=_MAX_MESSAGE,
            max_key_bytes=1024,
        )
        session = Session(config, root, allow_unused=True)
        session.__enter__()
        self.session = session
        self._owner, self._aborted, self._left = _current_task(), False, False
        self._tapes: dict[str, Tape] = {}
        self._libraries: dict[str, Library] = {}
        registry.push(self._tapes)
        self._arrivals = Arrivals(PACKAGES, self._join)
        self._arrivals.watch()
        for package in PACKAGES:
            if package in sys.modules:
                self._join(package)
        return self

    def _join(self, package: str) -> None:
        """Put a library that is loaded on the cassette."""
        if package in self._libraries:
            return
        joining = self._libraries[package] = library(package)
        tape = self._tapes[joining.tape.library] = joining.tape(self.session, self.rules)
        tape.on_failure.append(self._abort_later)
        joining.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        registry.pop(self._tapes)
        self._arrivals.end()
        if not registry.in_use():
            for joined in self._libraries.values():
                joined.remove()
        try:
            for tape in self._tapes.values():
                for finish in tape.on_close:
                    finish()
        except X07Error as failure:
            self.session.__exit__(type(failure), failure, failure.__traceback__)
            raise
        broken = self._broken()
        if broken is not None and error is not broken:
            self.session.__exit__(type(broken), broken, None)
            raise broken from error
        self.session.__exit__(kind, error, trace)
        if error is None and self.session.mode is Mode.REPLAY and not self.allow_unused:
            self._refuse_unused()

    def _broken(self) -> X07Error | None:
        """Return what a tape has failed with; the cancellation that told the program of it ends here."""
        broken = next((tape.broken for tape in self._tapes.values() if tape.broken is not None), None)
        if self._aborted and self._owner is not None:
            self._owner.uncancel()
        return broken

    def _abort_later(self, _: X07Error) -> None:
        """End the program if it does not end by itself: it may be waiting for what will never come."""
        loop = asyncio.get_running_loop()
        loop.call_later(_GRACE_S, self._abort, loop)

    def _abort(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._left:
            return
        if self._owner is None:
            for task in asyncio.all_tasks(loop):
                task.cancel()
        else:
            self._aborted = True
            self._owner.get_loop().call_soon_threadsafe(self._owner.cancel)

    @property
    def last_activity(self) -> float | None:
        """When the program last used the cassette, as `time.monotonic` counts; None if it has made no client yet."""
        used = [tape.last_activity for tape in self._tapes.values() if tape.last_activity is not None]
        return max(used, default=None)

    def unused(self) -> list[int]:
        """Return the numbers of the recorded entries that were not used, without questions (metadata and the like)."""
        from x07py.testing.tape import is_optional

        return [n for n in self.session.ledger.unused() if not is_optional(self.session.ledger.bucket(n).op)]

    def _refuse_unused(self) -> None:
        left = self.unused()
        if left:
            raise ReplayMismatchError(
                2051,
                f"{len(left)} recorded entries were not used; the first is number {left[0]}, "
                + self.session.ledger.bucket(left[0]).op.decode(),
                where=self.name,
                hint="the program does less than it did when it was recorded; record again if that is meant",
            )

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Return `function` with a cassette of its own around each call; coroutine functions too."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: _P.args, **options: _P.kwargs) -> Any:
                with self._again():
                    return await function(*args, **options)

            return run_async  # type: ignore[return-value]

        @functools.wraps(function)
        def run(*args: _P.args, **options: _P.kwargs) -> _R:
            with self._again():
                return function(*args, **options)

        return run

    def _again(self) -> use_cassette:
        again = object.__new__(use_cassette)
        again.__dict__.update(self.__dict__)
        return again


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


def _redact(hidden: frozenset[str], envelope: Envelope) -> Envelope:
    if not any(name.lower() in hidden for name in envelope.headers):
        return envelope
    headers = {name: "<redacted>" if name.lower() in hidden else text for name, text in envelope.headers.items()}
    return Envelope(envelope.topic, envelope.key, envelope.value, headers)
