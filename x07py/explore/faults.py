"""The faults: what may happen at an operation of each broker, and why a broker, a network or a machine may do so."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Fault(NamedTuple):
    """One kind of fault: the family that ``--faults`` chooses, and why it is legal."""

    family: str
    why: str


FAMILIES = ("crash", "confirm", "refuse", "rebalance", "reconnect", "stall", "stop", "poison", "clock", "order")
"""What ``--faults`` may name; ``order`` stands for batch boundaries and the order between partitions and queues."""

WIRE_FAMILIES = ("crash", "confirm", "refuse", "reconnect", "stall", "stop", "poison", "order")
"""Those of them that programs meet over the wire; several instances of one also meet ``rebalance``."""

KINDS: dict[str, Fault] = {
    "crash-before": Fault("crash", "the process dies before the request has left it"),
    "crash-midway": Fault("crash", "the process dies when the broker has taken the first part of the request"),
    "crash-after": Fault("crash", "the process dies when the broker has done it, before the answer arrives"),
    "unconfirmed": Fault("confirm", "the broker has stored it, and its answer is lost or late"),
    "unsent": Fault("confirm", "no answer comes, and the broker has stored nothing"),
    "half-unconfirmed": Fault("confirm", "the broker has stored the first part, and no answer comes"),
    "resent": Fault("confirm", "AMQP: the connection is lost after the broker stored it; the driver sends it again"),
    "unanswered": Fault(
        "confirm", "AMQP: a request is handled, and its answer is lost or later than the program waits"
    ),
    "refused": Fault("refuse", "the broker refuses: too few replicas in sync, a full queue, a coordinator that moves"),
    "unreachable": Fault("refuse", "no broker answers for longer than the driver rides out"),
    "rebalance": Fault("rebalance", "Kafka: another member joined and left; partitions went away and came back"),
    "refused-at-revoke": Fault("rebalance", "Kafka: the commit before partitions go away is refused"),
    "disconnect": Fault("reconnect", "AMQP: the connection is lost; all that is not acknowledged is delivered again"),
    "stall": Fault(
        "stall", "Kafka: the process stands still for longer than its session, or its transaction, may last"
    ),
    "stop": Fault("stop", "the process is asked to stop (SIGTERM if it has a handler for it, else as by Ctrl-C)"),
    "clock-forward": Fault("clock", "the wall clock is set forward by 36 hours: it was wrong, or the machine was held"),
    "clock-back": Fault("clock", "the wall clock is set back by 36 hours: it was wrong until now"),
}
JUMPS = {"clock-forward": 1, "clock-back": -1}
"""The faults of a wall clock, and where they lead."""

_ANY = ("stop", "crash-before")
_KAFKA = {
    "publish": ("crash-midway", "crash-after", "unconfirmed", "unsent", "half-unconfirmed", "refused", "unreachable"),
    "start": (*JUMPS,),
    "poll": ("rebalance", "unreachable", *JUMPS),
    "wait": ("rebalance",),
    "revoke": ("refused-at-revoke",),
    "commit": ("crash-after", "refused", "unconfirmed", "stall"),
    "commit-soon": ("crash-after", "refused"),
    "begin": (),
    "init": ("unreachable",),
    "commit-transaction": ("crash-after", "refused", "stall"),
    "abort": ("crash-after",),
    "lag": ("refused",),
}
_AMQP = {
    "publish": (
        "crash-midway",
        "crash-after",
        "unconfirmed",
        "unsent",
        "half-unconfirmed",
        "resent",
        "refused",
        "unreachable",
    ),
    "request": ("crash-after", "unconfirmed", "unanswered", "unsent", "refused", "unreachable"),
    "start": (*JUMPS,),
    "poll": ("disconnect", "unreachable", *JUMPS),
    "wait": ("disconnect",),
    "ack": ("crash-midway", "crash-after", "disconnect"),
    "nack": ("crash-after", "disconnect"),
}
KAFKA_WIRE, AMQP_WIRE = "kafka on the wire", "amqp on the wire"
"""The brokers as clients meet them that have a connection of their own; what comes after a loss is the client's."""
_KAFKA_WIRE = {
    "publish": ("crash-midway", "crash-after", "unconfirmed", "unsent", "half-unconfirmed", "refused"),
    "publish-in-transaction": (
        "crash-midway",
        "crash-after",
        "unconfirmed",
        "unsent",
        "half-unconfirmed",
        "refused",
        "stall",
    ),
    "poll": (),
    "poll-in-group": ("rebalance", "stall"),
    "commit": ("crash-after", "unconfirmed", "unsent", "refused", "stall"),
    "send-offsets": ("unconfirmed", "unsent", "refused", "stall"),
    "commit-transaction": ("crash-after", "unconfirmed", "unsent", "refused"),
    "abort": ("crash-after", "unconfirmed", "unsent", "refused"),
}
_AMQP_WIRE = {
    "publish": ("crash-after", "unconfirmed", "unsent", "refused"),
    "send": ("crash-after", "unconfirmed", "unsent"),
    "poll": ("disconnect",),
    "ack": ("crash-after", "disconnect"),
    "nack": ("crash-after", "disconnect"),
}
_TABLES = {"kafka": _KAFKA, "amqp": _AMQP, KAFKA_WIRE: _KAFKA_WIRE, AMQP_WIRE: _AMQP_WIRE}
_WITHOUT_ANY = {"start", "revoke", "lag", "commit-soon", "begin"}
_PARTS = {"crash-midway", "half-unconfirmed"}


@lru_cache(maxsize=512)
def kinds_at(broker: str, operation: str, families: frozenset[str], *, many: bool) -> tuple[str, ...]:
    """Return the kinds of faults that an operation may meet.

    Args:
        broker: ``kafka``, ``amqp``, `KAFKA_WIRE` or `AMQP_WIRE`.
        operation: a name of the tables above.
        families: those that are explored.
        many: whether the request has more than one part.
    """
    own = _TABLES[broker][operation]
    both = own if operation in _WITHOUT_ANY else _ANY + own
    return tuple(kind for kind in both if KINDS[kind].family in families and (many or kind not in _PARTS))
