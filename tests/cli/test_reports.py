"""What the commands print: text for people, and JSON that keeps its schema."""

from __future__ import annotations

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.rr.builders import OP
from tests.support.project import x07
from x07py import Envelope
from x07py.contracts.schemas import load_schema
from x07py.msg import MessageRecord
from x07py.rr import Cassette, Entry
from x07py.rr.cassette_files import FOLDER

ENVELOPE = Envelope("orders", b"k1", b'{"id":1}', {"ce_id": "1"})
NAME = "orders.x07rr.bin"


def publish(envelope: Envelope) -> Entry:
    """Return the entry of one confirmed publish."""
    record = MessageRecord(1, 1, "local_dev_v1", envelope.encode(), 1, b"OK").encode()
    meta = '{"offset":0,"partition":0}'
    return Entry("rr", OP, "local_dev_v1", envelope.encode(), record, scope=envelope.topic, meta=meta)


@pytest.fixture
def cassette(tmp_path: Path) -> Path:
    """A project folder with one cassette."""
    path = tmp_path / FOLDER / NAME
    path.parent.mkdir()
    failed = Entry("rr", OP, "local_dev_v1", ENVELOPE.encode(), b"refused", err=9751, scope="orders")
    path.write_bytes(Cassette.from_entries([publish(ENVELOPE), failed]).to_bytes())
    return path


def report(*args: str, cwd: Path, exit_code: int = 0) -> dict[str, Any]:
    """Run a command with ``--format json``, check its report against its schema, and return it."""
    done = x07(*args, "--format", "json", cwd=cwd)
    assert (done.returncode, done.stderr) == (exit_code, "")
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, load_schema(document["schema_version"].partition("@")[0]))
    return document


def text(*args: str, cwd: Path, exit_code: int = 0) -> str:
    """Run a command and return what it prints for people."""
    done = x07(*args, cwd=cwd)
    assert (done.returncode, done.stderr) == (exit_code, "")
    assert "\x1b" not in done.stdout
    return done.stdout


def test_list_and_stats(cassette: Path, tmp_path: Path) -> None:
    assert text("rr", "list", cwd=tmp_path).startswith(f"{NAME}  2 entries")
    assert report("rr", "list", cwd=tmp_path)["cassettes"][0]["state"] == "unlisted"
    found = report("rr", "stats", NAME, cwd=tmp_path)
    assert (found["entries"], found["errors"]) == (2, 1)
    assert found["operations"] == [{"kind": "rr", "op": OP, "key": "local_dev_v1", "scope": "orders", "entries": 2}]
    assert "2 entries" in text("rr", "stats", NAME, cwd=tmp_path)


def test_show(cassette: Path, tmp_path: Path) -> None:
    lines = text("rr", "show", NAME, cwd=tmp_path).splitlines()
    assert len(lines) == 2
    assert "orders key='k1'" in lines[0]
    assert "error 9751" in lines[1]
    whole = text("rr", "show", NAME, "-n", "0", cwd=tmp_path)
    assert 'value: {"id":1}' in whole
    entries = report("rr", "show", NAME, cwd=tmp_path)["entries"]
    assert entries[0]["request"]["headers"] == {"ce_id": "1"}
    assert entries[0]["response"]["ack"] == "OK"
    assert entries[0]["meta"] == {"offset": 0, "partition": 0}


def test_verify_notices_a_changed_file(cassette: Path, tmp_path: Path) -> None:
    assert report("rr", "verify", NAME, cwd=tmp_path)["integrity"] == "unlisted"
    assert report("rr", "verify", NAME, "--write", cwd=tmp_path)["integrity"] == "listed"
    cassette.write_bytes(Cassette.from_entries([publish(ENVELOPE)]).to_bytes())
    done = x07("rr", "verify", NAME, cwd=tmp_path)
    assert done.returncode == 20
    assert "error[2055]" in done.stderr


