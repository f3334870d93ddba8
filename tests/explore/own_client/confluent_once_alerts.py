"""Orders become alerts, each exactly once, with a confluent-kafka producer in transactions.

With ``own-commit`` the consumer commits by itself when the transaction has ended. With ``own-id`` each process has a
transactional id of its own, as several instances need.
"""

from __future__ import annotations

import os
import sys

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

SERVERS = {"bootstrap.servers": "kafka.example:9092"}
CONSUMER = {**SERVERS, "group.id": "alerts", "auto.offset.reset": "earliest", "enable.auto.commit": False}
LONGEST_S = 20


def rewind(consumer: Consumer) -> None:
    """Consume again from what is committed."""
    for place in consumer.committed(consumer.assignment(), timeout=LONGEST_S):
        consumer.seek(TopicPartition(place.topic, place.partition, max(place.offset, 0)))


def handle(consumer: Consumer, producer: Producer, orders: list[Message]) -> None:
    """Publish and commit in one transaction."""
    producer.begin_transaction()
    try:
        for one in orders:
            producer.produce("alerts", one.value(), one.key())
        if "own-commit" not in sys.argv:
            offsets = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), LONGEST_S)
        producer.commit_transaction(LONGEST_S)
    except KafkaException as error:
        if not error.args[0].txn_requires_abort():
            raise
        producer.abort_transaction(LONGEST_S)
        rewind(consumer)
    if "own-commit" in sys.argv:
        consumer.commit(asynchronous=False)


name = f"alerts-{os.getpid()}" if "own-id" in sys.argv else "alerts"
consumer, producer = Consumer(CONSUMER), Producer({**SERVERS, "transactional.id": name})
producer.init_transactions(LONGEST_S)
consumer.subscribe(["orders"])
try:
    while True:
        taken = [one for one in consumer.consume(10, 0.2) if one.error() is None]
        if taken:
            handle(consumer, producer, taken)
finally:
    consumer.close()
