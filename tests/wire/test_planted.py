"""A planted password, which a client is given and nobody else is told, is written and printed nowhere, by any seam.

The password has another shape for each client, and the program says it in another encoding each, so that the guard has
something to stop. What was written and printed is searched for it in all encodings, and by what the guard decodes.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from tests.drivers.test_leaks import command_lines
from tests.rr.test_guard import ENCODINGS, SECRETS, known
from tests.support.listeners import USER, Listeners, add_scram_user
from tests.support.live import rabbitmqctl
from tests.wire import saying
from x07py.brokers.process import RunningBroker
from x07py.rr.guard import register_secret, secret_in

pytestmark = pytest.mark.live
__all__ = ["known"]
CASES = [
    ("aiokafka", "token", "Base64 in JSON"),
    ("kafka_python", "aws", "gzip in Base64"),
    ("confluent_kafka", "punctuation", "percent twice"),
    ("aio_pika", "punctuation", "JSON in JSON"),
    ("pika", "jwt", "Base64, wrapped"),
    ("kombu", "other letters", "UTF-16"),
]

OWN_LOGS = tuple(
    f"DEBUG:{name}".encode() for name in ("aiokafka.", "kafka.", "aiormq", "aio_pika", "pika", "amqp", "kombu")
)
"""What clients log of the messages that a program publishes, which is the program's own to show."""


@pytest.fixture
def broker(request: pytest.FixtureRequest, client: str, shape: str) -> tuple[str, str, str]:
    """Return address, user and password of a broker that knows the password of this shape."""
    password = f"{SECRETS[shape]}{uuid.uuid4().hex[:6]}"
    if "kafka" in client:
        live: RunningBroker = request.getfixturevalue("live_kafka")
        listeners: Listeners = request.getfixturevalue("kafka_listeners")
        add_scram_user(live.address, password)
        address = listeners.address("SASL_PLAINTEXT")
        login = {"sasl.mechanism": "SCRAM-SHA-256", "sasl.username": USER, "sasl.password": password}
        asked = AdminClient({"bootstrap.servers": address, "security.protocol": "SASL_PLAINTEXT", **login})
        asked.list_topics(timeout=120)  # the broker learns of the password a moment after the controller
        return address, USER, password
    rabbit: RunningBroker = request.getfixturevalue("live_amqp")
    user, root = f"u{uuid.uuid4().hex[:8]}", request.getfixturevalue("amqp_root")
    rabbitmqctl(root, "add_user", user, password)
    rabbitmqctl(root, "set_permissions", user, ".*", ".*", ".*")
    return rabbit.address, user, password


@pytest.mark.parametrize(("client", "shape", "encoding"), CASES)
def test_what_a_client_is_given_shows_nowhere(
    project: Path, client: str, encoding: str, broker: tuple[str, str, str]
) -> None:
    address, user, password = broker
    shutil.copy(saying.__file__, project / "saying.py")
    x07 = str(Path(sys.executable).parent / "x07")
    place = f"p-{uuid.uuid4().hex[:8]}"
    command = [x07, "rr", "exec", "--cassette", "p.x07rr.bin", "--", sys.executable, "saying.py"]
    stop, lines = threading.Event(), set[bytes]()
    watching = threading.Thread(target=command_lines, args=(stop, lines))
    watching.start()
    try:
        done = subprocess.run(
            [*command, client, address, user, place],
            cwd=project,
            input=password.encode() + b"\0" + ENCODINGS[encoding](password),
            capture_output=True,
            timeout=240,
            check=False,
        )
    finally:
        stop.set()
        watching.join()
    assert done.returncode != 0
    assert b"[2056]" in done.stderr, done.stderr[-2000:]
    written = {str(file): file.read_bytes() for file in project.rglob("*") if file.is_file()}
    assert any(b"harmless" in data for name, data in written.items() if ".x07_rr" in name)
    mine = [line for line in lines if place.encode() in line]
    assert mine
    told = b"\n".join(line for line in done.stdout.splitlines() if not line.startswith(OWN_LOGS))
    assert b"DEBUG:" in done.stdout or b"%7|" in done.stderr
    shown = {"stdout": told, "stderr": done.stderr, "processes": b"\n".join(mine), **written}
    register_secret("planted", password)
    assert [name for name, data in shown.items() if secret_in(data)] == []
    forms = {name: encoded(password) for name, encoded in ENCODINGS.items()}
    assert [(name, form) for name, data in shown.items() for form, text in forms.items() if text in data] == []
