"""Clients that programs use: what is allowed works, what is denied fails as the client's own error, with its target."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.sandbox.conftest import Listeners, drive
from tests.sandbox.test_launch import SPACES

AIO_PIKA = """
import aio_pika, asyncio, sys
async def attempt(port):
    try:
        await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/", timeout=20)
    except aio_pika.exceptions.AMQPConnectionError as error:
        return type(error).__name__, "Errno 13" in str(error) or "Permission" in repr(error.__context__)
for port in sys.argv[1:]:
    print(*asyncio.run(attempt(port)))
"""

LIBRDKAFKA = """
import confluent_kafka, sys, time
seen = []
def attempt(port):
    seen.clear()
    options = {"bootstrap.servers": f"127.0.0.1:{port}", "error_cb": lambda error: seen.append(str(error))}
    client = confluent_kafka.Producer(options)
    stop = time.monotonic() + 20
    while not seen and time.monotonic() < stop:
        client.poll(0.1)
    return any("Permission denied" in one for one in seen)
for port in sys.argv[1:]:
    print(attempt(port))
"""

HTTP = """
import sys, urllib.request
for port in sys.argv[1:]:
    try:
        print(urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20).read().decode())
    except OSError as error:
        print(error.reason)
"""


def ports(listeners: Listeners) -> list[str]:
    return [str(listeners.allowed), str(listeners.denied)]


@SPACES
@pytest.mark.parametrize(
    ("program", "shown"),
    [(AIO_PIKA, ["False", "True"]), (LIBRDKAFKA, ["False", "True"])],
    ids=["aio-pika", "librdkafka"],
)
def test_broker_clients(listeners: Listeners, program: str, shown: list[str], namespaces: bool) -> None:
    """The listeners hang up, so that both ports end in an error; only the denied one says "permission denied"."""
    outcome, text = drive(
        argv=[sys.executable, "-c", program, *ports(listeners)],
        port=listeners.allowed,
        namespaces=namespaces,
        read=["/etc/hosts", "/etc/ssl"],
        uid=None,
    )
    assert [line.split()[-1] for line in text.splitlines()] == shown, outcome
    assert {denial["target"] for denial in outcome["denials"]} == {f"127.0.0.1:{listeners.denied}"}
    assert ("127.0.0.1", listeners.allowed) in listeners.seen
    assert listeners.unexpected() == set()


class Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_: object) -> None:
        return


@SPACES
def test_http(listeners: Listeners, namespaces: bool) -> None:
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        port = server.server_address[1]
        outcome, text = drive(
            argv=[sys.executable, "-c", HTTP, str(port), str(listeners.denied)],
            port=port,
            namespaces=namespaces,
            uid=None,
        )
        thread.join()
    assert text.splitlines() == ["hello", "[Errno 13] Permission denied"], outcome
    assert listeners.seen == []
