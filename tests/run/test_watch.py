"""Audit logs, learning policies from runs, and comparing policies; with real programs under the real sandbox."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.support.project import x07, x07_here
from x07py.brokers.native import free_port
from x07py.contracts.schemas import load_schema
from x07py.run.learn import learned_policy
from x07py.run.policy import MAX_ROOTS, read_policy, template
from x07py.sandbox.notifications import Access

PROGRAM = """
import os, socket, subprocess, sys
def connect(port):
    try: socket.create_connection(("127.0.0.1", int(port)), timeout=5).close()
    except OSError as error: print("refused", error.errno)
    else: print("connected")
what, *rest = sys.argv[1:]
if what == "connect": [connect(port) for port in rest]
if what == "all":
    port, own, data, script = rest
    connect(port)
    with socket.create_server(("127.0.0.1", int(own))): print("listening")
    print(open(data + "/in.txt").read())
    os.makedirs("out/deep", exist_ok=True)
    open("out/deep/new.txt", "w").write("x")
    os.rename("out/deep/new.txt", "out/deep/newer.txt")
    print(subprocess.run([script], capture_output=True, text=True, check=True).stdout)
"""


@pytest.fixture
def app(project: Path) -> Path:
    (project / "app.py").write_text(PROGRAM)
    (project / "x07.toml").write_text('entry = "app.py"\n')
    return project


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def run(app: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return x07("run", "--profile", "sandbox", *args, cwd=app)


def test_the_audit_log_names_every_decision_and_the_grant_behind_it(app: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    for also in ((), ("--report", "report")):
        done = run(
            app, "--allow-host", f"127.0.0.0/8:{port}", "--audit", "audit", *also, "--", "connect", str(port), "1"
        )
        assert done.stdout == "connected\nrefused 13\n", done.stderr
    assert json.loads((app / "report").read_text())["audit"] == "audit"
    assert (app / "audit").stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in (app / "audit").read_text().splitlines()]
    assert [(one["kind"], one["target"], one["allowed"], one["rule"]) for one in lines] == [
        ("connect", f"127.0.0.1:{port}", True, f"--allow-host 127.0.0.0/8:{port}"),
        ("connect", "127.0.0.1:1", False, None),
    ] * 2
    assert all(one["time"].startswith("20") and one["pid"] and one["world"] == "run-os-sandboxed" for one in lines)
    denied = run(app, "--deny-host", "127.0.0.1:*", "--allow-host", "127.0.0.1:1", "--audit", "d", "--", "connect", "1")
    assert denied.stdout == "refused 13\n"
    assert json.loads((app / "d").read_text())["rule"] == "--deny-host 127.0.0.1:*"


def test_what_cannot_be_logged_is_refused(app: Path, server: socket.socket) -> None:
    port = str(server.getsockname()[1])
    done = run(app, "--allow-host", f"127.0.0.1:{port}", "--audit", "/dev/full", "--", "connect", port)
    assert done.stdout == "refused 28\n"
    late = run(app, "--report", "/dev/full", "--", "connect")
    assert (late.returncode, "error[X07IO_WRITE]" in late.stderr) == (125, True)
    assert "error[X07RUN_FILE]" in run(app, "--audit", "none/audit", "--", "connect", port).stderr


def test_a_file_of_denied_hosts_wins(app: Path, server: socket.socket) -> None:
    port = server.getsockname()[1]
    (app / "deny").write_text(f"# not this one\n127.0.0.1:{port}\n")
    done = run(app, "--allow-host", f"127.0.0.1:{port}", "--deny-host-file", "deny", "--", "connect", str(port))
    assert done.stdout == "refused 13\n"


@pytest.fixture
def everything(app: Path, server: socket.socket, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments with which the program connects, listens, reads, writes and starts a script."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "in.txt").write_text("data")
    script = outside / "script"
    script.write_text("#!/bin/sh\necho from the script\n")
    script.chmod(0o755)
    return ["all", str(server.getsockname()[1]), str(free_port()), str(outside), str(script)]


def test_a_learned_policy_allows_what_was_seen_and_nothing_else(app: Path, everything: list[str]) -> None:
    assert run(app, "--", *everything).returncode == 1
    learned = run(app, "--learn", "policy/learned.json", "--report", "report", "--timeout", "60", "--", *everything)
    assert learned.returncode == 0, learned.stderr
    assert learned.stderr.startswith("x07 run: learning: connections, listening, files and programs are not restricted")
    assert json.loads((app / "report").read_text())["mode"] == "learned"
    document = json.loads((app / "policy/learned.json").read_text())
    port, own, outside = int(everything[1]), int(everything[2]), everything[3]
    assert document["net"] == {
        "enabled": True,
        "allow_hosts": [{"host": "127.0.0.1", "ports": [port]}],
        "allow_listen": [{"host": "127.0.0.1", "ports": [own]}],
    }
    assert document["limits"] == {"wall_ms": 60000}
    assert document["fs"]["write_roots"] == ["."]
    beyond = [path for path in document["fs"]["read_roots"] if not path.startswith("/etc/")]
    assert beyond == [f"{outside}/in.txt", f"{outside}/script"]
    assert f"{outside}/script" in document["process"]["allow_execs"]
    again = run(app, "--policy", "policy/learned.json", "--", *everything)
    assert (again.returncode, again.stdout) == (0, learned.stdout), again.stderr
    assert run(app, "--policy", "policy/learned.json", "--", "connect", "1").stdout == "refused 13\n"


def test_a_policy_comes_from_audit_logs_too(app: Path, server: socket.socket) -> None:
    port = str(server.getsockname()[1])
    assert run(app, "--audit", "audit", "--", "connect", port).stdout == "refused 13\n"
    (app / "policy.json").write_text(x07_here("policy", "learn", "audit", cwd=app).stdout)
    assert run(app, "--policy", "policy.json", "--", "connect", port).stdout == "connected\n"
    (app / "audit").write_text("{}\n")
    assert "error[X07RUN_FILE]" in x07_here("policy", "learn", "audit", cwd=app).stderr


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--profile", "os", "--learn", "p"), "X07RUN_CONTRADICTION"),
        (("--profile", "replay", "--audit", "p"), "X07RUN_CONTRADICTION"),
        (("--profile", "sandbox", "--learn", "p", "--allow-host", "127.0.0.1:1"), "X07RUN_CONTRADICTION"),
        (("--profile", "sandbox", "--learn", "p", "--policy", "p"), "X07RUN_CONTRADICTION"),
        (("--profile", "sandbox", "--learn", "x07.toml"), "X07RUN_LEARN"),
    ],
)
def test_watching_what_cannot_be_watched_is_refused(app: Path, args: tuple[str, ...], code: str) -> None:
    done = x07_here("run", *args, "--", "connect", "1", cwd=app)
    assert (done.returncode, done.stdout) == (126, "")
    assert f"error[{code}]" in done.stderr


def test_many_files_become_folders_and_the_whole_system_is_refused(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
        for number in range(MAX_ROOTS):
            (folder / str(number)).touch()
    accesses = [Access("read", str(file), True, 1, "p") for folder in folders for file in folder.iterdir()]
    roots = learned_policy(accesses, tmp_path / "project")["fs"]["read_roots"]
    assert roots == [str(folder) for folder in folders]
    everywhere = [Access("write", "/", True, 1, "p")]
    with pytest.raises(Exception, match="X07RUN_LEARN"):
        learned_policy(everywhere, tmp_path)
    listed = learned_policy([Access("read", "/", True, 1, "p"), accesses[0]], tmp_path / "project")
    assert listed["fs"]["read_roots"] == [accesses[0].target]
    assert "Left out: the list of names in /" in listed["notes"]


def test_devices_are_learned_but_for_those_that_every_program_has(tmp_path: Path) -> None:
    made = Path("/dev/shm", f"x07-test-{os.getpid()}")
    made.touch()
    try:
        places = ("/dev/null", "/dev/ptmx", str(made))
        document = learned_policy([Access("write", place, True, 1, "p") for place in places], tmp_path)
    finally:
        made.unlink()
    assert document["fs"]["write_roots"] == ["/dev/ptmx", "/dev/pts"]


def test_policies_are_shown_and_compared_by_what_they_grant(app: Path) -> None:
    document = json.loads(template("kafka-worker"))
    (app / "a.json").write_text(json.dumps(document))
    document |= {"policy_id": "other", "notes": "the same"}
    document["net"]["allow_hosts"] = [{"host": "127.0.0.1", "ports": [9092, 9092]}]
    (app / "b.json").write_text(json.dumps(document))
    assert x07_here("policy", "diff", "a.json", "b.json", cwd=app).stdout == "no differences\n"
    document["net"]["allow_hosts"].append({"host": "::1", "ports": [9093]})
    document["limits"]["fds"] = 99
    (app / "c.json").write_text(json.dumps(document))
    different = x07_here("policy", "diff", "a.json", "c.json", cwd=app)
    assert different.returncode == 1
    assert different.stdout == "+ connect [::1]:9093\n- limit fds 1024\n+ limit fds 99\n3 differences\n"
    report = json.loads(x07_here("policy", "diff", "a.json", "c.json", "--format", "json", cwd=app).stdout)
    jsonschema.validate(report, load_schema("x07.policy.diff.report"))
    shown = {
        name: json.loads(x07_here("policy", "show", f"{name}.json", "--format", "json", cwd=app).stdout)
        for name in "abc"
    }
    for one in shown.values():
        jsonschema.validate(one, load_schema("x07.policy.show.report"))
    assert shown["a"]["sha256"] == shown["b"]["sha256"] != shown["c"]["sha256"]
    assert "  connect      [::1]:9093\n" in x07_here("policy", "show", "c.json", cwd=app).stdout
    assert read_policy(app / "c.json").document["policy_id"] == "other"
