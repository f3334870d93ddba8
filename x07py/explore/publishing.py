"""A publish to a simulated broker as its fault has it: what is stored, what the program is told, where it dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.drivers.base import Ack
    from x07py.errors import DriverError
    from x07py.explore.process import Process
    from x07py.msg import Envelope

_NOTHING_STORED = frozenset({"refused", "unreachable", "unsent"})


async def publish_under(
    fault: str,
    process: Process,
    kind: str,
    envelopes: Sequence[Envelope],
    store: Callable[[Envelope], Ack],
    error: Callable[[str, int], DriverError],
) -> list[Ack]:
    """Store messages in order, as far as a fault lets that happen, and return their acknowledgements.

    Args:
        fault: what happens, as `Process.point` returns it; empty for none.
        process: the program that publishes.
        kind: the broker's.
        envelopes: the messages.
        store: keeps one.
        error: returns what the program is told, by the fault and the number of messages.

    Raises:
        DriverError: what `error` returns.
    """
    if fault in _NOTHING_STORED:
        raise error(fault, len(envelopes))
    half = len(envelopes) // 2
    stored = envelopes[:half] if fault in {"crash-midway", "half-unconfirmed"} else envelopes
    acks = [store(one) for one in stored]
    process.note("published", tuple(stored), kind)
    if fault == "resent":
        for one in envelopes[half:]:
            store(one)
        process.note("published", tuple(envelopes[half:]), kind)
    if fault in {"crash-midway", "crash-after"}:
        await process.crash()
    if fault in {"unconfirmed", "half-unconfirmed"}:
        raise error(fault, len(envelopes))
    return acks
