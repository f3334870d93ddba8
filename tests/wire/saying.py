"""A program on one of six clients: it logs in with a password that it reads, says something, then says the password.

``python saying.py CLIENT ADDRESS USER PLACE``, the password, and what is said of it, on standard input.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable
from urllib.parse import quote


def aiokafka(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    from aiokafka import AIOKafkaProducer

    async def say() -> None:
        login = {"sasl_plain_username": user, "sasl_plain_password": password}
        scram = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-256"}
        async with AIOKafkaProducer(bootstrap_servers=address, **scram, **login) as producer:
            for text in texts:
                await producer.send_and_wait(place, text)

    asyncio.run(say())


def kafka_python(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    from kafka import KafkaProducer

    login = {"sasl_plain_username": user, "sasl_plain_password": password}
    scram = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "SCRAM-SHA-256"}
    producer = KafkaProducer(bootstrap_servers=address, **scram, **login)
    for text in texts:
        producer.send(place, text).get(60)
    producer.close()


def confluent_kafka(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    from confluent_kafka import Producer

    login = {"sasl.username": user, "sasl.password": password}
    scram = {"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "SCRAM-SHA-256"}
    producer = Producer({"bootstrap.servers": address, "debug": "all", **scram, **login})
    for text in texts:
        producer.produce(place, text)
        producer.flush(60)


def aio_pika(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    import aio_pika as client

    async def say() -> None:
        async with await client.connect(f"amqp://{quote(user)}:{quote(password, safe='')}@{address}/") as connection:
            channel = await connection.channel()
            for text in texts:
                await channel.default_exchange.publish(client.Message(text), place)

    asyncio.run(say())


def pika(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    import pika as client

    host, _, port = address.partition(":")
    login = client.PlainCredentials(user, password)
    connection = client.BlockingConnection(client.ConnectionParameters(host, int(port), "/", login))
    channel = connection.channel()
    channel.confirm_delivery()
    for text in texts:
        channel.basic_publish("", place, text)
    connection.close()


def kombu(address: str, user: str, password: str, place: str, texts: Iterable[bytes]) -> None:
    from kombu import Connection

    with Connection(f"amqp://{quote(user)}:{quote(password, safe='')}@{address}//") as connection:
        producer = connection.Producer()
        for text in texts:
            producer.publish(text, routing_key=place)


CLIENTS: dict[str, Callable[[str, str, str, str, Iterable[bytes]], None]] = {
    one.__name__: one for one in (aiokafka, kafka_python, confluent_kafka, aio_pika, pika, kombu)
}


def main() -> None:
    logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
    client, address, user, place = sys.argv[1:]
    password, _, said = sys.stdin.buffer.read().partition(b"\0")
    CLIENTS[client](address, user, password.decode(), place, [b"harmless", said])


if __name__ == "__main__":
    main()
