"""Which recorded message is the one that a program publishes: parts, filters, functions of the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from x07py.msg import Envelope
from x07py.rr.redaction import Redaction

if TYPE_CHECKING:
    from collections.abc import Hashable

    from x07py.rr.varying import Names, Varying

PARTS = ("topic", "key", "headers", "value")
Matcher = Callable[[Envelope, Envelope], bool]
Filter = Callable[[Envelope], Envelope]


class Rules(NamedTuple):
    """What counts as the same message, and what must not be written.

    Args:
        match_on: parts of a message that must be equal, of `PARTS`, and functions of the recorded and the new message.
        varying: what of a message may be another in every run.
        before_record: functions that each message passes, after redaction, before it is compared or written.
        real_time: whether a replay waits as long as the recording did.
        patience_s: seconds that a consumer may go on waiting when there is nothing left for it.
        redaction: what is not written, of messages and of arguments and results.
    """

    match_on: tuple[str | Matcher, ...]
    varying: Varying
    before_record: tuple[Filter, ...]
    real_time: bool
    patience_s: float
    redaction: Redaction = Redaction()

    def clean(self, envelope: Envelope) -> Envelope:
        """Return `envelope` as it may be compared and written."""
        envelope = self.redaction.envelope(envelope)
        for change in self.before_record:
            envelope = change(envelope)
        return envelope

    def are_same(self, recorded: bytes, asked: Envelope, encoded: bytes, names: Names) -> bool:
        """Tell whether the recorded message is `asked`, which encodes to `encoded`; captured identifiers are learnt.

        Args:
            recorded: the recorded message.
            asked: the program's.
            encoded: `asked` in bytes.
            names: which identifier of this run stands for which recorded one.
        """
        if self.match_on == PARTS and recorded == encoded:
            return True
        old = Envelope.decode(recorded)
        before, now = self.varying.shape(old), self.varying.shape(asked)
        pairs = list(zip(before.captured, now.captured, strict=False))
        if len(before.captured) != len(now.captured) or not names.fit(pairs):
            return False
        same = all(
            part(old, asked) if callable(part) else self._same_part(before.envelope, now.envelope, part, names)
            for part in self.match_on
        )
        if same:
            names.learn(pairs)
        return same

    def _same_part(self, old: Envelope, new: Envelope, part: str, names: Names) -> bool:
        recorded = self._part(old, part)
        return recorded == self._part(new, part) or (
            bool(names.recorded) and recorded == self._part(names.as_recorded(new), part)
        )

    def named_parts(self, envelope: Envelope, names: Names) -> Hashable:
        """Return the parts that must be equal; messages with the same can only differ for functions of the user."""
        shape = names.as_recorded(self.varying.shape(envelope).envelope)
        return tuple(self._part(shape, part) for part in self.match_on if not callable(part))

    def key_lane(self, envelope: Envelope, names: Names) -> tuple[bytes, bool]:
        """Return the key as recorded ones are sorted by it, and whether others may be sorted to the same."""
        if not self.varying.shapes:
            return envelope.key, False
        blotted = self.varying.shape(envelope).envelope.key
        return names.as_recorded(Envelope("", blotted, b"", {})).key, blotted != envelope.key

    def _part(self, envelope: Envelope, name: str) -> Hashable:
        if name != "headers":
            part: Hashable = getattr(envelope, name)
            return part
        ignored = self.varying.ignore_headers
        return frozenset(item for item in envelope.headers.items() if item[0].lower() not in ignored)

    def as_compared(self, recorded: Envelope, asked: Envelope) -> Envelope:
        """Return `asked` with the recorded message's parts and headers where they are not compared, to show the rest.

        If nothing is left that differs, a function of the user refused the message, and `asked` is returned as it is.
        """
        settled = self.varying.settled(recorded, asked) if self.varying.shapes else asked
        parts = {part: getattr(settled if part in self.match_on else recorded, part) for part in PARTS}
        if "headers" in self.match_on:
            ignored = self.varying.ignore_headers
            compared = {name: text for name, text in settled.headers.items() if name.lower() not in ignored}
            kept = {name: text for name, text in recorded.headers.items() if name.lower() in ignored}
            parts["headers"] = compared | kept
        shown = Envelope(**parts)
        return asked if shown == recorded else shown

    def is_compared(self, header: str) -> bool:
        """Tell whether a header must be equal."""
        return "headers" in self.match_on and header.lower() not in self.varying.ignore_headers

    def ignored_changes(self, recorded: Envelope, asked: Envelope) -> dict[str, str]:
        """Return recorded values of headers that are not compared and others now, and what they are now."""
        if not self.varying.ignore_headers and "headers" in self.match_on:
            return {}
        new = asked.headers
        return {
            value: new[name]
            for name, value in recorded.headers.items()
            if not self.is_compared(name) and name in new and new[name] != value
        }
