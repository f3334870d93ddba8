"""Programs in Go and for Node: recorded in front of RabbitMQ, replayed by a port alone."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import x07
from x07py.brokers.process import RunningBroker

FOREIGN = Path(__file__).parent / "foreign"
CACHE = Path(__file__).parents[3] / ".cache" / "amqp-foreign"


def needed(program: str) -> str:
    found = shutil.which(program)
    assert found, f"{program} is not installed; CI has it, and the distribution's package does"
    return found


def build_go() -> list[str]:
    """Build the Go program once, from the module proxy."""
    built = CACHE / "go" / "program"
    if not built.exists():
        subprocess.run([needed("go"), "build", "-o", str(built), "."], cwd=FOREIGN / "go", check=True, timeout=300)
    return [str(built)]


def build_node() -> list[str]:
    """Install what the Node program needs once, from the lock."""
    folder = CACHE / "node"
    if not (folder / "node_modules").exists():
        shutil.copytree(FOREIGN / "node", folder, dirs_exist_ok=True)
        subprocess.run([needed("npm"), "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, timeout=300)
    return [needed("node"), str(folder / "program.js")]


@contextmanager
def listening(project: Path, *args: str) -> Iterator[str]:
    """Run a command that listens until the block ends; it has to end well."""
    command = [sys.executable, "-m", "x07py", "rr", *args]
    with subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        found = re.match(r"listening at ([^\s,]+)", started.stderr.readline())
        assert found
        yield f"amqp://guest:guest@{found[1]}/"
        started.send_signal(signal.SIGTERM)
        rest = started.stderr.read()
        assert started.wait(60) == 0, rest


@pytest.mark.parametrize("build", [build_go, build_node], ids=["go", "node"])
def test_a_foreign_client_is_recorded_and_replayed(
    project: Path, live_amqp: RunningBroker, build: Callable[[], list[str]]
) -> None:
    program = build()
    options: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}
    with listening(project, "record", "f.x07rr.bin", "--upstream", live_amqp.address) as url:
        recorded = subprocess.run([*program, url], check=False, **options)
    assert (recorded.returncode, recorded.stdout.count("message")) == (0, 3), recorded.stderr
    for _ in range(2):
        with listening(project, "serve", "f.x07rr.bin") as url:
            replayed = subprocess.run([*program, url], check=False, **options)
        assert (replayed.returncode, replayed.stdout) == (0, recorded.stdout), replayed.stderr


@pytest.mark.parametrize("build", [build_go, build_node], ids=["go", "node"])
def test_a_foreign_client_is_put_on_a_cassette_by_the_kernel(
    project: Path, live_amqp: RunningBroker, build: Callable[[], list[str]]
) -> None:
    url = f"amqp://guest:guest@{live_amqp.address}/"
    command = ("rr", "exec", "--cassette", "k.x07rr.bin", "--", *build(), url)
    recorded = x07(*command, cwd=project)
    assert (recorded.returncode, recorded.stdout.count("message")) == (0, 3), recorded.stderr
    replayed = x07(*command, cwd=project)
    assert (replayed.returncode, replayed.stdout) == (0, recorded.stdout), replayed.stderr
    assert "network: none (kernel)" in replayed.stderr
