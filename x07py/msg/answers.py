"""Answers to requests: a pure function, for the header ``reply-to`` says all that an answer needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.errors import EnvelopeError
from x07py.msg.envelope import Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping


def answer_to(request: Envelope, value: bytes, headers: Mapping[str, str] | None = None) -> Envelope:
    """Return the answer to a request: for where its ``reply-to`` says, with its key and ``correlation-id``.

    Args:
        request: as it was delivered.
        value: the answer.
        headers: further headers.

    Raises:
        EnvelopeError: 9594 if nobody waits for an answer.
    """
    place = request.headers.get("reply-to")
    if not place:
        hint = "look for the header reply-to before you answer"
        raise EnvelopeError(9594, "the message has no header reply-to, so nobody waits for an answer", hint=hint)
    own = {name: request.headers[name] for name in ("correlation-id",) if name in request.headers}
    return Envelope(place, request.key, value, {**(headers or {}), **own})
