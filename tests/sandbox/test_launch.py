"""Starting, ending, limits and refusals: nothing survives, and what cannot be confined is not run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import USERS, Listeners, drive

PYTHON = "/usr/bin/python3"
SPACES = pytest.mark.parametrize("namespaces", [True, False], ids=["namespaces", "plain"])
ANYBODY = pytest.mark.parametrize("uid", USERS, ids=lambda uid: "unprivileged" if uid else "self")
DAEMON = """
import os, sys, time
for _ in range(2):
    if os.fork():
        if _ == 0: time.sleep(0.3)
        os._exit(0)
    os.setsid()
os.write(int(sys.argv[1]), b"x")
while True: time.sleep(0.01)
"""


def running(mark: str) -> list[str]:
    """Return the command lines of processes that name `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
        except OSError:
            continue
        line = words.replace(b"\0", b" ").decode("utf-8", "replace")
        if mark in line and "drive" not in line:
            found.append(line)
    return found


@SPACES
@ANYBODY
def test_no_daemon_survives(uid: int | None, namespaces: bool) -> None:
    mark = f"mark{os.getpid()}"
    outcome, _ = drive(argv=[PYTHON, "-c", DAEMON, "1", mark], uid=uid, namespaces=namespaces)
    assert outcome["status"] == 0
    assert running(mark) == []


def test_no_signal_reaches_the_group_outside_where_landlock_lets_it() -> None:
    """The group is the launcher's and that of whoever started it, whatever namespaces there are."""
    code = "import os\ntry: os.kill(0, 9)\nexcept PermissionError: print('kept in')"
    order = {"argv": [PYTHON, "-c", code], "namespaces": True, "emulate": ["older_landlock"]}
    outcome, text = drive({"process_group": 0}, **order)
    assert (outcome["status"], text) == (0, "kept in\n")


@SPACES
def test_nothing_survives_the_launcher(namespaces: bool) -> None:
    mark = f"killed{os.getpid()}"
    order: dict[str, Any] = {"argv": [PYTHON, "-c", DAEMON + "#", "1", mark], "namespaces": namespaces}
    order["argv"][2] = DAEMON.replace("os._exit(0)", "time.sleep(60)")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.drive", json.dumps(order)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.read(1)
    assert running(mark)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 120
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(mark) == []


@SPACES
def test_time_limit_ends_even_a_program_that_ignores_it(namespaces: bool) -> None:
    program = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ignores', flush=True)\n"
    program += "while True: time.sleep(1)"
    for seconds in (0.5, 5, 50):
        outcome, text = drive(argv=[PYTHON, "-c", program], namespaces=namespaces, timeout=seconds)
        assert outcome["timed_out"]
        if text:  # else a busy machine has not let it start in that time
            break
    assert text == "ignores\n"
    assert outcome["status"] == -signal.SIGKILL


def test_exit_code_and_signal_are_the_programs_own() -> None:
    assert drive(argv=[PYTHON, "-c", "raise SystemExit(7)"], namespaces=True)[0]["status"] == 7
    crash = "import os,signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert drive(argv=[PYTHON, "-c", crash], namespaces=True)[0]["status"] == -signal.SIGSEGV


NESTED = """
import os, sys
os.chdir(sys.argv[1])
os.execv(sys.executable, [sys.executable, "-m", "tests.sandbox.drive", sys.argv[2]])
"""


@SPACES
def test_memory_and_processor_limits_hold(namespaces: bool) -> None:
    hungry, _ = drive(argv=[PYTHON, "-c", "bytearray(1 << 30)"], namespaces=namespaces, limits={"memory": 1 << 28})
    assert hungry["status"] == 1
    busy, _ = drive(argv=[PYTHON, "-c", "while True: pass"], namespaces=namespaces, limits={"cpu_seconds": 1})
    assert busy["status"] == -signal.SIGXCPU


def test_a_sandbox_in_a_sandbox_is_refused() -> None:
    inner = json.dumps({"argv": ["/bin/true"], "namespaces": False})
    repository = str(Path(__file__).parents[2])
    outcome, text = drive(
        argv=[
            sys.executable,
            "-c",
            NESTED,
            repository,
            inner,
        ],
        namespaces=False,
        read=[repository],
        env={"PYTHONPATH": repository},
    )
    assert outcome["status"] == 0
    assert "X07RUN_CANNOT_CONFINE" in text


def test_a_program_that_does_not_exist_is_an_error() -> None:
    outcome, _ = drive(argv=["/usr/bin/no-such-program"], namespaces=True)
    assert outcome["code"] == "X07RUN_NOT_EXECUTABLE"


def test_a_network_socket_as_standard_input_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as stream:
        done = subprocess.run(
            [sys.executable, "-m", "tests.sandbox.drive", '{"argv": ["/bin/true"], "namespaces": true}'],
            cwd=Path(__file__).parents[2],
            stdin=stream.fileno(),
            capture_output=True,
            text=True,
            check=True,
        )
    assert "X07RUN_STDIO_SOCKET" in done.stdout


CLIENT = """
import asyncio, errno, os, socket, sys
allowed, denied = int(sys.argv[1]), int(sys.argv[2])
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", allowed)
    assert await reader.read() == b""
    try:
        await asyncio.open_connection("127.0.0.1", denied)
    except PermissionError:
        print("refused")
asyncio.run(main())
for _ in range(3000):  # sockets that are never connected
    socket.socket().close()
with socket.create_connection(("localhost", allowed), timeout=5) as one:
    assert one.recv(1) == b""
slow = socket.socket()
assert slow.connect_ex(("127.0.0.1", denied)) == errno.EACCES
try:
    socket.create_server(("127.0.0.1", denied))
except PermissionError:
    print("no server")
print("done")
"""


@SPACES
@ANYBODY
def test_clients_work_and_denials_name_the_target(listeners: Listeners, uid: int | None, namespaces: bool) -> None:
    ports = [str(listeners.allowed), str(listeners.denied)]
    outcome, text = drive(
        argv=[PYTHON, "-c", CLIENT, *ports], uid=uid, port=listeners.allowed, namespaces=namespaces, read=["/etc/hosts"]
    )
    assert text.splitlines() == ["refused", "no server", "done"], outcome
    target = f"127.0.0.1:{listeners.denied}"
    denials = [(one["kind"], one["target"], one["process"], one["count"]) for one in outcome["denials"]]
    assert denials == [("connect", target, "python3", 2), ("listen", target, "python3", 1)]
    assert listeners.unexpected() == set()
