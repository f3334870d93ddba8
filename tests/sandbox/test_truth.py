"""What a report claims is what a program inside finds, in every environment and start; `X07_STARTS` says how many."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import USERS, Listeners, drive

PYTHON = "/usr/bin/python3"
STARTS = int(os.environ.get("X07_STARTS", "3"))
PROBE = """
import errno, json, os, socket, sys
allowed, denied, outside, file, folder = sys.argv[1:]
def error_of(act):
    try: act()
    except OSError as error: return error.errno
    return 0
def listed():
    try: return sum(name.isdigit() for name in os.listdir("/proc"))
    except PermissionError: return None
def interfaces():
    try: return [line.split(":")[0].strip() for line in open("/proc/self/net/dev").readlines()[2:]]
    except PermissionError: return None
status = {line.partition(":")[0]: line.partition(":")[2].strip() for line in open("/proc/self/status")}
print(json.dumps({
    "status": [status["Seccomp"], status["NoNewPrivs"], int(status["CapEff"], 16), int(status["CapPrm"], 16)],
    "first": os.getpid() < 10,
    "processes": listed(),
    "interfaces": interfaces(),
    "sees": error_of(lambda: open(f"/proc/{outside}/status").close()),
    "signals": error_of(lambda: os.kill(int(outside), 0)),
    "reads": error_of(lambda: open(file).close()),
    "writes": error_of(lambda: open(folder + "/made", "w").close()),
    "allowed": error_of(lambda: socket.create_connection(("127.0.0.1", int(allowed)), 60).close()),
    "denied": error_of(lambda: socket.create_connection(("127.0.0.1", int(denied)), 60).close()),
    "datagrams": error_of(lambda: socket.socket(type=socket.SOCK_DGRAM)),
}))
"""


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that everybody may change, with a file that everybody may read."""
    place = tmp_path_factory.mktemp("outside")
    for folder in (place, *place.parents[:2]):
        folder.chmod(0o755)
    place.chmod(0o777)
    (place / "file").write_text("")
    return place


@pytest.mark.parametrize("uid", USERS, ids=lambda uid: "unprivileged" if uid else "self")
@pytest.mark.parametrize(
    ("environment", "runs"),
    [
        *(("", True), ("docker", True), ("docker no_reading_by_call", True), ("no_namespaces", True)),
        *(("docker profile", True), ("podman profile", True), ("containerd profile", True), ("no_proc", True)),
        *(("bare_user_namespaces", True), ("no_mounts", True), ("busy", True), ("busy no_proc", True)),
        *(("no_landlock", False), ("busy no_namespaces", False)),
    ],
)
def test_each_start_is_what_its_report_claims(
    listeners: Listeners, outside: Path, uid: int | None, environment: str, runs: bool
) -> None:
    places = [str(outside / "file"), str(outside)]
    emulate = [environment] if environment.endswith("profile") else environment.split()
    order: dict[str, Any] = {
        "emulate": emulate,
        "uid": uid,
        "namespaces": True,
        "port": listeners.allowed,
        "starts": STARTS,
    }
    ports = [str(listeners.allowed), str(listeners.denied)]
    done, _ = drive(argv=[PYTHON, "-c", PROBE, *ports, "@PID", *places], timeout=100, **order)
    assert [count for count, _, _ in done["found"]] == [STARTS], done["found"]
    _, outcome, text = done["found"][0]
    if runs:
        assert (outcome["status"], outcome["timed_out"]) == (0, False)
        hold(outcome, json.loads(text), f"127.0.0.1:{listeners.denied}")
    else:
        assert (outcome.get("code"), text) == ("X07RUN_CANNOT_CONFINE", "")
    assert listeners.unexpected() == set()
    assert listeners.seen.count(("127.0.0.1", listeners.allowed)) == (STARTS if runs else 0)
    assert [path.name for path in outside.iterdir()] == ["file"]


def hold(outcome: dict[str, Any], found: dict[str, Any], denied: str) -> None:
    """Compare each claim of a report with what the program inside found."""
    layers = outcome["layers"]
    assert layers["seccomp"] == "filter"
    assert found["status"] == ["2", "1", 0, 0]
    assert found["datagrams"] == errno.EACCES
    assert layers["landlock"].startswith("ABI ")
    assert (found["reads"], found["writes"]) == (errno.EACCES, errno.EACCES)
    alone = not layers["namespaces"].startswith("absent")
    assert alone == (layers["namespaces"] == "network, processes, mounts, IPC") == found["first"]
    assert found["signals"] == (errno.ESRCH if alone else errno.EPERM)
    assert found["sees"] == (errno.ENOENT if layers.get("proc") == "own" else errno.EACCES)
    if layers.get("proc") == "own":
        assert found["processes"] in {2, 3}
        assert found["interfaces"] == ["lo"]
    else:
        assert (found["processes"], found["interfaces"]) == (None, None)
    assert (found["allowed"], found["denied"]) == (0, errno.EACCES)
    assert outcome["connects"] == 1
    assert [(one["kind"], one["target"], one["count"]) for one in outcome["denials"]] == [("connect", denied, 1)]
    assert layers["supervisor"] in {"connects", "absent: relays"}
    assert (layers.get("tracer") == "tells denials") == (layers["supervisor"] != "connects")
