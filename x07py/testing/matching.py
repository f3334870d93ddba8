"""Which recorded message is the one that a program publishes: parts, filters, functions of the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Hashable

PARTS = ("topic", "key", "headers", "value")
Matcher = Callable[[Envelope, Envelope], bool]
Filter = Callable[[Envelope], Envelope]


class Rules(NamedTuple):
    """What counts as the same message, and what must not be written.

    Args:
        match_on: parts of a message that must be equal, of `PARTS`, and functions of the recorded and the new message.
        ignore_headers: names, in lower case, of headers that are not compared.
        before_record: functions that each message passes before it is compared, written, or handed to the program.
        real_time: whether a replay waits as long as the recording did.
        patience_s: seconds that a consumer may go on waiting when there is nothing left for it.
    """

    match_on: tuple[str | Matcher, ...]
    ignore_headers: frozenset[str]
    before_record: tuple[Filter, ...]
    real_time: bool
    patience_s: float

    def clean(self, envelope: Envelope) -> Envelope:
        """Return `envelope` as it may be compared and written."""
        for change in self.before_record:
            envelope = change(envelope)
        return envelope

    def are_same(self, recorded: bytes, asked: Envelope, encoded: bytes) -> bool:
        """Tell whether the recorded message is `asked`, which encodes to `encoded`."""
        if self.match_on == PARTS and recorded == encoded:
            return True
        old = Envelope.decode(recorded)
        return all(
            part(old, asked) if callable(part) else self._part(old, part) == self._part(asked, part)
            for part in self.match_on
        )

    def named_parts(self, envelope: Envelope) -> Hashable:
        """Return the parts that must be equal; messages with the same can only differ for functions of the user."""
        return tuple(self._part(envelope, part) for part in self.match_on if not callable(part))

    def _part(self, envelope: Envelope, name: str) -> Hashable:
        if name != "headers":
            part: Hashable = getattr(envelope, name)
            return part
        ignored = self.ignore_headers
        return frozenset(item for item in envelope.headers.items() if item[0].lower() not in ignored)

    def as_compared(self, recorded: Envelope, asked: Envelope) -> Envelope:
        """Return `asked` with the recorded message's parts and headers where they are not compared, to show the rest.

        If nothing is left that differs, a function of the user refused the message, and `asked` is returned as it is.
        """
        parts = {part: getattr(asked if part in self.match_on else recorded, part) for part in PARTS}
        if "headers" in self.match_on:
            compared = {name: text for name, text in asked.headers.items() if name.lower() not in self.ignore_headers}
            kept = {name: text for name, text in recorded.headers.items() if name.lower() in self.ignore_headers}
            parts["headers"] = compared | kept
        shown = Envelope(**parts)
        return asked if shown == recorded else shown

    def ignored_changes(self, recorded: Envelope, asked: Envelope) -> dict[str, str]:
        """Return recorded values of ignored headers that are others now, and what they are now."""
        if not self.ignore_headers:
            return {}
        new = asked.headers
        return {
            value: new[name]
            for name, value in recorded.headers.items()
            if name.lower() in self.ignore_headers and name in new and new[name] != value
        }
