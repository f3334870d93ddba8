"""Orders become alerts, with kafka-python; ``commit-first`` commits an order before its alert is there."""

from __future__ import annotations

import sys

from kafka import KafkaConsumer, KafkaProducer

BROKER = "kafka.example:9092"
consumer = KafkaConsumer(
    "orders", bootstrap_servers=BROKER, group_id="alerts", auto_offset_reset="earliest", enable_auto_commit=False
)
producer = KafkaProducer(bootstrap_servers=BROKER)
try:
    for order in consumer:
        if "commit-first" in sys.argv:
            consumer.commit()
        producer.send("alerts", key=order.key, value=order.value).get(20)
        if "commit-first" not in sys.argv:
            consumer.commit()
finally:
    consumer.close()
    producer.close()
