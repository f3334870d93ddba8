"""Frameworks on RabbitMQ that make identifiers and times of their own, replayed with one or two declared lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.testing.programs import prove, write

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.brokers.process import RunningBroker

CELERY = """
from celery import Celery
app = Celery("varying", broker="amqp://guest:guest@BROKER/")
app.conf.task_default_queue = "varying-celery"

@app.task
def add(a, b):
    return a + b

sent = add.delay(2, 3)
with app.connection_for_read() as connection:
    message = connection.SimpleQueue("varying-celery").get(timeout=20)
    print(message.headers["id"] == sent.id, message.properties["correlation_id"] == sent.id)
    message.ack()
"""
DRAMATIQ = """
import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
broker = RabbitmqBroker(url="amqp://guest:guest@BROKER/")
dramatiq.set_broker(broker)

@dramatiq.actor(queue_name="varying-dramatiq")
def handle(number):
    pass

sent = handle.send(3)
consumer = broker.consume("varying-dramatiq", timeout=20000)
message = next(consumer)
print(message.message_id == sent.message_id)
consumer.ack(message)
consumer.close()
"""
KOMBU = """
import time
from kombu import Connection, Queue, uuid
with Connection("amqp://guest:guest@BROKER/") as connection:
    queue = Queue("reply." + uuid(), channel=connection.channel(), auto_delete=True)
    queue.declare()
    one = uuid()
    connection.Producer().publish({"id": one}, routing_key=queue.name, correlation_id=one, reply_to=queue.name)
    while (message := queue.get()) is None:
        time.sleep(0.1)
    print(message.payload["id"] == one, message.properties["reply_to"] == queue.name)
    message.ack()
"""
DECLARED = {
    "celery": (CELERY, ["--capture", "uuid", "--ignore-header", "origin"], "True True\n"),
    "dramatiq": (DRAMATIQ, ["--capture", "uuid", "--ignore-field", "$.message_timestamp"], "True\n"),
    "kombu": (KOMBU, ["--capture", "uuid"], "True True\n"),
}


@pytest.mark.parametrize("name", DECLARED)
def test_a_framework_replays_with_what_is_declared(project: Path, live_amqp: RunningBroker, name: str) -> None:
    text, options, printed = DECLARED[name]
    assert prove(project, write(project, f"on_{name}", text), live_amqp.address, *options) == printed
