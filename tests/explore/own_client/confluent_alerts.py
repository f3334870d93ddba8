"""Orders become alerts, with confluent-kafka; ``commit-first`` commits an order before its alert is there."""

from __future__ import annotations

import sys

from confluent_kafka import Consumer, Producer

SETTINGS = {"bootstrap.servers": "kafka.example:9092"}
CONSUMER = {**SETTINGS, "group.id": "alerts", "auto.offset.reset": "earliest", "enable.auto.commit": False}
consumer, producer = Consumer(CONSUMER), Producer(SETTINGS)
consumer.subscribe(["orders"])
try:
    while True:
        order = consumer.poll(0.1)
        if order is None or order.error():
            continue
        if "commit-first" in sys.argv:
            consumer.commit(message=order, asynchronous=False)
        producer.produce("alerts", key=order.key(), value=order.value())
        if producer.flush(20):
            raise TimeoutError("alerts are not confirmed")
        if "commit-first" not in sys.argv:
            consumer.commit(message=order, asynchronous=False)
finally:
    consumer.close()
