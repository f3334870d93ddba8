"""What a pump is told, and what it tells at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from x07py.msg import Envelope

Handler = Callable[[Envelope], Iterable[Envelope]]


@dataclass(slots=True)
class PumpReport:
    """How many messages were consumed, produced, dead-lettered, left out as duplicates; how often I/O was retried."""

    consumed: int = 0
    produced: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpOptions:
    """How a pump treats what goes wrong.

    Args:
        dead_letter: topic, or queue, for messages that the handler cannot take; without one such a message stops the
            pump.
        exactly_once: consume, produce and commit in one Kafka transaction a batch; source and sink are one driver.
        transactional_id: name of this instance for exactly-once, the same after a restart and no other instance's; with
            one, a restart need not wait for the transaction of its predecessor to time out.
        workers: threads that run the handler; messages of one key stay in order.
        window: how many message ids are remembered, to leave out what comes twice; 0 remembers none.
        identity: the id of a message; an empty one is not remembered.
        io_attempts: how often a broker operation is tried before its error ends the pump.
        drain_s: seconds that the batch in hand may take after the request to stop.
        stall_s: seconds after which a handler that has not finished is logged as stalled.
        limit: stop after so many messages.
    """

    dead_letter: str = ""
    exactly_once: bool = False
    transactional_id: str = ""
    workers: int = 1
    window: int = 0
    identity: Callable[[Envelope], str] = field(default=lambda envelope: envelope.headers.get("ce_id", ""))
    io_attempts: int = 8
    drain_s: float = 30.0
    stall_s: float = 30.0
    limit: int | None = None
