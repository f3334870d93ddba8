"""`use_cassette`: unmodified programs on confluent-kafka or aio-pika record a broker once and replay it without one."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from x07py.contracts.loader import find_root
from x07py.errors import UnusedRecordingError, UsageError, X07Error
from x07py.printing import counted
from x07py.rr import Config, Match, Mode, Session
from x07py.rr.cassette_files import FOLDER, PARTIAL, SideFile
from x07py.rr.redaction import Redaction, checked_paths
from x07py.rr.varying import Varying
from x07py.testing import registry
from x07py.testing.aborting import Aborter
from x07py.testing.arrivals import Arrivals
from x07py.testing.children import follow_forks
from x07py.testing.libraries import PACKAGES, library
from x07py.testing.order import INJECT
from x07py.testing.refusals import nothing, replaced
from x07py.testing.settings import settings_of
from x07py.wire.door import Door
from x07py.wire.matching import PARTS, Rules
from x07py.wire.named import Named
from x07py.wire.process.entrance import Entrance
from x07py.wire.process.librdkafka import Librdkafka
from x07py.wire.process.replaced import replaced_by, tell_when_replaced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

    from x07py.rr.varying import Decoder
    from x07py.testing.libraries import Library
    from x07py.wire.matching import Filter, Matcher

_P = ParamSpec("_P")
_R = TypeVar("_R")
MODES = ("none", "once", "new_episodes", "all")
PATIENCE_S = 10.0
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
    """Record what a block says to Kafka or RabbitMQ, or replay it; a context manager and a decorator.

    Clients that are made inside the block belong to the cassette, whatever module makes them; one that was made before
    may not be used in it.

    Args:
        name: path of the cassette below ``.x07_rr`` of the project, for example ``checkout.x07rr.bin``.
        mode: ``none``, ``once``, ``new_episodes`` or ``all``; see `mode_of`.
        match_on: what has to be equal to what was recorded: any of ``topic``, ``key``, ``headers``, ``value``, and
            functions that take the recorded and the new `Envelope`.
        ignore_headers: headers that are not compared.
        ignore_fields: fields of JSON values that are not compared: paths of RFC 9535, such as ``$.at``.
        capture: where identifiers are that differ in every run: such paths, ``key``, ``headers.NAME``, or ``uuid``
            for every UUID. The identifier that this run publishes comes back in place of the recorded one.
        decode_value: turns a value in another format into JSON data, for ``ignore_fields`` and ``capture``.
        filter_headers: names beside the usual ones (``authorization``, ``token``, ``password``, …) whose values are
            replaced by ``<redacted>`` before anything is compared or written: of headers of every type, properties,
            fields of JSON, arguments and settings. A live consumer gets what the broker sent.
        filter_fields: values of JSON in messages that are replaced likewise, as JSONPath: ``$.customer.email``.
        keep: usual names of secrets that are not redacted.
        before_record: functions that take and return an `Envelope`, applied after redaction; they too change what is
            compared and written, not what a live consumer gets.
        allow_unused: whether a replay may end with entries left over.
        allow_empty: whether a recording may hold nothing, and a replay use nothing.
        passthrough: addresses, ``host:port``, of services other than brokers that a replay may connect to.
        real_time: whether a replay waits as long as the recording did; else time is virtual.
        patience_s: seconds that a consumer may go on polling in a replay that has nothing left for it.
        root: the project's folder; found from the working directory if not given.
        replace_partial: whether a recording takes the place of the ``.partial`` that an interrupted one left, instead
            of refusing (2053).

    Raises:
        UsageError: ``X07_USAGE``, ``X07_CASSETTE_MODE``, ``X07_CASSETTE_MATCH`` or ``X07_ADDRESS`` for an argument that
            cannot be meant.
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
        ignore_fields: Iterable[str] = (),
        capture: Iterable[str] = (),
        decode_value: Decoder | None = None,
        filter_headers: Iterable[str] = (),
        filter_fields: Iterable[str] = (),
        keep: Iterable[str] = (),
        before_record: Iterable[Filter] = (),
        allow_unused: bool = False,
        allow_empty: bool = False,
        passthrough: Iterable[str] = (),
        real_time: bool = False,
        patience_s: float = PATIENCE_S,
        root: Path | None = None,
        replace_partial: bool = False,
    ) -> None:
        if not isinstance(name, str):
            raise UsageError(
                "X07_USAGE", f"{name!r} is no name of a cassette", hint="a text such as checkout.x07rr.bin"
            )
        lists = (match_on, ignore_headers, ignore_fields, capture, filter_headers, filter_fields, keep, passthrough)
        for given in lists:
            if isinstance(given, str):
                raise UsageError("X07_USAGE", f"{given!r} stands where a list belongs", hint=f'["{given}"]')
        self.name = name
        self.replace_partial = replace_partial
        self.mode = mode
        self.allow_unused = allow_unused
        self.allow_empty = allow_empty
        self.passthrough: tuple[str, ...] = tuple(passthrough)
        Named(self.passthrough)
        self.root = root
        self.on_replaced: Callable[[], None] | None = None
        self.natives_are_handed_over: bool = False
        self.by_its_own_file: dict[str, list[str]] = {}
        parts = tuple(match_on)
        unknown = [part for part in parts if not callable(part) and part not in PARTS]
        if unknown:
            raise UsageError(
                "X07_CASSETTE_MATCH",
                f"match_on has {unknown[0]!r}",
                hint=f"use {', '.join(PARTS)}, or a function of two envelopes",
            )
        names, kept = (frozenset(name.lower() for name in given) for given in (filter_headers, keep))
        redaction = Redaction(names, checked_paths(filter_fields), kept)
        ignored = frozenset(header.lower() for header in ignore_headers)
        varying = Varying(tuple(ignore_fields), ignored, tuple(capture), decode_value)
        self.rules: Rules = Rules(parts, varying, tuple(before_record), real_time, patience_s, redaction)
        mode_of(mode, exists=False)

    @property
    def path(self) -> Path:
        """The cassette's file."""
        return (self.root or find_root()) / FOLDER / self.name

    def open_session(self) -> Session:
        """Open the cassette; the session that is returned has been entered.

        Raises:
            CassetteError: as on entering.
        """
        root = self.root or find_root()
        varying = self.rules.varying.or_also(settings_of(root))
        if not varying.document() and self.path.exists():
            varying = varying.or_also(SideFile(self.path).varying())
            self.by_its_own_file = varying.document()
        self.rules = self.rules._replace(varying=varying)
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
        return Session(
            config,
            root,
            redaction=self.rules.redaction,
            allow_unused=True,
            varying=self.rules.varying,
            replace_partial=self.replace_partial,
        ).__enter__()

    def __enter__(self) -> Self:
        if (package := replaced_by()) is not None:
            raise replaced(self.name, package)
        registry.claim(self.name)
        try:
            session = self.session = self.open_session()
        except BaseException:
            registry.release(self.name)
            raise
        self._ways: dict[str, Any] = {}
        self._libraries: dict[str, Library] = {}
        self._door = Door(session, self.rules, self.passthrough)
        self._entrance = Entrance(self._door)
        self._aborter = Aborter(self._entrance.loops, use_cassette.__exit__.__code__)
        self._door.on_failure.append(self._aborter.failed)
        self._end_watch = tell_when_replaced(self._sockets_replaced)
        self._entrance.open()
        self._pid, self._path_before = os.getpid(), os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [INJECT, self._path_before]))
        follow_forks()
        registry.push(self._ways)
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
        joining = self._libraries[package] = library(package, self.session.mode)
        self._ways[joining.name] = joining.way(self._door)
        joining.install()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._pid:
            return
        registry.pop(self._ways)
        registry.release(self.name)
        self._end_watch()
        self._entrance.close()
        if self._path_before is None:
            os.environ.pop("PYTHONPATH", None)
        else:
            os.environ["PYTHONPATH"] = self._path_before
        self._arrivals.end()
        if not registry.in_use():
            for joined in self._libraries.values():
                joined.remove()
        try:
            self._note_idleness()
            for way in self._ways.values():
                if isinstance(way, Librdkafka):
                    way.close()
            self._door.close()
        except X07Error as failure:
            self.session.__exit__(type(failure), failure, failure.__traceback__)
            raise
        finally:
            self._aborter.leave()
        fault = self._fault() if error is None or self._door.broken is not None else None
        if fault is not None and error is not fault:
            self.session.__exit__(type(fault), fault, None)
            raise fault from error
        self.session.__exit__(kind, error, trace)
        if error is None and self.session.mode is Mode.REPLAY and not self.allow_unused:
            self.refuse_unused()

    def _sockets_replaced(self, package: str) -> None:
        if self.on_replaced is not None and self.last_activity is None:
            self.on_replaced()
        self._door.fail(replaced(self.name, package))

    @property
    def failure(self) -> X07Error | None:
        """What the cassette in use has failed with so far: its clients are cut off since then."""
        return self._door.broken

    def _fault(self) -> X07Error | None:
        """Return what the cassette has failed with, or what has passed it by."""
        if self._door.broken is not None:
            return self._door.broken
        passed = self._entrance.passed_by(natives_are_known=self._natives_are_known())
        return passed or self._emptiness()

    def _emptiness(self) -> X07Error | None:
        """Return the error for a recording that holds nothing, and a replay that used nothing."""
        if self.allow_empty:
            return None
        if self.session.mode is Mode.REPLAY:
            left_over = not self.allow_unused and bool(self.unused())
            unused = self.last_activity is None and not self.session.ledger.used and not left_over
            return nothing(self.name, "the replay used nothing of the cassette") if unused else None
        return None if self.session.appended or self.session.mode is Mode.RECORD_MISSING else self._nothing_recorded()

    def open_door(self) -> Door:
        """Open the door of a cassette whose session is open, for a program in processes of its own."""
        self._door = Door(self.session, self.rules, self.passthrough)
        return self._door

    def close_door(self) -> None:
        """Write what the door still holds, after the program has ended.

        Raises:
            X07Error: what the cassette has failed with, ``X07_CASSETTE_EMPTY``, or 2051.
        """
        self._door.close(has_ended=True)
        self._note_idleness()
        fault = self._door.broken or self._emptiness()
        if fault is not None:
            raise fault
        if self.session.mode is Mode.REPLAY and not self.allow_unused:
            self.refuse_unused()

    def _note_idleness(self) -> None:
        """Write that clients were made and found nothing, which a replay is to find as well."""
        used = [tape for tape in self._door.tapes.values() if tape.last_activity is not None]
        if used and self.session.mode.records and not self.session.appended and self._door.broken is None:
            used[0].write_event("idle", "", {})

    def _natives_are_known(self) -> bool:
        """Tell whether clients on the cassette by their classes have connections of their own, as while they record."""
        used = [way for way in self._ways.values() if way.last_activity is not None]
        return self.natives_are_handed_over or any(self._door.records or isinstance(way, Librdkafka) for way in used)

    def _nothing_recorded(self) -> X07Error:
        passed = ", ".join(self._door.passed)
        what = f"nothing was recorded; not on the cassette: {passed}" if passed else "nothing was recorded"
        return nothing(self.name, what, self._door.hint)

    @property
    def last_activity(self) -> float | None:
        """When the program last used the cassette, as `time.monotonic` counts; None if it has made no client yet."""
        used = [tape.last_activity for tape in self._door.tapes.values() if tape.last_activity is not None]
        return max(used, default=None)

    @property
    def not_on_it(self) -> list[str]:
        """The connections that went on to where they wanted beside the cassette: address, and who made it."""
        return list(self._door.passed)

    @property
    def summary(self) -> str:
        """What the block did, in one line."""
        ledger = self.session.ledger
        replayed = (
            f"replayed {ledger.used} of {_entries(len(ledger))} of {self.name}" if self.session.mode.replays else ""
        )
        recorded = f"recorded {_entries(self.session.appended)} of {self.name}" if self.session.mode.records else ""
        passed = "not on the cassette: " + ", ".join(self._door.passed) if self._door.passed else ""
        return "; ".join(filter(None, (replayed, recorded, passed, self.not_compared)))

    @property
    def not_compared(self) -> str:
        """What may differ only because the file beside the cassette says so; empty if this project says it."""
        rows = (f"{name} {', '.join(values)}" for name, values in self.by_its_own_file.items())
        said = "; ".join(rows)
        return f"may differ, as cassettes.lock.json says: {said}" if said else ""

    def keep_as_partial(self) -> None:
        """Leave the old cassette as it is at the end of this recording, and keep the new one as ``NAME.partial``."""
        self.session.keeps_recording = False

    @property
    def partial(self) -> Path | None:
        """The recording that was kept beside the cassette, if there is one."""
        path = self.path.with_name(self.path.name + PARTIAL)
        return path if path.exists() else None

    def unused(self) -> list[int]:
        """Return the numbers of the recorded entries that were not used, without questions (metadata and the like)."""
        from x07py.wire.tape import is_optional

        return [n for n in self.session.ledger.unused() if not is_optional(self.session.ledger.bucket(n).op)]

    def refuse_unused(self) -> None:
        """Refuse a replay that has left something over.

        Raises:
            ReplayMismatchError: 2051.
        """
        left = self.unused()
        if left:
            raise UnusedRecordingError(
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


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")
