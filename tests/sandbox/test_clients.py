"""Clients that programs use: what is allowed works, what is denied fails as the client's own error, with its target."""

from __future__ import annotations

import shutil
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.sandbox.conftest import Listeners, drive
from x07py.brokers.native import fetch_kafka
from x07py.brokers.process import RunningBroker

BACKENDS = pytest.mark.parametrize("emulate", [[], ["busy"]], ids=["supervisor", "relays"])

AIO_PIKA = """
import aio_pika, asyncio, sys
async def attempt(port):
    try:
        await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{port}/", timeout=60)
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
    stop = time.monotonic() + 60
    while not seen and time.monotonic() < stop:
        client.poll(0.1)
    return any("Permission denied" in one for one in seen)
for port in sys.argv[1:]:
    print(attempt(port))
"""

WEB = """
import asyncio, requests, subprocess, sys, urllib.request
def with_urllib(url, port):
    return urllib.request.urlopen(url, timeout=60).read().decode()
def with_requests(url, port):
    return requests.get(url, timeout=60).text
def with_curl(url, port):
    return subprocess.run(["curl", "--silent", "--show-error", url], capture_output=True, text=True, check=True).stdout
def with_asyncio(url, port):
    async def fetch():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        return (await reader.read()).decode().rpartition("\\n")[2]
    return asyncio.run(fetch())
for client in (with_urllib, with_requests, with_curl, with_asyncio):
    for port in map(int, sys.argv[1:]):
        try:
            print(client.__name__, client(f"http://127.0.0.1:{port}/", port))
        except (OSError, subprocess.CalledProcessError) as error:
            words = f"{error} {getattr(error, 'stderr', '')}"
            print(client.__name__, "denied" if "ermission denied" in words or "connect to server" in words else words)
"""


def ports(listeners: Listeners) -> list[str]:
    return [str(listeners.allowed), str(listeners.denied)]


@BACKENDS
@pytest.mark.parametrize(
    ("program", "shown"),
    [(AIO_PIKA, ["False", "True"]), (LIBRDKAFKA, ["False", "True"])],
    ids=["aio-pika", "librdkafka"],
)
def test_broker_clients(listeners: Listeners, program: str, shown: list[str], emulate: list[str]) -> None:
    """The listeners hang up, so that both ports end in an error; only the denied one says "permission denied"."""
    outcome, text = drive(
        argv=[sys.executable, "-c", program, *ports(listeners)],
        port=listeners.allowed,
        namespaces=True,
        emulate=emulate,
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


@BACKENDS
def test_web_clients(listeners: Listeners, emulate: list[str]) -> None:
    """One of them a program that the program starts: the denials say which."""
    with HTTPServer(("127.0.0.1", 0), Hello) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        outcome, text = drive(
            argv=[sys.executable, "-c", WEB, str(port), str(listeners.denied)],
            port=port,
            namespaces=True,
            emulate=emulate,
            read=["/etc/ssl"],
            uid=None,
        )
        server.shutdown()
        thread.join()
    names = [f"with_{name}" for name in ("urllib", "requests", "curl", "asyncio")]
    assert text.splitlines() == [f"{name} {word}" for name in names for word in ("hello", "denied")], outcome
    assert {denial["target"] for denial in outcome["denials"]} == {f"127.0.0.1:{listeners.denied}"}
    assert {denial["process"]: denial["count"] for denial in outcome["denials"]} == {
        Path(sys.executable).name: 3,
        "curl": 1,
    }
    assert all(denial["pid"] > 1 for denial in outcome["denials"])
    assert listeners.seen == []


NEVER_TRIED = (1, False, set[object]())
"""Java on a busy machine may take longer to start than a call may take."""


@pytest.mark.live
def test_kafkas_own_java_client(live_kafka: RunningBroker, listeners: Listeners, tmp_path: Path) -> None:
    """A tool of Kafka's own jars lists a broker's settings, which it asks for with the Java client."""
    java, jars, options = shutil.which("java"), fetch_kafka(print), tmp_path / "client.properties"
    assert java is not None
    allowed, denied = live_kafka.address, f"127.0.0.1:{listeners.denied}"
    results: dict[str, object] = {}
    for target, milliseconds in ((allowed, 60_000), (denied, 1_000), (denied, 20_000)):
        if results.get(target, NEVER_TRIED) != NEVER_TRIED:
            continue
        options.write_text(f"default.api.timeout.ms={milliseconds}\nrequest.timeout.ms={milliseconds}\n")
        tool = ["kafka.admin.ConfigCommand", "--bootstrap-server", target, "--command-config", str(options)]
        outcome, text = drive(
            argv=[java, "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", *tool, "--describe", "--entity-type", "brokers"],
            port=int(allowed.rpartition(":")[2]),
            namespaces=True,
            read=[str(jars), *map(str, Path("/etc").glob("java-*")), "/etc/hosts", str(options)],
            uid=None,
        )
        denials = {(one["target"], one["process"]) for one in outcome["denials"]}
        results[target] = outcome["status"], "Dynamic configs for broker" in text, denials
    assert results == {allowed: (0, True, set()), denied: (1, False, {(denied, "kafka-admin-cli")})}
    assert listeners.seen == []
