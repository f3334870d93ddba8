"""Dead letters and letters to the retry topic: the message as it came, and why it was not taken."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from x07py.errors import PumpError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.drivers import Delivery
    from x07py.pumping.handling import Outcome

_ELSEWHERE = ("x07-exchange", "x07-partition")
_MOST_KEY = 1024
RETRY_COUNT = "x07-retry-count"


def dead_letter(delivery: Delivery, outcome: Outcome, topic: str, *, limit: int, bare: bool = False) -> Envelope:
    """Return the dead letter of a message.

    Args:
        delivery: the message.
        outcome: why it is not taken.
        topic: where dead letters go.
        limit: most bytes that an envelope may have there; a larger letter is made bare.
        bare: leave out value, own headers and a long key, and state digests instead.

    Raises:
        PumpError: 9901 if there is no topic for dead letters.
    """
    envelope = delivery.envelope
    place = {name.replace("_", "-"): str(value) for name, value in delivery.meta.items()}
    if not topic:
        raise PumpError(
            9901,
            f"the handler failed: {outcome.reason}",
            where=", ".join(f"{name} {value}" for name, value in place.items()),
            hint="name a dead_letter topic, or let the handler take such a message",
        )
    about = {f"x07-dead-{name}": value for name, value in place.items()}
    about["x07-dead-reason"], about["x07-dead-traceback-sha256"] = outcome.reason, outcome.digest
    if not bare:
        headers = {name: text for name, text in envelope.headers.items() if name not in _ELSEWHERE}
        letter = Envelope(topic, envelope.key, envelope.value, {**headers, **about})
        if letter.size <= limit:
            return letter
    about["x07-dead-value-sha256"] = hashlib.sha256(envelope.value).hexdigest()
    key = envelope.key
    if len(key) > _MOST_KEY:
        about["x07-dead-key-sha256"] = hashlib.sha256(key).hexdigest()
        key = b""
    return Envelope(topic, key, b"", about)


def postponed(delivery: Delivery, outcome: Outcome, topic: str, *, rounds: int, limit: int) -> Envelope | None:
    """Return a message as it goes to the retry topic, None if it has been there often enough or would not fit.

    Args:
        delivery: the message.
        outcome: why it is not taken now.
        topic: the retry topic.
        rounds: how often it may go there; its header ``x07-retry-count`` says how often it has.
        limit: most bytes that an envelope may have there.
    """
    envelope = delivery.envelope
    count = envelope.headers.get(RETRY_COUNT, "0")
    been = int(count) if count.isascii() and count.isdigit() and len(count) < 10 else 0
    if been >= rounds:
        return None
    headers = {name: text for name, text in envelope.headers.items() if name not in _ELSEWHERE}
    about = {RETRY_COUNT: str(been + 1), "x07-retry-reason": outcome.reason}
    again = Envelope(topic, envelope.key, envelope.value, {**headers, **about})
    return again if again.size <= limit else None
