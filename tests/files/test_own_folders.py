"""The user's own folders: nothing that a checkout brings, or that somebody else could write, is one of them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.support.project import x07
from x07py.brokers.process import find_broker, state_file
from x07py.files import own
from x07py.files.own import cache_folder, runtime_folder, seal, state_folder, unseal


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and a folder for temporary files beside it."""
    for name in ("project", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(own, "_warned", set())
    return tmp_path / "project"


VARIABLES = {"XDG_STATE_HOME": state_folder, "XDG_RUNTIME_DIR": runtime_folder}


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_folder_inside_the_project_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, variable: str, caplog: pytest.LogCaptureFixture
) -> None:
    (root / "link").symlink_to(root.parent)
    for place in (root, root / "sub", root.parent / "project" / ".." / "project"):
        monkeypatch.setenv(variable, str(place))
        assert VARIABLES[variable](root) == root.parent / "tmp" / f"x07-{os.getuid()}"
    assert "lies in the project" in caplog.text
    monkeypatch.setenv(variable, "relative")
    monkeypatch.setenv("HOME", str(root))
    assert not VARIABLES[variable](root).is_relative_to(root)


@pytest.mark.parametrize("kind", ["link", "writable", "file"])
def test_a_folder_that_others_could_have_made_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    base = root.parent / "state"
    (base / "elsewhere").mkdir(parents=True)
    match kind:
        case "link":
            (base / "x07").symlink_to("elsewhere")
        case "writable":
            (base / "x07").mkdir()
            (base / "x07").chmod(0o777)
        case _:
            (base / "x07").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(base))
    assert state_folder(root) == root.parent / "tmp" / f"x07-{os.getuid()}"
    assert state_folder(root).stat().st_mode & 0o777 == 0o700


def test_only_what_this_user_sealed_is_unsealed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(root.parent / "state"))
    sealed = seal(root, b"data")
    assert unseal(root, sealed) == b"data"
    for other in (b"", b"data", sealed + b"x", bytes(32) + b"data", sealed[::-1]):
        assert unseal(root, other) is None
    monkeypatch.setenv("XDG_STATE_HOME", str(root.parent / "another"))
    assert unseal(root, sealed) is None
    (root.parent / "another" / "x07" / "key").chmod(0o644)
    again = seal(root, b"data")
    assert (root.parent / "another" / "x07" / "key").stat().st_mode & 0o777 == 0o600
    assert unseal(root, again) == b"data"


def test_a_cache_inside_the_project_is_not_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / ".cache"))
    with caplog.at_level(logging.WARNING):
        assert cache_folder(root) is None
    assert "nothing in it is believed" in caplog.text
    monkeypatch.setenv("XDG_CACHE_HOME", str(root.parent))
    assert cache_folder(root) == root.parent


def test_a_broker_of_a_checkout_is_none(project: Path) -> None:
    """The state that a change brings names a process that lives, and an address that a shell would run."""
    fake = project / ".x07" / "broker" / "kafka.json"
    fake.parent.mkdir(parents=True)
    address = "127.0.0.1:9092; touch PWNED #"
    fake.write_text(
        json.dumps({"kind": "kafka", "flavour": "native", "address": address, "pid": "self", "started": ""})
    )
    done = x07("broker", "status", "kafka", cwd=project)
    assert (done.returncode, done.stdout) == (1, "no kafka broker was started here\n")
    assert x07("broker", "down", "kafka", cwd=project).stdout == "no kafka broker was started here\n"


@pytest.mark.parametrize(
    "change",
    [
        {"address": "127.0.0.1:9092; touch PWNED #"},
        {"address": "$(id):1"},
        {"address": 7},
        {"pid": "self"},
        {"pid": -1},
        {"pid": True},
        {"pid": 1},
        {"kind": "amqp"},
        {"started": None},
        {"flavour": []},
    ],
    ids=str,
)
def test_a_state_that_is_none_is_no_broker(project: Path, change: dict[str, object]) -> None:
    started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
    whole = {"kind": "kafka", "flavour": "native", "address": "127.0.0.1:1", "pid": os.getpid(), "started": started}
    state_file(project, "kafka").write_text(json.dumps(whole))
    try:
        assert find_broker(project, "kafka") is not None
        state_file(project, "kafka").write_text(json.dumps(whole | change))
        assert find_broker(project, "kafka") is None
    finally:
        state_file(project, "kafka").unlink()


def test_a_broker_holds_no_secret_of_the_environment(project: Path) -> None:
    planted = "planted-" + os.urandom(8).hex()
    secrets = {"X07_SECRET_DB": planted, "API_TOKEN": planted, "DATABASE_URL": f"postgres://app:{planted}@db/app"}
    assert x07("broker", "up", "kafka", "--embedded", cwd=project, **secrets).returncode == 0
    try:
        broker = find_broker(project, "kafka")
        assert broker is not None
        started = Path(f"/proc/{broker.pid}")
        shown = (started / "environ").read_bytes() + (started / "cmdline").read_bytes()
        assert b"PATH=" in shown
        assert planted.encode() not in shown
    finally:
        x07("broker", "down", "kafka", cwd=project)


def test_what_a_shell_reads_starts_nothing(project: Path) -> None:
    """The line of the guide, with a state of another's making beside it."""
    (project / ".x07" / "broker").mkdir(parents=True)
    (project / ".x07" / "broker" / "kafka.json").write_text("{}")
    up = x07("broker", "up", "kafka", "--embedded", cwd=project)
    try:
        lines = [line.partition(": ")[2] for line in up.stdout.splitlines() if "export" in line]
        assert lines
        told = subprocess.run(["bash", "-c", f"{lines[0]}; env"], capture_output=True, text=True, check=True)
        assert "X07_KAFKA_" in told.stdout
    finally:
        assert x07("broker", "down", "kafka", cwd=project).stdout == "kafka broker ended\n"
