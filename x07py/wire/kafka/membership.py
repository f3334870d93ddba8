"""What members of a consumer group tell each other through the broker: subscriptions and assignments."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from x07py.wire.kafka.errors import wire_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.wire.kafka.feeds import Place

CONSUMER = "consumer"
"""The protocol type whose messages these are; others, such as Kafka Connect's, stay as they come."""
_SHORT, _INT = struct.Struct(">h"), struct.Struct(">i")
_OWNED_SINCE = 1


def subscribed_topics(metadata: bytes) -> frozenset[str]:
    """Return the topics that a member subscribes to.

    Args:
        metadata: what it sends with its request to join.

    Raises:
        DriverError: 9650 if it is malformed.
    """
    try:
        names, _ = _topics(metadata)
    except (struct.error, ValueError):
        raise wire_error("a member of a group sent a malformed subscription") from None
    return frozenset(names)


def owned_places(metadata: bytes) -> frozenset[Place]:
    """Return the partitions that a member keeps while it joins anew; none where it gives all up before.

    Args:
        metadata: what it sends with its request to join.

    Raises:
        DriverError: 9650 if it is malformed.
    """
    try:
        (version,), (_, at) = _SHORT.unpack_from(metadata), _topics(metadata)
        if version < _OWNED_SINCE:
            return frozenset()
        (size,) = _INT.unpack_from(metadata, at)
        return flat(_places(metadata, at + _INT.size + max(size, 0)))
    except (struct.error, ValueError):
        raise wire_error("a member of a group sent a malformed subscription") from None


def _topics(metadata: bytes) -> tuple[list[str], int]:
    """Return the topics in a subscription, behind its version, and where they end."""
    (count,), at = _INT.unpack_from(metadata, _SHORT.size), _SHORT.size + _INT.size
    names = []
    for _ in range(count):
        name, at = _string(metadata, at)
        names.append(name)
    return names, at


def assigned_places(assignment: bytes) -> dict[str, list[int]]:
    """Return the partitions in an assignment by topic; an empty one has none.

    Raises:
        DriverError: 9650 if it is malformed.
    """
    if not assignment:
        return {}
    try:
        return _places(assignment, _SHORT.size)
    except (struct.error, ValueError):
        raise wire_error("the leader of a group sent a malformed assignment") from None


def _places(data: bytes, at: int) -> dict[str, list[int]]:
    """Return the partitions in an array of topics that begins at `at`."""
    places: dict[str, list[int]] = {}
    (count,) = _INT.unpack_from(data, at)
    at += _INT.size
    for _ in range(count):
        name, at = _string(data, at)
        (many,) = _INT.unpack_from(data, at)
        at += _INT.size
        if not 0 <= many <= len(data):
            raise ValueError
        places[name] = sorted(struct.unpack_from(f">{many}i", data, at))
        at += _INT.size * many
    return places


def assignment_of(places: Mapping[str, list[int]], own: bytes = b"") -> bytes:
    """Return an assignment as a member gets it.

    Args:
        places: the partitions by topic.
        own: the assignment that the member made for itself; what its assignor says beside the partitions stays.

    Raises:
        DriverError: 9650 if `own` is malformed.
    """
    said = own[_end_of_places(own) :] if own else _INT.pack(0)
    parts = [_SHORT.pack(0), _INT.pack(len(places))]
    for name, numbers in places.items():
        raw = name.encode()
        parts += (_SHORT.pack(len(raw)), raw, _INT.pack(len(numbers)), struct.pack(f">{len(numbers)}i", *numbers))
    parts.append(said)
    return b"".join(parts)


def _end_of_places(assignment: bytes) -> int:
    try:
        (count,), at = _INT.unpack_from(assignment, 2), 6
        for _ in range(count):
            _, at = _string(assignment, at)
            at += 4 + 4 * _INT.unpack_from(assignment, at)[0]
    except (struct.error, ValueError):
        raise wire_error("the leader of a group sent a malformed assignment") from None
    return at


def flat(places: Mapping[str, list[int]]) -> frozenset[Place]:
    """Return the partitions of an assignment as pairs."""
    return frozenset((topic, number) for topic, numbers in places.items() for number in numbers)


def _string(data: bytes, at: int) -> tuple[str, int]:
    (size,) = _SHORT.unpack_from(data, at)
    end = at + 2 + size
    if size < 0 or end > len(data):
        raise ValueError
    return data[at + 2 : end].decode(), end
