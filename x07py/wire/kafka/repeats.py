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
from x07py.wire.kafka.calls import asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.kafka.peers import Ask

_STEPS = frozenset({apis.END_TXN, apis.TXN_OFFSET_COMMIT})
"""Steps of transactions, none of which is made twice with nothing between."""
_BETWEEN = frozenset({apis.ADD_PARTITIONS_TO_TXN, apis.ADD_OFFSETS_TO_TXN})
_CHANGES = frozenset(key for key, call in apis.CALLS.items() if not call.question)
_WATCHED = _STEPS | _BETWEEN | {apis.INIT_PRODUCER_ID} | _CHANGES


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

    def answered(self, ask: Ask, body: Any, write: Callable[[], None], write_again: Callable[[], None]) -> None:
        """Take an answer.

        Args:
            ask: the request.
            body: the answer.
            write: writes both.
            write_again: writes both for a change whose answer takes the place of the one that is written.

        Raises:
            UnsupportedError: 9641 if a step of a transaction was sent again and answered otherwise than is written.
        """
        if ask.request.key not in _WATCHED or not self._passing.isdisjoint(_codes(ask, body)):
            write()
            return
        name = ask.peer.client_id
        with self._lock:
            last = self._last.pop(name, None)
            is_repeat = last is not None and _is_repeat(ask, last.ask)
            is_written = last is not None and is_repeat and last.write is None
            is_other = last is not None and is_written and _outcome(ask, last.body) != _outcome(ask, body)
            if is_other and ask.request.key not in _CHANGES:
                raise _answered_otherwise(ask)
            is_late = ask.peer.has_left and not is_written
            self._last[name] = _Call(ask, body, write if is_late else None)
        if last is not None and last.write is not None and not is_repeat:
            last.write()
        if is_other:
            write_again()
        if not is_late and not is_written:
            write()

    def finish(self) -> None:
        """Write what clients have neither read nor sent again."""
        with self._lock:
            left, self._last = self._last, {}
        for last in left.values():
            if last.write is not None:
                last.write()


def _codes(ask: Ask, body: Any) -> set[int]:
    """Return the error codes of an answer as a whole; offsets in a transaction have one for each partition."""
    if ask.request.key == apis.TXN_OFFSET_COMMIT:
        return {int(part.error_code.value) for topic in body.topics for part in topic.partitions}
    error = getattr(body, "error_code", None)
    return set() if error is None else {int(error.value)}


def _is_repeat(ask: Ask, before: Ask) -> bool:
    """Tell whether a client sends a request again, whose answer it did not read."""
    if before.peer is ask.peer or before.request.key != ask.request.key or not _is_same(ask, before):
        return False
    if ask.request.key in _STEPS or _goes_on(ask, before):
        return before.peer.has_left
    return before.peer.has_left_unread


def _is_same(ask: Ask, before: Ask) -> bool:
    """Tell whether two requests ask for the same; Java gives a change that it sends again what is left of its time."""
    if ask.request.key in _CHANGES:
        return asked(ask.body) == asked(before.body)
    return bool(ask.body == before.body)


def _goes_on(ask: Ask, before: Ask) -> bool:
    """Tell whether a request comes on a connection that its client opened after another request.

    librdkafka and Java number their requests over all connections to a broker. A second client of the same name begins
    anew, and so do the connections of clients that number them one by one, of which nothing can be told.
    """
    return ask.peer.first_number is not None and ask.peer.first_number > before.request.correlation


def _outcome(ask: Ask, body: Any) -> Any:
    """Return what a program learns of an answer; the numbers of a producer are its library's own matter."""
    return body.error_code if ask.request.key == apis.INIT_PRODUCER_ID else outcome_of(body)


def _answered_otherwise(ask: Ask) -> UnsupportedError:
    name = apis.APIS[ask.request.key].name
    return UnsupportedError(
        9641,
        f"client {ask.peer.client_id!r} left a connection before it had read the answer to {name}, and sent it again; "
        "the broker answered otherwise then",
        hint="record again",
    )
