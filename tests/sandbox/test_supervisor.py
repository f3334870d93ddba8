"""A supervisor that is stopped, killed or flooded: no connection that was not allowed, and service afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sandbox.conftest import Listeners, drive
from tests.sandbox.test_launch import ANYBODY, PYTHON, SPACES, running

TRIES = """
import socket, sys, threading
allowed, denied, mark = sys.argv[1:]
def attempt(port):
    try:
        with socket.create_connection(("127.0.0.1", int(port))) as one:
            return one.recv(1)
    except OSError:
        return "refused"
print("ready", flush=True)
sys.stdin.readline()
print(attempt(denied), attempt(allowed), flush=True)
"""

HOPS = """
import os, socket, sys, time
if os.fork(): time.sleep(60)
os.setsid()
if os.fork(): os._exit(0)
print("ready", flush=True)
while True:
    for port in sys.argv[1:3]:
        try:
            socket.create_connection(("127.0.0.1", int(port)), timeout=1).close()
        except OSError:
            pass
"""

HOLDS = """
import socket, sys, time
targets = [("127.0.0.1", int(port)) for port in sys.argv[1:3]]
made = [(socket.socket(), target) for target in targets * 50]
print("ready", flush=True)
sys.stdin.readline()
while True:
    for one, target in made:
        one.connect_ex(target)
"""

FLOOD = """
import errno, socket, sys, threading, time
allowed, denied, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
stop = time.monotonic() + seconds
wrong = []
def flood():
    tried = 0
    while time.monotonic() < stop or tried < 20:
        tried += 1
        with socket.socket() as one:
            code = one.connect_ex(("127.0.0.1", denied))
            if code != errno.EACCES:
                wrong.append(code)
        with socket.socket() as one:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", allowed))
threads = [threading.Thread(target=flood) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
idle = [socket.socket() for _ in range(3000)]
with socket.create_connection(("127.0.0.1", allowed), timeout=60) as one:
    one.recv(1)
late = idle[-1].connect_ex(("127.0.0.1", denied))
early = idle[0].connect_ex(("127.0.0.1", denied))
print(wrong, late == early == errno.EACCES)
"""


@contextmanager
def started(code: str, listeners: Listeners, namespaces: bool, mark: str) -> Iterator[subprocess.Popen[str]]:
    argv = [PYTHON, "-c", code, str(listeners.allowed), str(listeners.denied), mark]
    order = {"argv": argv, "namespaces": namespaces, "port": listeners.allowed}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.drive", json.dumps(order)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


@SPACES
def test_while_it_is_stopped_nothing_connects(listeners: Listeners, namespaces: bool) -> None:
    with started(TRIES, listeners, namespaces, "stopped") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(1)
        assert listeners.seen == []
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "refused b''\n"
        process.stdin.close()
    assert listeners.unexpected() == set()


@SPACES
@pytest.mark.parametrize("program", [HOPS, HOLDS], ids=["hops", "holds sockets"])
def test_once_it_is_killed_nothing_connects_and_nothing_lives(
    listeners: Listeners, namespaces: bool, program: str
) -> None:
    """Also between making a socket and connecting it."""
    mark = f"hops{os.getpid()}"
    with started(program, listeners, namespaces, mark) as process:
        process.kill()
        process.communicate("go\n")
    deadline = time.monotonic() + 120
    while running(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert running(mark) == []
    assert listeners.unexpected() == set()


@SPACES
@ANYBODY
def test_a_flood_is_served_and_refused(listeners: Listeners, uid: int | None, namespaces: bool) -> None:
    seconds = os.environ.get("X07_RACE_SECONDS", "1")
    ports = [str(listeners.allowed), str(listeners.denied)]
    outcome, text = drive(
        argv=[PYTHON, "-c", FLOOD, *ports, seconds],
        uid=uid,
        port=listeners.allowed,
        namespaces=namespaces,
        timeout=100 + 2 * float(seconds),
    )
    assert text == "[] True\n", outcome
    (denial,) = outcome["denials"]
    assert denial["count"] > 50
    assert listeners.unexpected() == set()
