"""System calls of every number with random arguments change nothing outside, and reach nothing that was not granted."""

from __future__ import annotations

import os
import random
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.conftest import Ground, Listeners, drive

SECONDS = os.environ.get("X07_RACE_SECONDS", "2")


@pytest.fixture(scope="module")
def fuzzer() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="x07-fuzz-") as folder:
        Path(folder).chmod(0o755)
        program = Path(folder, "fuzz")
        subprocess.run(["cc", "-O1", "-o", program, Path(__file__).with_name("fuzz.c")], check=True)
        yield program


@pytest.mark.parametrize("emulate", [[], ["docker"]], ids=["namespaces", "without"])
def test_no_call_with_random_arguments_gets_out(
    fuzzer: Path, listeners: Listeners, ground: tuple[int | None, Ground], emulate: list[str]
) -> None:
    uid, place = ground
    before, seed = place.state(), random.randrange(1 << 32)
    outcome, text = drive(
        argv=[str(fuzzer), str(seed), SECONDS, str(place.outside), "@PID"],
        uid=uid,
        port=listeners.allowed,
        read=[str(fuzzer.parent), str(place.outside)],
        write=[str(place.inside)],
        namespaces=True,
        emulate=emulate,
        limits={"processes": 100, "memory": 1 << 30, "file_size": 1 << 20} if not emulate else {},
        timeout=int(SECONDS) + 60,
    )
    assert (outcome.get("status"), outcome.get("timed_out")) == (0, False), (seed, outcome)
    assert int(text) > 3, seed
    assert place.state() == before, seed
    assert listeners.unexpected() == set(), seed
