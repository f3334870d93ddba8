"""Record each template and example anew, ten times: the text sides have to be alike."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import table, write

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDINGS = 10
PYTHON = sys.executable
X07 = str(Path(PYTHON).with_name("x07"))
EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "flight_delays"
LOGIN = {"X07_SECRET_RABBIT_USERNAME": "guest", "X07_SECRET_RABBIT_PASSWORD": "guest"}


def main() -> None:
    """Record, print and write the results."""
    found: dict[str, int] = {}
    for name, texts in (("worker", worker), ("worker-amqp", worker_amqp), ("flight_delays", flight_delays)):
        with tempfile.TemporaryDirectory() as folder:
            sides = texts(Path(folder))
            found[name] = sum(side == sides[0] for side in sides)
    body = table(
        ["template or example", f"equal text sides of {RECORDINGS}"], [[name, str(n)] for name, n in found.items()]
    )
    write("recordings", "make recordings", ["x07py"], found, body)
    assert set(found.values()) == {RECORDINGS}


def worker(folder: Path) -> list[bytes]:
    """Return the text sides of the worker template, whose tests start an embedded Kafka."""
    return _of_template(folder, "worker", {})


def worker_amqp(folder: Path) -> list[bytes]:
    """Return those of the template for RabbitMQ, each on the queues that the one before left empty."""
    up = json.loads(_run(folder, [X07, "broker", "up", "amqp", "--format", "json"]))
    env = {**LOGIN, "X07_AMQP_APP_V1": up["broker"]["address"]}
    try:
        return _of_template(folder, "worker-amqp", env, [X07, "msg", "topology", "apply", "app_v1"])
    finally:
        _run(folder, [X07, "broker", "down", "amqp"])


def _of_template(folder: Path, template: str, env: dict[str, str], first: list[str] | None = None) -> list[bytes]:
    _run(folder, [X07, "init", "orders", "--template", template])
    project = folder / "orders"
    if first:
        _run(project, first, env)
    command = [PYTHON, "-m", "pytest", "-q", "--x07-record=rewrite"]
    return _recorded(project / ".x07_rr/worker.x07rr.md", lambda: _run(project, command, {"PYTHONPATH": "src", **env}))


def flight_delays(folder: Path) -> list[bytes]:
    """Return those of the example, whose service reads two topics while both are written."""
    project = folder / "flight_delays"
    shutil.copytree(EXAMPLE, project, ignore=shutil.ignore_patterns(".x07*", "out"))
    return _recorded(project / ".x07_rr/flights.x07rr.md", lambda: _run(project, [PYTHON, "demo.py", "--sample"]))


def _recorded(text_side: Path, record: Callable[[], str]) -> list[bytes]:
    sides = []
    for _ in range(RECORDINGS):
        record()
        sides.append(text_side.read_bytes())
    return sides


def _run(folder: Path, command: list[str], env: dict[str, str] | None = None) -> str:
    path = f"{Path(PYTHON).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, **(env or {})},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\nexit {done.returncode}: {' '.join(command)}")
    return done.stdout


if __name__ == "__main__":
    main()
