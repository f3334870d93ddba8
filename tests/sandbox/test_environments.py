"""Where a layer is missing, another one holds or nothing runs: never less than was asked for."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import USERS, Listeners, drive
from tests.sandbox.engines import ENGINES

PYTHON = "/usr/bin/python3"
ANYBODY = pytest.mark.parametrize("uid", USERS, ids=lambda uid: "unprivileged" if uid else "self")
CONNECT = """
import socket, sys
for port in sys.argv[1:]:
    try:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as one:
            print("reached", one.recv(1))
    except OSError:
        print("refused")
"""


def connect(listeners: Listeners, uid: int | None, emulate: list[str], **more: Any) -> tuple[dict[str, Any], str]:
    ports = [str(listeners.allowed), str(listeners.denied)]
    argv = [PYTHON, "-c", CONNECT, *ports]
    return drive(argv=argv, uid=uid, port=listeners.allowed, namespaces=True, emulate=emulate, **more)


@ANYBODY
@pytest.mark.parametrize(
    ("emulate", "supervisor", "namespaces", "told"),
    [
        (["docker"], "connects", False, "python3"),
        (["no_namespaces"], "connects", False, "python3"),
        (["bare_user_namespaces"], "connects", False, "python3"),
        (["no_mounts"], "connects", False, "python3"),
        (["no_reading_by_call"], "connects", True, "python3"),
        (["docker", "no_reading_by_call"], "connects", False, "python3"),
        (["docker profile"], "connects", False, "python3"),
        (["podman profile"], "connects", True, "python3"),
        (["containerd profile"], "connects", False, "python3"),
        (["busy"], "absent: relays", True, "python3"),
        (["busy", "no_proc"], "absent: relays", True, "unknown program"),
        (["busy", "no_tracing"], "absent: relays", True, None),
    ],
    ids=[
        *("docker", "no namespaces", "bare user namespaces", "no mounts", "no reading by call", "Docker before 23"),
        *("Docker's profile", "Podman's and CRI-O's profile", "containerd's profile"),
        *("busy", "busy without its own proc", "busy and no tracing"),
    ],
)
def test_another_layer_holds(
    listeners: Listeners, uid: int | None, emulate: list[str], supervisor: str, namespaces: bool, told: str | None
) -> None:
    outcome, text = connect(listeners, uid, emulate)
    assert text.split("\n")[:2] == ["reached b''", "refused"], outcome
    assert outcome["layers"]["supervisor"] == supervisor
    assert outcome["layers"]["namespaces"].startswith("absent") is not namespaces
    assert listeners.unexpected() == set()
    assert ("127.0.0.1", listeners.allowed) in listeners.seen
    denials = [(one["target"], one["process"], one["count"]) for one in outcome["denials"]]
    assert denials == ([(f"127.0.0.1:{listeners.denied}", told, 1)] if told else [])
    untold = "absent: denials are unknown (Operation not permitted)"
    assert outcome["layers"].get("tracer", "tells denials") == ("tells denials" if told else untold)


@ANYBODY
@pytest.mark.parametrize(
    ("emulate", "missing"),
    [
        (["no_landlock"], "Landlock ABI 0"),
        (["busy", "no_namespaces"], "no seccomp user notification"),
        (["busy", "docker"], "no seccomp user notification"),
    ],
    ids=["no Landlock", "busy without namespaces", "busy in Docker"],
)
def test_nothing_runs_where_nothing_holds_unless_accepted(
    listeners: Listeners, uid: int | None, emulate: list[str], missing: str
) -> None:
    refused, text = connect(listeners, uid, emulate)
    assert refused["code"] == "X07RUN_CANNOT_CONFINE"
    assert missing in refused["message"]
    assert (text, listeners.seen) == ("", [])
    accepted, text = connect(listeners, uid, emulate, accept_weaker=True)
    assert text.startswith("reached")
    assert any("(accepted)" in layer for layer in accepted["layers"].values())
    assert listeners.unexpected() == set()


SCHEDULE = """
import os, sys
def can(what):
    try:
        what()
    except OSError as error:
        return type(error).__name__
    return "yes"
for pid in (0, int(sys.argv[1])):
    print(can(lambda: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))),
          can(lambda: os.sched_setaffinity(pid, os.sched_getaffinity(0))),
          can(lambda: os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, pid))))
"""


@ANYBODY
@pytest.mark.parametrize(
    "emulate", [["busy", "no_namespaces"], ["busy", "docker"], ["no_namespaces"], ["busy"], []], ids=" ".join
)
def test_no_way_of_scheduling_is_set_for_others(uid: int | None, emulate: list[str]) -> None:
    """Also with the least that a user can accept: a relay's filter beside processes that the program can name."""
    argv = [PYTHON, "-c", SCHEDULE, "@PID"]
    outcome, text = drive(argv=argv, uid=uid, emulate=emulate, accept_weaker=True, namespaces=True)
    own, others = (line.split() for line in text.splitlines())
    assert own == ["yes"] * 3, outcome
    assert "yes" not in others


@pytest.mark.parametrize(
    ("emulate", "layer"),
    [(["docker"], "namespaces"), (["docker"], "proc"), (["busy"], "supervisor"), (["no_landlock"], "landlock")],
)
def test_a_required_layer_is_never_replaced(listeners: Listeners, emulate: list[str], layer: str) -> None:
    for accept in (False, True):
        refused, _ = connect(listeners, None, emulate, require=[layer], accept_weaker=accept)
        assert refused["code"] == "X07RUN_CANNOT_CONFINE"
    assert listeners.seen == []
    outcome, _ = connect(listeners, None, [], require=[layer])
    assert outcome["status"] == 0


