"""Brokers by ``docker compose``, from the file of ``docs/examples/messaging_brokers``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from x07py.errors import DevelopmentBrokerError

_HERE = Path(__file__).parent
_FILES = (_HERE / "compose.yaml", _HERE.parents[1] / "docs" / "examples" / "messaging_brokers" / "compose.yaml")
"""In a wheel the file is beside this module; in a checkout it is the example."""
_ASK_TIMEOUT_S = 10
_PULL_TIMEOUT_S = 900


def compose_file() -> Path:
    """Return the compose file."""
    return next(file for file in _FILES if file.is_file())


def engine_runs() -> bool:
    """Tell whether a Docker engine answers."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=_ASK_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def compose_up(kind: str, port: int) -> None:
    """Start the broker of a kind on ``127.0.0.1:port``; its data stays in a volume.

    Raises:
        DriverError: 9630 if no engine runs or compose fails.
    """
    if not engine_runs():
        others = "--native or --embedded" if kind == "kafka" else "--native"
        raise DevelopmentBrokerError(9630, "no Docker engine answers", hint=f"start it, or use {others}")
    _compose("up", "--detach", kind, env={f"X07_{kind.upper()}_PORT": str(port)})


def compose_down(kind: str) -> None:
    """End the broker of a kind; raises as `compose_up`."""
    _compose("rm", "--stop", "--force", kind, env={})


def _compose(*args: str, env: dict[str, str]) -> None:
    command = ["docker", "compose", "--file", str(compose_file()), *args]
    try:
        done = subprocess.run(
            command,
            cwd=compose_file().parent,  # not the project's folder, whose .env would be read
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=_PULL_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired:
        raise DevelopmentBrokerError(
            9630, f"docker compose did not end in {_PULL_TIMEOUT_S} s", hint="try again"
        ) from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise DevelopmentBrokerError(
            9630, f"docker compose: {lines[-1]}", where=str(compose_file()), hint="correct what it says"
        )
