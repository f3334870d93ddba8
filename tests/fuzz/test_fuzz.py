"""A short run of each fuzz target, from valid examples; ``make fuzz`` runs them longer."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.msg.test_envelope import EVENTS
from tests.msg.test_record import ENV
from tests.project import REPOSITORY
from tests.rr.builders import config, entry, framed
from x07py import Envelope
from x07py.msg import datamodel
from x07py.rr import Mode

RUNS = 20_000
SEEDS: dict[str, list[bytes]] = {
    "envelope": [EVENTS, Envelope("t", b"", b"", {}).encode()],
    "record": [ENV],
    "document": [datamodel.encode({b"a": [b"b", datamodel.Number(b"1"), None, True, {}]})],
    "cassette": [framed(entry(0), entry(1, scope="s", meta='{"a":1}', latency_ticks=3)), b""],
    "config": [config(Mode.REPLAY).encode()],
}


@pytest.mark.parametrize("name", SEEDS)
def test_a_short_run(tmp_path: Path, name: str) -> None:
    for number, seed in enumerate(SEEDS[name]):
        (tmp_path / str(number)).write_bytes(seed)
    command = [sys.executable, "-m", "tests.fuzz.target", name, f"-runs={RUNS}", "-seed=7", "-max_len=2000"]
    done = subprocess.run([*command, str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf"^Done {RUNS} runs", done.stderr, re.MULTILINE), done.stderr[-2000:]
    covered = re.findall(r"cov: (\d+)", done.stderr)
    assert int(covered[-1]) > 10