def test_relays_refuse_what_they_cannot_do(listeners: Listeners) -> None:
    refused, _ = connect(listeners, None, ["busy"], listen=True)
    assert "--allow-listen needs seccomp user notification" in refused["message"]


EXCHANGE = """
import socket, sys
sent = bytes(range(256)) * 8192
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as one:
    one.settimeout(60)
    import threading
    def send():
        one.sendall(sent)
        one.shutdown(socket.SHUT_WR)
    threading.Thread(target=send).start()
    got = b""
    while data := one.recv(65536):
        got += data
print(got == sent)
"""


def test_relays_carry_both_directions_and_their_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def echo() -> None:
            client, _ = server.accept()
            with client:
                whole = b""
                while data := client.recv(65536):
                    whole += data
                client.sendall(whole)

        thread = threading.Thread(target=echo)
        thread.start()
        port = server.getsockname()[1]
        outcome, text = drive(
            argv=[PYTHON, "-c", EXCHANGE, str(port)], port=port, namespaces=True, emulate=["busy"], uid=None
        )
        thread.join(30)
    assert (text, outcome["connects"]) == ("True\n", 1), outcome


LAST_WORDS = """
import os, socket, sys
one = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
one.sendall(bytes(1 << 20))
os._exit(0)
"""


def test_relays_carry_what_a_program_sent_right_before_its_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        got: list[int] = []

        def read_late() -> None:
            client, _ = server.accept()
            with client:
                time.sleep(1)
                while data := client.recv(65536):
                    got.append(len(data))

        thread = threading.Thread(target=read_late)
        thread.start()
        port = server.getsockname()[1]
        argv = [PYTHON, "-c", LAST_WORDS, str(port)]
        outcome, _ = drive(argv=argv, port=port, namespaces=True, emulate=["busy"], uid=None)
        thread.join(30)
    assert (sum(got), outcome["connects"]) == (1 << 20, 1), outcome
    assert "relays" not in outcome["layers"]


def x07_run(tmp_path: Path, environment: str, *options: str) -> subprocess.CompletedProcess[str]:
    return x07_in(tmp_path, environment, "run", "--profile", "sandbox", *options)


def x07_in(tmp_path: Path, environment: str, *args: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "x07.toml").write_text('entry = "main.py"\n')
    (tmp_path / "main.py").write_text("print('ran')\n")
    repository = str(Path(__file__).parents[2])
    code = "import sys; from x07py.cli.main import main; from tests.sandbox.emulate import ENVIRONMENTS\n"
    code += "whole = sys.argv.pop(1)\n"
    code += "for one in [whole] if whole in ENVIRONMENTS else whole.split(): ENVIRONMENTS[one]()\nmain()"
    return subprocess.run(
        [sys.executable, "-c", code, environment, *args],
        cwd=tmp_path,
        env={"PYTHONPATH": repository, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_weaker_isolation_shows_in_a_warning_and_in_the_report(tmp_path: Path) -> None:
    refused = x07_run(tmp_path, "no_landlock")
    assert (refused.returncode, refused.stdout) == (125, "")
    assert "--i-accept-weaker-isolation" in refused.stderr
    accepted = x07_run(tmp_path, "no_landlock", "--i-accept-weaker-isolation", "--report", "report.json")
    assert (accepted.returncode, accepted.stdout) == (0, "ran\n")
    assert "warning: weaker isolation: landlock absent: Landlock ABI 0" in accepted.stderr
    assert "(accepted)" in (tmp_path / "report.json").read_text()


def test_that_denials_are_unknown_is_said(tmp_path: Path) -> None:
    done = x07_run(tmp_path, "busy no_tracing", "--report", "report.json")
    assert done.stderr == "x07 run: warning: denials are unknown (Operation not permitted)\n"
    assert '"tracer": "absent: denials are unknown (Operation not permitted)"' in (tmp_path / "report.json").read_text()


def test_a_required_layer_by_flag(tmp_path: Path) -> None:
    refused = x07_run(tmp_path, "docker", "--require-layer", "namespaces")
    assert refused.returncode == 125
    assert "--require-layer namespaces" in refused.stderr
    unknown = x07_run(tmp_path, "docker", "--require-layer", "hope")
    assert unknown.returncode == 126
    assert "landlock" in unknown.stderr


SOME = ("", "bare_user_namespaces", "busy", "no_landlock")
MORE = (
    *(
        "docker",
        "docker no_reading_by_call",
        "no_namespaces",
        "no_proc",
        "no_mounts",
        "busy no_proc",
        "busy no_tracing",
    ),
    *("busy no_namespaces", *(f"{engine} profile" for engine in ENGINES)),
)
"""Where `make starts` asks as well."""


@pytest.mark.parametrize("environment", [*SOME, *MORE] if "X07_STARTS" in os.environ else SOME)
def test_doctor_says_what_a_run_finds(tmp_path: Path, environment: str) -> None:
    features = json.loads(x07_in(tmp_path, environment, "doctor", "--format", "json").stdout)["kernel"]["features"]
    rows = {row["name"]: row for row in features}
    rows.pop("x07 run in a solve world")
    verdict = rows.pop("x07 run in a sandbox")
    done = x07_run(tmp_path, environment, "--report", "report.json")
    assert verdict["available"] == (done.stdout == "ran\n"), done.stderr
    if verdict["available"]:
        layers = json.loads((tmp_path / "report.json").read_text())["layers"]
        assert {name: row["detail"] for name, row in rows.items()} == layers
    else:
        assert verdict["detail"].removeprefix("refused: ") in done.stderr
