"""A short run of each fuzz target, from valid examples; ``make fuzz`` runs them longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pamqp import commands
from pamqp.heartbeat import Heartbeat

from tests.cli.test_printing import EVIL
from tests.msg.test_envelope import EVENTS
from tests.msg.test_record import ENV
from tests.project import REPOSITORY
from tests.rr.builders import config, entry, framed
from x07py import Envelope
from x07py.msg import datamodel
from x07py.rr import Mode
from x07py.wire.amqp.frames import marshal
from x07py.wire.amqp.values import frames_of
from x07py.wire.kafka.batches import Record, write_batch
from x07py.wire.kafka.membership import assignment_of

RUNS = 5_000
SEEDS: dict[str, list[bytes]] = {
    "envelope": [EVENTS, Envelope("t", b"", b"", {}).encode()],
    "record": [ENV],
    "document": [datamodel.encode({b"a": [b"b", datamodel.Number(b"1"), None, True, {}]})],
    "cassette": [framed(entry(0), entry(1, scope="s", meta='{"a":1}', latency_ticks=3)), b""],
    "config": [config(Mode.REPLAY).encode()],
    "amqp_frames": [
        b"AMQP\x00\x00\x09\x01" + b"".join(marshal(0, commands.Connection.TuneOk(), Heartbeat())),
        b"".join(
            marshal(1, commands.Basic.Publish(routing_key="q"), *frames_of(commands.Basic.Properties(), b"body", 4096))
        ),
    ],
    "kafka_request": [
        bytes.fromhex("00030001000000070004746573740000000100066f7264657273"),
        bytes.fromhex("00120003000000070004746573740002610262 00".replace(" ", "")),
    ],
    "kafka_batches": [write_batch([Record(3, 1_700_000_000_000, b"key", b"value", [("name", None)])])],
    "printer": [EVIL.encode(), b"##[error]\n::error::\xff\xe2\x80\xae"],
    "shown_cassette": [framed(entry(0, op=EVIL, key=EVIL, scope=EVIL, req=EVENTS), entry(1, meta='{"a":{"b":1}}'))],
    "kafka_membership": [b"a" + assignment_of({"orders": [0, 2]}), b"s" + assignment_of({"orders": []})],
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_short_run(tmp_path: Path, name: str) -> None:
    for number, seed in enumerate(SEEDS[name]):
        (tmp_path / str(number)).write_bytes(seed)
    runs = {"shown_cassette": 1000, "printer": 2000}.get(name, RUNS)
    # the peak that the kernel tells begins with that of the process that started it: all that pytest holds
    limits = ["-timeout=30", "-rss_limit_mb=2048"]
    command = [sys.executable, "-m", "tests.fuzz.target", name, f"-runs={runs}", "-seed=7", "-max_len=2000", *limits]
    done = subprocess.run([*command, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^Done {runs} runs", done.stderr, re.MULTILINE), done.stderr[-2000:]
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert int(covered[-1]) > 10
