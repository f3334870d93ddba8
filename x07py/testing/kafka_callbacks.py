"""The callbacks in a client's settings: errors, statistics, throttling, finished commits, and log lines.

librdkafka runs them inside `poll` and its like. A replay runs each where it was recorded: before the delivery that
followed it, and after what the program had done before it. How many statistics and log lines there are is chance, so
none of them has to be used up.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from x07py.rr.known_secrets import register_settings
from x07py.testing.kafka_values import dump, load
from x07py.wire.decoding import record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.testing.kafka_tape import KafkaTape

_EVENT = "callback"
_NAMES = ("error_cb", "stats_cb", "throttle_cb", "on_commit")
_COMMIT = "commit"


class Callbacks:
    """The callbacks of one client.

    Args:
        tape: the open cassette.
        kind: kind of the client; clients of a kind are told apart by the order in which they are made.
        settings: its settings.
    """

    def __init__(self, tape: KafkaTape, kind: str, settings: Mapping[str, Any]) -> None:
        register_settings(settings)
        self._tape = tape
        self._scope = tape.name_client(kind)
        self._own = {name: settings[name] for name in _NAMES if callable(settings.get(name))}
        self._logger = settings.get("logger")

    def recorded(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return `settings` with callbacks that are recorded before they run."""
        wrapped: dict[str, Any] = {name: self._recorded(name, callback) for name, callback in self._own.items()}
        if self._logger is not None:
            wrapped["logger"] = _RecordedLogger(self._logger, self._write)
        return {**settings, **wrapped}

    def _recorded(self, name: str, callback: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            self._write(name, args)
            return callback(*args)

        return run

    def _write(self, name: str, args: tuple[Any, ...]) -> None:
        if self._tape.live:
            self._tape.write_event(_EVENT, self._scope, {"callback": name, "args": dump(args)})

    def serve(self, before: int | None = None, *, every: bool = False) -> None:
        """Run what was recorded next, as long as its time has come.

        Args:
            before: number of an entry that follows what may run.
            every: whether the client is closed, so that nothing follows.
        """
        tape = self._tape
        while (number := tape.peek_event(_EVENT, self._scope)) is not None:
            event = record(tape.event(number), callback=str, args=list)
            if (before is not None and number > before) or not (every or self._is_due(event["callback"], number)):
                return
            tape.take(number)
            self._run(event["callback"], load(event["args"]))

    def _is_due(self, name: str, number: int) -> bool:
        if name != "on_commit":
            return self._tape.is_due(number)
        commit = self._tape.session.ledger.first_unused((self._tape.operation(_COMMIT),))
        return commit is None or commit > number

    def _run(self, name: str, args: list[Any]) -> None:
        if name == "log":
            if self._logger is not None:
                self._logger.log(*args)
        elif name in self._own:
            self._own[name](*args)


class _RecordedLogger:
    """What librdkafka's log lines go to: they are recorded, then logged. Its threads log too, so one at a time."""

    def __init__(self, own: Any, write: Callable[[str, tuple[Any, ...]], None]) -> None:
        self._own, self._write = own, write
        self._lock = threading.Lock()

    def log(self, *args: Any) -> None:
        """Take a line as `logging.Logger.log` does."""
        with self._lock:
            self._write("log", args)
        self._own.log(*args)
