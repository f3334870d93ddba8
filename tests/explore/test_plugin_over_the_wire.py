"""``@pytest.mark.x07(explore=N)`` on tests whose program has a client of its own: its histories go over the wire."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.explore.test_plugin import pytest_in
from x07py.brokers.process import RunningBroker

TEST = """
import pika
import pytest

HOST, PORT = "{host}", {port}


def channel():
    opened = pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT)).channel()
    opened.confirm_delivery()
    opened.queue_declare("{queue}", durable=True)
    opened.queue_declare("{queue}-out", durable=True)
    return opened


def send():
    opened = channel()
    for number in range(2):
        opened.basic_publish("", "{queue}", b"order %d" % number)


def serve(most):
    opened = channel()
    for method, properties, order in opened.consume("{queue}"):
        opened.basic_ack(method.delivery_tag)
        opened.basic_publish("", "{queue}-out", order)
        most -= 1
        if not most:
            break
    opened.connection.close()


@pytest.mark.x07(cassette="a.x07rr.bin", explore=6)
def test_service():
    serve(2)
"""


@pytest.mark.live
def test_a_test_of_a_client_is_explored_in_processes_of_its_own(project: Path, live_amqp: RunningBroker) -> None:
    queue = f"explored-{uuid.uuid4().hex[:8]}"
    host, _, port = live_amqp.address.rpartition(":")
    test = project / "test_service.py"
    test.write_text(TEST.format(host=host, port=port, queue=queue))
    subprocess.run([sys.executable, "-c", "import test_service; test_service.send()"], cwd=project, check=True)
    assert "1 passed" in pytest_in(project, "test_service.py")
    said = pytest_in(project, "test_service.py")
    assert "1 failed" in said, said
    assert f"results: {queue}-out" in said, said
    assert "kept: " in said
