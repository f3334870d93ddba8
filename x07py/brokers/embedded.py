"""An embedded Kafka: librdkafka's own mock cluster. Real TCP and the real protocol, no Java and no Docker.

It serves programs in other processes too; their address is read from the metadata of the client that hosts it. It is no
store: a partition keeps 5 MiB or 100,000 messages and drops the oldest beyond that. A group that was left is given to
its next member after the session timeout. Administration, KIP-848 groups and hiding aborted transactions are missing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from x07py.errors import DevelopmentBrokerError, NotInstalledError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Producer

_START_TIMEOUT_S = 10.0
PORTS: set[int] = set()
"""Where embedded brokers of this process listen: a client that connects there talks to a broker, not to its program."""


class EmbeddedKafka:
    """A mock cluster of one broker that lives as long as the block.

    Args:
        topics: topics that exist from the start; others come into being when a producer first asks for them.

    >>> with EmbeddedKafka() as kafka:  # doctest: +SKIP
    ...     print(kafka.bootstrap)
    127.0.0.1:36193
    """

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self._topics = tuple(topics)
        self._host: Producer | None = None
        self.bootstrap: str = ""

    def __enter__(self) -> Self:
        """Start the cluster.

        Raises:
            DriverError: 9625 if confluent-kafka is not installed, 9626 if the cluster does not answer within 10 s.
        """
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError:
            raise NotInstalledError(
                9625, "the embedded Kafka needs the distribution 'confluent-kafka'", hint="pip install 'x07py[kafka]'"
            ) from None
        config: dict[str, Any] = {"test.mock.num.brokers": 1, "bootstrap.servers": "127.0.0.1:1", "log_level": 0}
        self._host = Producer(config)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                brokers = self._host.list_topics(timeout=1).brokers
                for topic in self._topics:
                    self._host.list_topics(topic, timeout=1)
            except KafkaException:
                continue
            PORTS.update(broker.port for broker in brokers.values())
            self.bootstrap = ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
            return self
        raise DevelopmentBrokerError(9626, "the embedded Kafka did not answer within 10 s", hint="try again")

    def __exit__(self, *exc: object) -> None:
        self._host = None
        PORTS.difference_update(int(address.rpartition(":")[2]) for address in self.bootstrap.split(",") if address)
        self.bootstrap = ""
