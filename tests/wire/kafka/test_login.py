"""Clients that log in over TLS: recorded with their own settings, replayed without a broker; no login is written."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from tests.support.listeners import PASSWORD, USER, Listeners, add_scram_user
from tests.wire.kafka.serving import record_by_driver, served
from x07py.brokers.process import RunningBroker
from x07py.testing.cassette import use_cassette


def program(address: str, mechanism: str, context: ssl.SSLContext) -> list[Any]:
    """Publish and consume over TLS and SASL."""
    topic = f"login-{mechanism}"
    login = {"sasl_mechanism": mechanism, "sasl_plain_username": USER, "sasl_plain_password": PASSWORD}
    settings: dict[str, Any] = {"security_protocol": "SASL_SSL", "ssl_context": context, **login}

    async def run() -> list[Any]:
        async with AIOKafkaProducer(bootstrap_servers=address, **settings) as producer:
            found: list[Any] = [(await producer.send_and_wait(topic, b"%d" % n, b"k")).offset for n in range(3)]
        reading = {"group_id": topic, "auto_offset_reset": "earliest"}
        async with AIOKafkaConsumer(topic, bootstrap_servers=address, **reading, **settings) as consumer:
            for _ in range(3):
                message = await asyncio.wait_for(consumer.getone(), 60)
                found.append((message.offset, message.value))
        return found

    return asyncio.run(run())


@pytest.mark.live
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_client_over_tls_and_sasl_replays(
    project: Path, live_kafka: RunningBroker, kafka_listeners: Listeners, mechanism: str
) -> None:
    add_scram_user(live_kafka.address)
    trusting = ssl.create_default_context(cafile=str(kafka_listeners.authority.file))
    with use_cassette("login.x07rr.bin"):
        recorded = program(kafka_listeners.address("SASL_SSL"), mechanism, trusting)
    assert recorded[3:] == [(n, b"%d" % n) for n in range(3)]
    with use_cassette("login.x07rr.bin", mode="none"):
        assert program("kafka.example:9093", mechanism, ssl.create_default_context()) == recorded
    written = b"".join(one.read_bytes() for one in (project / ".x07_rr").rglob("*") if one.is_file())
    assert PASSWORD.encode() not in written
    assert USER.encode() not in written


def test_scram_is_refused_by_name_where_no_password_is_known(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 1)
    login = {"sasl_mechanism": "SCRAM-SHA-256", "sasl_plain_username": "nobody", "sasl_plain_password": "nothing"}
    with served(tmp_path) as stand_in:
        with pytest.raises(KafkaError):
            KafkaConsumer(
                "orders",
                bootstrap_servers=str(stand_in.address),
                security_protocol="SASL_PLAINTEXT",
                bootstrap_timeout_ms=5000,
                **login,
            )
        assert "a client logs in by SCRAM-SHA-256, whose server has to know the password" in str(stand_in.errors[0])
