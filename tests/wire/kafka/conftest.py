"""What tests of Kafka's protocol share."""

from __future__ import annotations

import pytest

from x07py.brokers.process import RunningBroker
from x07py.wire.stand_in import Address


@pytest.fixture
def broker(live_kafka: RunningBroker) -> Address:
    """Where the live Kafka is."""
    host, _, port = live_kafka.address.rpartition(":")
    return Address(host, int(port))
