"""Kinds of brokers that drivers of others bring; Apache Kafka and RabbitMQ are known without."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORTS = {"kafka": 9092, "amqp": 5672}
"""Where brokers usually listen, by kind."""


class DevelopmentBroker(NamedTuple):
    """How a driver's broker runs on this machine, for `x07 broker up KIND`.

    Args:
        port: where it usually listens.
        command: from a folder of its own, which exists, and a port of 127.0.0.1 to the command line of a process that
            stays in the foreground and ends at SIGTERM; `NotInstalledError` if the program is missing.
        answers: whether such a broker answers at host and port; asked again and again while it starts.
    """

    port: int
    command: Callable[[Path, int], list[str]]
    answers: Callable[[str, int], bool]


ADDED: dict[str, DevelopmentBroker] = {}
"""Those that this process has learned of."""


def add_kind(kind: str, broker: DevelopmentBroker) -> None:
    """Let a kind be started like the two that are known."""
    ADDED[kind] = broker
    PORTS[kind] = broker.port
