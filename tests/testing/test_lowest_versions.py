"""The lowest declared version of confluent-kafka: its clients are led to a port, as only they can make messages."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY
from x07py.brokers.process import RunningBroker

LOWEST = REPOSITORY / ".venv" / "lowest"
SERVICE = """
import sys
from confluent_kafka import Consumer, Producer, __version__
from confluent_kafka.admin import AdminClient
from x07py import use_cassette

address, topic = sys.argv[1:]
with use_cassette("lowest.x07rr.bin"):
    print(__version__)
    admin = AdminClient({"bootstrap.servers": address})
    admin.poll(timeout=0)
    print(bool(admin), len(admin))
    producer = Producer({"bootstrap.servers": address})
    for n in range(3):
        producer.produce(topic, f"value {n}", "key", 0, on_delivery=lambda error, sent: print(error, sent.offset()))
    producer.flush(20)
    settings = {"group.id": topic, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer({"bootstrap.servers": address, "enable.partition.eof": True, **settings})
    committed = lambda used, _: print([one.offset for one in used.commit(asynchronous=False) if one.offset > 0])
    consumer.subscribe([topic], on_revoke=committed)
    ends = 0
    while ends < len(admin.list_topics(topic, 20).topics[topic].partitions):
        message = consumer.poll(20)
        if not message:
            break
        ends += message.error() is not None
        if not message.error():
            print(message.key(), message.value(), message.timestamp())
    consumer.close()
print("end")
"""


@pytest.mark.live
def test_a_service_records_and_replays(project: Path, live_kafka: RunningBroker) -> None:
    assert LOWEST.is_dir(), "run `make .venv/lowest`, which installs the lowest versions"
    (project / "service.py").write_text(SERVICE)
    command = [sys.executable, "service.py", live_kafka.address, f"lowest-{uuid.uuid4().hex[:8]}"]
    environment = {**os.environ, "PYTHONPATH": f"{LOWEST}{os.pathsep}{REPOSITORY}"}
    offline = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]
    outputs = []
    for prefix in ([], offline):
        done = subprocess.run(
            [*prefix, *command], cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        outputs.append(done.stdout)
    assert outputs[0].startswith("2.12.")
    assert outputs[0].endswith("[3]\nend\n")
    assert outputs[1] == outputs[0]
