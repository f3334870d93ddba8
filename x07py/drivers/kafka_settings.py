"""Settings of the Kafka client that a profile passes through, and those that it may not.

They have librdkafka's names: compression, linger, client rack, static membership, sizes and times of fetching, the
protocol of the group. What the driver's promises rest upon, or what the profile has a field of its own for, is refused
by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SECURITY = "the profile's `security` says that"
_CALLBACK = "the driver listens there"
REFUSED = {
    "bootstrap.servers": "the profile's `bootstrap` says that",
    "metadata.broker.list": "the profile's `bootstrap` says that",
    "message.max.bytes": "the profile's `limits` say that",
    "fetch.message.max.bytes": "the profile's `limits` say that",
    "max.partition.fetch.bytes": "the profile's `limits` say that",
    "group.id": "`consume` is told the group",
    "auto.offset.reset": "`consume` is told where to start",
    "enable.auto.commit": "offsets are committed when messages are done, and not before",
    "auto.commit.interval.ms": "offsets are committed when messages are done, and not before",
    "enable.auto.offset.store": "offsets are committed when messages are done, and not before",
    "isolation.level": "aborted transactions stay hidden",
    "enable.idempotence": "messages are stored in order and once, whatever is sent again",
    "max.in.flight": "messages are stored in order and once, whatever is sent again",
    "max.in.flight.requests.per.connection": "messages are stored in order and once, whatever is sent again",
    "transactional.id": "the pump's options name it",
    "transaction.timeout.ms": "exactly-once counts on it",
    "delivery.timeout.ms": "a publish is told after 30 s that it was not confirmed",
    "message.timeout.ms": "a publish is told after 30 s that it was not confirmed",
    "delivery.report.only.error": "a publish returns when each message is confirmed",
    "socket.timeout.ms": "a broker that hangs is told within the documented times",
    "enable.partition.eof": "the driver would take it for an error",
    "logger": _CALLBACK,
    "error_cb": _CALLBACK,
    "on_commit": _CALLBACK,
    "on_delivery": _CALLBACK,
    "oauth_cb": "open_driver(token=...) takes it",
}
_REFUSED_FAMILIES = {"sasl.": _SECURITY, "ssl.": _SECURITY, "security.": _SECURITY, "enable.ssl.": _SECURITY}
_OF_PRODUCERS = (
    "acks",
    "request.required.acks",
    "compression.",
    "linger.ms",
    "queue.buffering.",
    "batch.",
    "retries",
    "retry.backoff",
    "partitioner",
    "sticky.",
)
_OF_CONSUMERS = (
    "group.",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "fetch.",
    "queued.",
    "check.crcs",
)
_ALL = {"all", "-1"}


def check_client_settings(settings: Mapping[str, Any], where: str) -> None:
    """Refuse settings that a profile may not pass to the client.

    Raises:
        ContractError: 9750 with the name of the setting and the reason.
    """
    for name, value in settings.items():
        families = (reason for family, reason in _REFUSED_FAMILIES.items() if name.startswith(family))
        reason = REFUSED.get(name) or next(families, None)
        if name in {"acks", "request.required.acks"} and str(value) not in _ALL:
            reason = "a publish returns when the message is on all replicas in sync"
        if reason is None and not isinstance(value, str | int | float):
            reason = "its value is text, a number, true or false"
        if reason is not None:
            raise ContractError(
                9750,
                f"client_settings may not set {name!r}: {reason}",
                where=where,
                hint="take it out of client_settings of the profile",
            )


def for_producers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that only consumers have."""
    return {name: value for name, value in config.items() if not name.startswith(_OF_CONSUMERS)}


def for_consumers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without those that only producers have."""
    return {name: value for name, value in config.items() if not name.startswith(_OF_PRODUCERS)}
