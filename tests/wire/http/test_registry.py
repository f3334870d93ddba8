"""Schema registries: recorded over real HTTP and HTTPS, replayed without a network; nothing written logs in."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.wire.http.registry import CLIENT_SECRET, LOGINS, PASSWORD, TOKEN, Running, running
from x07py import use_cassette
from x07py.brokers.process import RunningBroker
from x07py.errors import CassetteError, ProtocolError, ReplayMismatchError
from x07py.wire import protocols
from x07py.wire.http.greeting import is_registry_client

PROGRAMS = Path(__file__).parent / "programs"
WITHOUT_NETWORK = ("unshare", "-n") if os.getuid() == 0 else ()
ACCEPT = {"Accept": "application/vnd.schemaregistry.v1+json", "Authorization": LOGINS[0]}
FORM = b"POST /t HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
SCHEMA = json.dumps({"schema": '{"type": "string"}'})


def on_cassette(project: Path, *command: str, network: bool) -> str:
    """Run a program on the cassette and return what it prints."""
    x07 = (str(Path(sys.executable).parent / "x07"), "rr", "exec", "--cassette", "r.x07rr.bin", "--", sys.executable)
    before = () if network else WITHOUT_NETWORK
    done = subprocess.run(
        [*before, *x07, *command], cwd=project, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
    return done.stdout


def written(project: Path) -> bytes:
    return b"".join(file.read_bytes() for file in (project / ".x07_rr").iterdir() if file.is_file())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A registry; tests use subjects of their own."""
    with running(tmp_path_factory.mktemp("registry")) as found:
        yield found


@pytest.mark.live
def test_serializers_replay_from_the_cassette_of_their_messages(
    project: Path, live_kafka: RunningBroker, registry: Running
) -> None:
    shutil.copy(registry.folder / "ca.pem", project)
    topic = f"sr-{uuid.uuid4().hex[:8]}"
    command = (str(PROGRAMS / "serialize.py"), live_kafka.address, registry.url, registry.url_over_tls, topic)
    recorded = on_cassette(project, *command, network=True)
    assert len(recorded.splitlines()) == 3
    assert on_cassette(project, *command, network=False) == recorded
    for secret in (PASSWORD, TOKEN, CLIENT_SECRET, *LOGINS):
        assert secret.rpartition(" ")[2].encode() not in written(project)


def test_asynchronous_and_other_clients_replay(project: Path, registry: Running) -> None:
    command = (str(PROGRAMS / "serialize_async.py"), registry.url, f"sr-{uuid.uuid4().hex[:8]}")
    recorded = on_cassette(project, *command, network=True)
    assert on_cassette(project, *command, network=False) == recorded
    assert PASSWORD.encode() not in written(project)


def ask(registry: Running, method: str, path: str, body: str | None = None, **more: str) -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=60)
    connection.request(method, path, body, {**ACCEPT, **more})
    answer = connection.getresponse()
    found = (answer.status, json.loads(answer.read()))
    connection.close()
    return found


def test_another_schema_is_refused_and_reading_more_is_not(tmp_path: Path, registry: Running) -> None:
    place = f"/subjects/{uuid.uuid4().hex}/versions"
    with use_cassette("a.x07rr.bin", root=tmp_path):
        live = [
            ask(registry, "POST", place, SCHEMA),
            ask(registry, "GET", "/schemas/ids/1"),
            ask(registry, "GET", "/no"),
        ]
    assert [status for status, _ in live] == [200, 200, 404]
    with use_cassette("a.x07rr.bin", root=tmp_path):
        assert [ask(registry, "GET", "/schemas/ids/1"), ask(registry, "GET", "/schemas/ids/1")] == [live[1]] * 2
        assert ask(registry, "POST", place, SCHEMA, Authorization="Basic other") == live[0]
        assert ask(registry, "POST", place, SCHEMA) == live[0]
    other = json.dumps({"schema": '{"type": "int"}'})
    with pytest.raises(ReplayMismatchError, match=r"schema_registry\.post"), use_cassette("a.x07rr.bin", root=tmp_path):
        assert ask(registry, "POST", place, other)[0] == 422
    with pytest.raises(ReplayMismatchError, match="2051"), use_cassette("a.x07rr.bin", root=tmp_path):
        ask(registry, "GET", "/schemas/ids/1")


def test_other_http_passes_as_before(tmp_path: Path, registry: Running) -> None:
    with use_cassette("a.x07rr.bin", root=tmp_path, allow_empty=True) as cassette:
        assert ask(registry, "GET", "/health", Accept="*/*")[0] == 404
    assert len(cassette.not_on_it) == 1


def test_a_registry_is_refused_by_name_without_its_stand_in(
    tmp_path: Path, registry: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocols, "SWITCHED_OFF", {"Schema Registry"})
    cassette = use_cassette("a.x07rr.bin", root=tmp_path)
    cassette.__enter__()
    with pytest.raises(OSError, match=r".*"):
        ask(registry, "GET", "/subjects")
    with pytest.raises(CassetteError, match="over Schema Registry"):
        cassette.__exit__(None, None, None)


def send(registry: Running, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", registry.port)) as raw:
        raw.sendall(data)
        raw.shutdown(socket.SHUT_WR)
        while raw.recv(4096):
            pass


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /subjects HTTP/1.1\r\nHost: a\r\nAccept: application/vnd.schemaregistry.v1+json\r\nbad header\r\n\r\n",
        b"POST /subjects/a HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"POST /subjects/a/versions HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 100,
        b"GET /subjects SPDY/7\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_no_http_ends_the_connection_with_one_line(tmp_path: Path, registry: Running, sent: bytes) -> None:
    with pytest.raises(ProtocolError, match="9653"), use_cassette("a.x07rr.bin", root=tmp_path):
        send(registry, sent)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (b"GE", None),
        (b"GET /subjects HTTP/1.1\r\nHost: a", None),
        (b"GET /subjects HTTP/1.1\r\n\r\n", True),
        (b"GET /registry/schemas/ids/7?fetchMaxId=false HTTP/1.1\r\n\r\n", True),
        (b"GET /config HTTP/1.1\r\nAccept: application/vnd.schemaregistry+json\r\n\r\n", True),
        (b"GET /config HTTP/1.1\r\n\r\n", False),
        (b"GET /?q=/subjects/a HTTP/1.1\r\n\r\n", False),
        (FORM % 20, None),
        (FORM % 20 + b"grant_type=password&", True),
        (FORM % 3 + b"a=b", False),
        (b"PRI * HTTP/2.0\r\n\r\n", False),
        (b"\0\0\0\x10", False),
    ],
)
def test_clients_are_known_by_how_they_begin(first: bytes, expected: bool | None) -> None:
    assert is_registry_client(first) is expected
