"""Questions: what a client asks its broker and what changes nothing there: partitions, offsets, configurations.

How often a client asks is chance, so an answer is recorded when it is another than the time before. A replay gives the
recorded answers in order and the last one for ever; an answer that came after a topic was created or a message
published comes after that again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.wire.decoding import document

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.wire.kafka.entries import Entries


class Questions:
    """The questions of one cassette."""

    def __init__(self, tape: Entries) -> None:
        self._tape = tape
        self._last: dict[tuple[str, str], Json] = {}

    def note(self, name: str, scope: str, request: Json, answer: Json) -> None:
        """Record the broker's answer, unless it is that of the time before."""
        name, place = self._tape.question(name, scope, request)
        with self._tape.lock:
            if (name, place) in self._last and self._last[name, place] == answer:
                return
            self._last[name, place] = answer
            self._tape.write_call(name, place, request, answer)

    def ask(self, name: str, scope: str, request: Json) -> Json | None:
        """Return the recorded answer, or None if the question was never asked."""
        full, place = self._tape.question(name, scope, request)
        with self._tape.lock:
            number = self._tape.peek(self._tape.operation(full), place)
            known = self._last.get((full, place))
            if number is not None and (known is None or self._tape.is_settled(number)):
                known = self._last[full, place] = document(self._tape.take(number).resp)
        return known

    def scopes(self, name: str) -> list[str]:
        """Return what was asked about under a name, in the order of the first asking."""
        return self._tape.session.ledger.scopes(self._tape.operation(f"query_{name}"))
