"""Explaining failed comparisons of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.drivers.base import Delivery


def explain_difference(left: object, right: object) -> list[str] | None:
    """Return lines on how two envelopes, deliveries or lists of them differ; None for anything else."""
    if isinstance(left, list) and isinstance(right, list):
        return _explain_lists(left, right)
    if not _is_message(left) or type(left) is not type(right):
        return None
    from x07py.rr.difference import describe_difference

    old, new = _envelope(left), _envelope(right)
    lines = [f"two of {type(left).__name__} differ; - is the right one (expected), + the left one (actual)"]
    lines += describe_difference(new.encode(), old.encode()).splitlines()
    if not isinstance(left, Envelope):
        one, other = left.meta, right.meta  # type: ignore[attr-defined]
        for name in sorted(one.keys() | other.keys()):
            if one.get(name) != other.get(name):
                lines += [f"  meta {name}", f"    - {other.get(name)!r}", f"    + {one.get(name)!r}"]
    return lines


def _explain_lists(left: list[object], right: list[object]) -> list[str] | None:
    if not all(map(_is_message, [*left, *right])) or not (left or right):
        return None
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            return [f"messages differ first at index {number}", *(explain_difference(one, other) or [])]
    return [f"the left list has {len(left)} messages, the right one {len(right)}"]


def _is_message(value: object) -> bool:
    if isinstance(value, Envelope):
        return True
    from x07py.drivers.base import Delivery

    return isinstance(value, Delivery)


def _envelope(message: object) -> Envelope:
    if isinstance(message, Envelope):
        return message
    delivery: Delivery = message  # type: ignore[assignment]
    return delivery.envelope
