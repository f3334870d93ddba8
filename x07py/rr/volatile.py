"""What differs between two recordings of one program: facts of the broker and of the run, not of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.rr.entry import Entry

HEADERS = frozenset(
    {
        "x07-dead-channel",
        "x07-dead-delivery-tag",
        "x07-dead-offset",
        "x07-dead-partition",
        "x07-dead-redelivered",
        "x07-dead-timestamp-ms",
        "x07-dead-traceback-sha256",
    }
)
"""Headers that the pump adds and that say where and when, not what."""

_COUNTED = ("ack", "commit", "nack", "lag", "poll", "position", "watermarks", "metadata")
"""Operations of which there are more or fewer in each recording, as batches and waits fall."""


def is_volatile_header(name: str) -> bool:
    """Return whether a header holds a fact of the run."""
    return name in HEADERS


def stable_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers sorted by name, without those that hold a fact of the run."""
    return sorted((name, value) for name, value in headers if not is_volatile_header(name))


def is_counted(entry: Entry) -> bool:
    """Return whether how often this operation was recorded, and with what request, says nothing about the program."""
    return entry.op.rpartition(".")[2].startswith(_COUNTED)
