"""Requests that change something, and that clients send again because they did not read the answer.

What a program did once is written once: with the answer that its client read, or that it would have read had it stayed.
Publishes have their own rules in `x07py.wire.kafka.attempts`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UnsupportedError
from x07py.wire.kafka import apis
from x07py.wire.kafka.calls import answered as outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.kafka.peers import Ask

_STEPS = frozenset({apis.END_TXN, apis.TXN_OFFSET_COMMIT})
"""Steps of transactions, none of which is made twice with nothing between."""
_BETWEEN = frozenset({apis.ADD_PARTITIONS_TO_TXN, apis.ADD_OFFSETS_TO_TXN})
_WATCHED = _STEPS | _BETWEEN | {apis.INIT_PRODUCER_ID, *(key for key, call in apis.CALLS.items() if not call.question)}


class _Call(NamedTuple):
    """The last such request of a client: its answer, and what writes it if that is not done."""

    ask: Ask
    body: Any
    write: Callable[[], None] | None


class Repeats:
    """Decides what of such requests is written; one for all connections of a run.

    Args:
        passing: errors that clients meet by asking again, so that the answer that counts follows.
    """

    def __init__(self, passing: frozenset[int]) -> None:
        self._passing = passing
        self._last: dict[str, _Call] = {}
        self._lock = threading.Lock()

    def answered(self, ask: Ask, body: Any, write: Callable[[], None]) -> None:
        """Take an answer.

        Args:
            ask: the request.
            body: the answer.
            write: writes both.

        Raises:
            UnsupportedError: 9641 if the client sent it again and was answered otherwise than is written.
        """
        error = getattr(body, "error_code", None)
        if ask.request.key not in _WATCHED or (error is not None and int(error.value) in self._passing):
            write()
            return
        name = ask.peer.client_id
        with self._lock:
            last = self._last.pop(name, None)
            is_repeat = last is not None and _is_repeat(ask, last.ask)
            is_written = last is not None and is_repeat and last.write is None
            if last is not None and is_written and outcome_of(last.body) != outcome_of(body):
                raise _answered_otherwise(ask)
            is_late = ask.peer.has_left and not is_written
            self._last[name] = _Call(ask, body, write if is_late else None)
        if last is not None and last.write is not None and not is_repeat:
            last.write()
        if not is_late and not is_written:
            write()

    def finish(self) -> None:
        """Write what clients have neither read nor sent again."""
        with self._lock:
            left, self._last = self._last, {}
        for last in left.values():
            if last.write is not None:
                last.write()


def _is_repeat(ask: Ask, before: Ask) -> bool:
    """Tell whether a client sends a request again, whose answer it did not read."""
    if before.peer is ask.peer or before.request.key != ask.request.key or before.body != ask.body:
        return False
    if ask.request.key in _STEPS:
        return before.peer.has_left
    return before.peer.has_left_unread


def _answered_otherwise(ask: Ask) -> UnsupportedError:
    name = apis.APIS[ask.request.key].name
    return UnsupportedError(
        9641,
        f"client {ask.peer.client_id!r} left a connection before it had read the answer to {name}, and sent it again; "
        "the broker answered otherwise then",
        hint="record again",
    )
