"""What serves clients is loaded before one can wait for it: they give a broker ten seconds for its first answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.wire.kafka.serving import record_by_driver

ROOM = Path(__file__).parents[2]
LOADED = """
import json, os, signal, socket, sys
def tell_loaded():
    names = {"kafka": ("replay", "recorder", "connection"), "amqp": ("serving",), "http": ("conversation",)}
    loaded = [room for room, parts in names.items() if all(f"x07py.wire.{room}.{one}" in sys.modules for one in parts)]
    print(json.dumps(loaded), flush=True)
"""
LISTENING = """
from x07py.errors import X07Error
from x07py.testing.cassette import use_cassette
from x07py.testing.listening import listen
from x07py.wire.stand_in import Address
behind = socket.create_server(("127.0.0.1", 0))
def tell(line):
    if line.startswith("listening"):
        tell_loaded()
        os.kill(os.getpid(), signal.SIGTERM)
upstream = Address(*behind.getsockname()) if sys.argv[1] == "all" else None
try:
    listen(use_cassette("a.x07rr.bin", mode=sys.argv[1]), Address("127.0.0.1", 0), upstream, tell)
except X07Error as error:
    print(error.code, file=sys.stderr)
"""
ROUTED = """
from pathlib import Path
from tests.wire.kafka.serving import RULES, Mode, cassette
from x07py.wire.door import Door
from x07py.wire.process.librdkafka import Librdkafka
with cassette(Path("."), Mode.RECORD) as session:
    way = Librdkafka(Door(session, RULES, ()))
    way.routed({"bootstrap.servers": "127.0.0.1:9"})
    tell_loaded()
    way.close()
"""
SOCKETS = """
from x07py import use_cassette
with use_cassette("b.x07rr.bin", mode="all", allow_empty=True):
    tell_loaded()
    import kafka
    tell_loaded()
"""


def run(folder: Path, code: str, *args: str) -> list[list[str]]:
    """Run code in a process of its own and return what it tells to be loaded, each time that it does."""
    (folder / "pyproject.toml").write_text('[project]\nname = "shop"\nversion = "1"\n')
    path = f"import sys; sys.path.insert(0, {str(ROOM)!r})\n"
    command = [sys.executable, "-c", path + LOADED + code, *args]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("mode", "loaded"), [("none", ["kafka"]), ("all", ["kafka", "amqp", "http"])])
def test_a_port_is_told_when_all_that_may_come_can_be_served(tmp_path: Path, mode: str, loaded: list[str]) -> None:
    record_by_driver(tmp_path, "orders", 1)
    assert run(tmp_path, LISTENING, mode) == [loaded]


def test_a_client_that_is_led_to_a_port_finds_it_ready(tmp_path: Path) -> None:
    assert run(tmp_path, ROUTED) == [["kafka"]]


def test_a_library_that_is_imported_finds_its_stand_in_ready(tmp_path: Path) -> None:
    assert run(tmp_path, SOCKETS) == [[], ["kafka"]]
