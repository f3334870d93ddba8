"""What a new user does: make a project, write a test on a real broker, record it, and replay it with the network gone.

The network is taken from outside, by a namespace around the whole process, so nothing in it is believed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import live
from tests.support.project import x07

RABBIT = """
import aio_pika
import pytest
from orders.core import handle
from x07py import Envelope

@pytest.mark.x07(broker="amqp")
async def test_an_urgent_order_comes_out_as_an_alert(x07_broker):
    connection = await aio_pika.connect_robust(x07_broker)
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("mine", auto_delete=True)
        await channel.default_exchange.publish(aio_pika.Message(b'{"id": 7, "urgent": true}'), routing_key="mine")
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                assert [one.topic for one in handle(Envelope("orders", b"", message.body))] == ["alerts"]
                break
"""
KAFKA = """
import pytest
from shop import checkout

@pytest.mark.x07
def test_checkout(x07_broker):
    assert checkout(x07_broker) == [b"paid"]
"""
SHOP = """
from confluent_kafka import Consumer, Producer

def checkout(bootstrap):
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("payments", value="paid")
    producer.flush(10)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "shop", "auto.offset.reset": "earliest"})
    consumer.subscribe(["payments"])
    while (message := consumer.poll(1.0)) is None:
        pass
    consumer.close()
    return [message.value()]
"""


def run_tests(project: Path, *args: str, network: bool = True) -> str:
    """Run the project's tests as its `make test` does, without a network if asked for; return what they print."""
    around = [] if network else ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    command = [*around, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", *args]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(project / "src"), str(project)])}
    done = subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.skipif(live.SKIP, reason=live.SKIPPED)
def test_in_a_generated_service_on_rabbitmq(tmp_path: Path) -> None:
    assert x07("init", "orders", "--template", "worker-amqp", cwd=tmp_path).returncode == 0
    project = tmp_path / "orders"
    (project / "tests" / "test_mine.py").write_text(RABBIT)
    assert "1 passed" in run_tests(project, "tests/test_mine.py")
    assert (project / ".x07_rr/tests/test_mine/test_an_urgent_order_comes_out_as_an_alert.x07rr.bin").is_file()
    replayed = run_tests(project, "--x07-record=none", network=False)
    assert "4 passed" in replayed
    assert "no test used" not in replayed


def test_in_a_project_that_was_there_before(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(KAFKA)
    adopted = x07("init", "--template", "existing", cwd=tmp_path)
    assert adopted.returncode == 0, adopted.stderr
    assert "1 passed" in run_tests(tmp_path)
    assert "1 passed" in run_tests(tmp_path, "--x07-record=none", network=False)
