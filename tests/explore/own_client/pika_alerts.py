"""Orders become alerts, with pika; ``commit-first`` acknowledges an order before its alert is confirmed."""

from __future__ import annotations

import sys
from typing import Any

import pika

connection = pika.BlockingConnection(pika.ConnectionParameters("rabbit.example"))
channel = connection.channel()
channel.confirm_delivery()
channel.queue_declare("orders", durable=True)
channel.queue_declare("alerts", durable=True)
channel.basic_qos(prefetch_count=2)


def handle(_: Any, order: Any, __: Any, body: bytes) -> None:
    if "commit-first" in sys.argv:
        channel.basic_ack(order.delivery_tag)
    channel.basic_publish("", "alerts", body, mandatory=True)
    if "commit-first" not in sys.argv:
        channel.basic_ack(order.delivery_tag)


channel.basic_consume("orders", handle)
channel.start_consuming()