def test_diff(cassette: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.x07rr.bin"
    other.write_bytes(Cassette.from_entries([publish(Envelope("orders", b"k2", b"{}", {"ce_id": "1"}))]).to_bytes())
    assert text("rr", "diff", NAME, NAME, cwd=tmp_path) == "no differences\n"
    assert report("rr", "diff", NAME, NAME, cwd=tmp_path)["equal"] is True
    changes = report("rr", "diff", NAME, str(other), cwd=tmp_path, exit_code=1)["changes"]
    assert [change["change"] for change in changes] == ["-", "-", "+"]
    shown = text("rr", "diff", NAME, str(other), cwd=tmp_path, exit_code=1)
    assert "k1" in shown
    assert "k2" in shown


def test_recover(cassette: Path, tmp_path: Path) -> None:
    whole = cassette.read_bytes()
    cassette.write_bytes(whole[:-5])
    found = report("rr", "recover", NAME, "-o", str(tmp_path / "saved.x07rr.bin"), cwd=tmp_path)
    assert found["entries"] == 1
    assert found["bytes"] + found["dropped_bytes"] == len(whole) - 5
    assert cassette.read_bytes() == whole[:-5]
    assert len(Cassette.load(tmp_path / "saved.x07rr.bin")) == 1


def test_discard(cassette: Path, tmp_path: Path) -> None:
    partial = cassette.with_name(NAME + ".partial")
    partial.write_bytes(b"\x01")
    assert report("rr", "recover", "--discard", NAME, cwd=tmp_path)["discarded"] is True
    assert not partial.exists()
    assert cassette.exists()


def test_encode_and_decode(project: Path) -> None:
    args = ("msg", "encode", "--topic", "orders", "--key", "k1", "--value", '{"id":1}', "-H", "ce_id=1")
    assert bytes.fromhex(text(*args, cwd=project)) == ENVELOPE.encode()
    assert report(*args, cwd=project)["sha256"] == ENVELOPE.digest()
    assert text(*args, "-o", "m.bin", cwd=project).startswith(f"{len(ENVELOPE.encode())} bytes")
    shown = json.loads(text("msg", "decode", "m.bin", cwd=project))
    assert shown == report("msg", "decode", "m.bin", cwd=project)["envelope"]
    assert shown["value"] == '{"id":1}'
    record = MessageRecord(2, 2, "p", ENVELOPE.encode(), 1, b"ACK").encode()
    (project / "r.hex").write_text(record.hex())
    found = report("msg", "decode", "r.hex", "--encoding", "hex", cwd=project)
    assert (found["kind"], found["record"]["driver"]) == ("record", "amqp")


def test_topics(project: Path) -> None:
    rows = report("msg", "topics", cwd=project)["topics"]
    assert [row["id"] for row in rows] == ["events", "orders"]
    assert len(text("msg", "topics", cwd=project).splitlines()) == 2


def test_doctor(project: Path) -> None:
    found = report("doctor", cwd=project)
    assert found["python"]["version"].startswith("3.")
    assert {row["name"] for row in found["kernel"]["features"]} >= {"seccomp", "landlock", "namespaces"}
    assert {row["kind"] for row in found["brokers"]} == {"kafka", "amqp"}
    assert "x07py" in text("doctor", cwd=project)


def test_explain(tmp_path: Path) -> None:
    assert text("explain", "[9502]", cwd=tmp_path).startswith("9502: ")
    assert report("explain", "9502", cwd=tmp_path)["codes"][0]["id"] == "9502"
    codes = report("explain", "--all", cwd=tmp_path)["codes"]
    assert len(codes) == len(text("explain", "--all", cwd=tmp_path).splitlines())


def test_a_broker_starts_once_has_the_topics_and_ends(project: Path) -> None:
    from confluent_kafka.admin import AdminClient

    assert report("broker", "status", "kafka", cwd=project, exit_code=1)["broker"] is None
    first = report("broker", "up", "kafka", "--embedded", cwd=project)["broker"]
    try:
        assert report("broker", "up", "kafka", "--embedded", cwd=project)["broker"] == first
        assert first["address"] in text("broker", "status", "kafka", cwd=project)
        client = AdminClient({"bootstrap.servers": first["address"]})
        assert set(client.list_topics(timeout=10).topics) == {"events", "orders"}
        assert f"export X07_KAFKA_LOCAL_DEV_V1={first['address']}" in text(
            "broker", "up", "kafka", "--embedded", cwd=project
        )
    finally:
        down = report("broker", "down", "kafka", cwd=project)
    assert down["ended"] is True
    assert report("broker", "down", "kafka", cwd=project)["ended"] is False
    host, _, port = first["address"].rpartition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)))


def test_two_that_start_a_broker_at_once_get_one(project: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        ups = [threads.submit(report, "broker", "up", "kafka", "--embedded", cwd=project) for _ in range(4)]
    try:
        assert len({up.result()["broker"]["pid"] for up in ups}) == 1
    finally:
        assert report("broker", "down", "kafka", cwd=project)["ended"] is True


def test_version_and_overview(tmp_path: Path) -> None:
    assert re.fullmatch(r"x07 \d+\.\d+\.\d+\S*\n", text("--version", cwd=tmp_path))
    overview = text("--help", cwd=tmp_path)
    for name in ("msg", "rr", "broker", "doctor", "explain"):
        assert f"\n  {name} " in overview
        assert "Example" in text(name, "--help", cwd=tmp_path) or name in {"msg", "rr", "broker"}


@pytest.mark.parametrize("columns", ["40", "250"])
def test_any_width(cassette: Path, tmp_path: Path, columns: str) -> None:
    done = x07("rr", "show", NAME, cwd=tmp_path, COLUMNS=columns)
    assert done.stdout == text("rr", "show", NAME, cwd=tmp_path)
    assert x07("rr", "--help", cwd=tmp_path, COLUMNS=columns).returncode == 0


def test_colour_is_for_terminals_only(cassette: Path, tmp_path: Path) -> None:
    done = x07("rr", "show", NAME, "-n", "0", cwd=tmp_path, FORCE_COLOR="1", NO_COLOR="")
    assert "\x1b[1m" in done.stdout
    assert "\x1b" not in x07("rr", "show", NAME, "-n", "0", cwd=tmp_path, TERM="dumb").stdout
