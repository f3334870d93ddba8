"""What a pump is told, and what it tells at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from x07py.errors import PumpError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.contracts.service import Service
    from x07py.drivers import Driver
    from x07py.pumping.stores import Store

Results = Iterable[Envelope] | Envelope | None
Handler = Callable[[Envelope], Results] | Callable[[Envelope], Awaitable[Results]]


@dataclass(slots=True)
class PumpReport:
    """How many messages were consumed, produced, dead-lettered, left out as duplicates; how often I/O was retried; how
    many messages were sent to the retry topic."""

    consumed: int = 0
    produced: int = 0
    dead_lettered: int = 0
    duplicates: int = 0
    retried: int = 0
    postponed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PumpOptions:
    """How a pump treats what goes wrong.

    Args:
        dead_letter: topic, or queue, for messages that the handler cannot take; without one such a message stops the
            pump.
        retried_errors: classes of exceptions after which the handler is called again with the same message.
        retry_attempts: how often the handler is called for one message at most.
        retry_pause_s: seconds before the second call, twice as long before each further one, up to 5.
        retry_topic: where a message goes if all these calls fail, before the dead letters: a topic that is read later
            on, or on RabbitMQ a queue whose ``x-message-ttl`` and dead-letter exchange bring it back.
        retry_rounds: how often a message goes there; then it is a dead letter.
        exactly_once: consume, produce and commit in one Kafka transaction a batch; source and sink are one driver.
        transactional_id: name of this instance for exactly-once, the same after a restart and no other instance's; with
            one, a restart need not wait for the transaction of its predecessor to time out.
        workers: how many messages are handled at a time, in threads, or as tasks if the handler is a coroutine.
            Messages of one key stay in order; those without a key do not.
        window: how many message ids are remembered, to leave out what comes twice; 0 remembers none.
        identity: the id of a message; an empty one is not remembered.
        store: a database that keeps the results of each id, so that no message is handled again, whatever fails; it is
            not used in a world without files.
        io_attempts: how often a broker operation is tried before its error ends the pump.
        drain_s: seconds that the batch in hand may take after the request to stop.
        commit_interval_s: the least seconds between two commits to Kafka; what was done since is repeated after a kill.
        stall_s: seconds after which a handler that has not finished is logged as stalled.
        max_items: most messages in one batch; the profile's limit if that is less or this is None.
        limit: stop after exactly this many messages; those delivered beyond are given back.
    """

    dead_letter: str = ""
    retried_errors: tuple[type[Exception], ...] = ()
    retry_attempts: int = 5
    retry_pause_s: float = 0.1
    retry_topic: str = ""
    retry_rounds: int = 3
    exactly_once: bool = False
    transactional_id: str = ""
    workers: int = 1
    window: int = 0
    identity: Callable[[Envelope], str] = field(default=lambda envelope: envelope.headers.get("ce_id", ""))
    store: Store | None = None
    io_attempts: int = 8
    drain_s: float = 30.0
    commit_interval_s: float = 1.0
    stall_s: float = 30.0
    max_items: int | None = None
    limit: int | None = None

    def check(self) -> None:
        """Refuse options that cannot be meant.

        Raises:
            PumpError: 9900.
        """
        numbers = ("workers", "io_attempts", "retry_attempts", "retry_rounds")
        if any(getattr(self, name) < 1 for name in numbers):
            raise PumpError(9900, f"{', '.join(numbers)} are at least 1", hint="correct the options")
        if self.limit is not None and self.limit < 1:
            raise PumpError(9900, f"a limit of {self.limit} messages", hint="give 1 or more, or None for no limit")
        if self.store is not None and self.exactly_once:
            raise PumpError(9900, "a store and exactly_once do the same", hint="take the store, or the transaction")
        if self.retry_topic and not self.retried_errors:
            raise PumpError(
                9900, "retry_topic without retried_errors", hint="name the exceptions that a later try may mend"
            )


def by_manifest(
    service: Service, source: Driver, options: PumpOptions, topics: tuple[str, ...], group: str
) -> tuple[PumpOptions, tuple[str, ...], str]:
    """Return options, topics and group as a service's manifest has them.

    Raises:
        PumpError: 9900 if the program says any of it too, or consumes with another driver than the manifest names.
    """
    told: dict[str, Any] = {
        "dead_letter": service.dead_letter,
        "drain_s": service.drain_s,
        "exactly_once": service.exactly_once,
        "max_items": service.in_flight,
    }
    usual = PumpOptions()
    twice = [name for name in told if getattr(options, name) != getattr(usual, name)]
    twice += ["topics"] if topics else []
    twice += ["group"] if group else []
    if twice:
        message = f"the manifest of service {service.id!r} says {', '.join(twice)}, and so does the program"
        raise PumpError(9900, message, hint="leave it to the manifest")
    if (source.kind, source.profile) != (service.driver, service.profile):
        message = f"service {service.id!r} consumes by {service.driver} {service.profile!r}"
        hint = "open the driver that the manifest names"
        raise PumpError(9900, message, where=f"{source.kind} {source.profile!r}", hint=hint)
    return replace(options, **told), service.sources, service.group
