"""A project with contracts, and an embedded Kafka, for tests of drivers and commands."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest

from tests.support.forked import Forking
from x07py.brokers.embedded import EmbeddedKafka
from x07py.cli.main import main

_FORKING = Forking()
REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "docs" / "examples" / "contracts_project"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the example's contracts, as working directory."""
    shutil.copytree(EXAMPLE / "arch", tmp_path / "arch")
    monkeypatch.chdir(tmp_path)
    for name in ("X07_WORLD", "X07_RR_MODE", "X07_RR_CASSETTE", "X07_RR_POLICY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedKafka]:
    """One embedded Kafka for all tests of a process; they use topics of their own."""
    with EmbeddedKafka() as kafka:
        yield kafka


@pytest.fixture
def kafka(project: Path, embedded: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project, with its Kafka profile pointing at the embedded broker."""
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", embedded.bootstrap)
    return project


def x07(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of ``x07`` with a width of 100 columns and without colour.

    It runs in a fork of a process that has imported x07py, unless the test gives variables of its own.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    whole = {**os.environ, "PATH": path, "COLUMNS": "100", **env}
    if not env and _FORKING.fits(whole):
        return _FORKING.run(args, cwd, whole)
    return subprocess.run(["x07", *args], cwd=cwd, capture_output=True, text=True, check=False, env=whole)


def x07_here(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line that starts no program in this process, which takes a hundredth of the time."""
    code: object = None
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8")
    with (
        contextlib.chdir(cwd),
        mock.patch.dict(os.environ, {"COLUMNS": "100"}),
        mock.patch.object(sys, "argv", ["x07", *args]),
        contextlib.redirect_stderr(err),
        contextlib.redirect_stdout(out),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    out.flush()
    text = raw.getvalue().decode()
    return subprocess.CompletedProcess(args, code, text, err.getvalue())
