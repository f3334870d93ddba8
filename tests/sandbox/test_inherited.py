"""What comes from outside gives a program nothing: descriptors, a terminal, set-user-id programs, a busy supervisor."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import socket
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import NOBODY, Listeners, drive
from tests.sandbox.test_launch import ANYBODY, PYTHON, SPACES

SOCKETS = """
import os
for name in os.listdir("/proc/self/fd"):
    if int(name) > 2 and os.path.exists(f"/proc/self/fd/{name}"):
        print(os.readlink(f"/proc/self/fd/{name}").partition(":")[0])
"""
KEYS = """
import fcntl, termios
try:
    for key in b"hi\\n": fcntl.ioctl(0, termios.TIOCSTI, bytes([key]))
    print("injected")
except OSError as error: print(error.errno)
"""
WAITS = """
import errno, socket, sys, threading
allowed, denied = (("127.0.0.1", int(port)) for port in sys.argv[1:])
served = []
def patient():
    with socket.create_connection(allowed) as one:
        served.append(one.recv(1))
threads = [threading.Thread(target=patient) for _ in range(20)]
for one in threads: one.start()
with socket.socket() as one:
    print(one.connect_ex(denied) == errno.EACCES, flush=True)
for one in threads: one.join()
print(len(served), flush=True)
one = socket.create_connection(allowed)
one.sendall(b"last")
one.close()
sys.stdin.read()
"""
EXHAUSTS = """
import errno, socket, sys
allowed, denied = (("127.0.0.1", int(port)) for port in sys.argv[1:])
made, refused = [], 0
for _ in range(400):
    try:
        made.append(socket.socket())
    except OSError:
        refused += 1
reached = sum(one.connect_ex(denied) == 0 for one in made)
for one in made: one.close()
with socket.create_connection(allowed) as one:
    print(reached, one.recv(1))
"""


@SPACES
def test_descriptors_are_not_inherited(listeners: Listeners, namespaces: bool) -> None:
    with socket.create_connection(("127.0.0.1", listeners.denied)) as one:
        high = os.dup2(one.fileno(), 900)
        seen = [
            drive({"pass_fds": (one.fileno(), high)}, argv=[PYTHON, "-c", SOCKETS], namespaces=namespaces, **how)[1]
            for how in ({"confined": False}, {})
        ]
        os.close(high)
    assert [text.split().count("socket") for text in seen] == [2, 0]


def own_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@SPACES
@ANYBODY
def test_no_keys_go_into_the_terminal(uid: int | None, namespaces: bool) -> None:
    """The terminal is the program's own; outside, the keys arrive unless the kernel refuses them to all but root."""
    said = []
    for confined in (True, False):
        master, slave = pty.openpty()
        started = {"stdin": slave, "preexec_fn": own_terminal}
        said.append(drive(started, argv=[PYTHON, "-c", KEYS], uid=uid, namespaces=namespaces, confined=confined)[1])
        os.close(slave)
        os.close(master)
    setting = Path("/proc/sys/dev/tty/legacy_tiocsti")
    works = not setting.exists() or setting.read_text() == "1\n" or (uid or os.geteuid()) == 0
    assert said == ["1\n", "injected\n" if works else "5\n"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a set-user-id program for somebody else to run")
@SPACES
def test_a_set_user_id_program_gets_no_rights(built: Path, namespaces: bool) -> None:
    program = built / "identity"
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    users = [
        drive(argv=[str(program), "-u"], uid=NOBODY, namespaces=namespaces, read=[str(built)], confined=one)[1].split()
        for one in (False, True)
    ]
    assert users == [["0"], [str(NOBODY)]]


OPENS = """
import os, sys
for name, mode in (("mem", os.O_RDWR), ("mem", os.O_RDONLY), ("environ", os.O_RDONLY), ("fd/0", os.O_RDONLY)):
    try: os.open(f"/proc/{sys.argv[1]}/{name}", mode); print("opened", name)
    except PermissionError: print("refused")
"""


@ANYBODY
def test_the_supervisor_keeps_its_memory_even_without_landlock(uid: int | None) -> None:
    order: dict[str, Any] = {"argv": [PYTHON, "-c", OPENS, "@PID"], "uid": uid, "namespaces": False}
    assert drive(confined=False, **order)[1].count("opened") == 4
    outcome, text = drive(emulate=["no_landlock"], accept_weaker=True, **order)
    assert text.split() == ["refused"] * 4, outcome


def test_connects_that_hang_hold_up_no_other() -> None:
    """A listener that accepts nobody; then it does, and sees a connection end as soon as the program closes it."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [str(one.getsockname()[1]) for one in (server, other)]
        order = {"argv": [PYTHON, "-c", WAITS, *ports], "namespaces": False, "port": int(ports[0])}
        program = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox.drive", json.dumps(order)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with program:
            assert program.stdout is not None
            assert program.stdin is not None
            assert program.stdout.readline() == "True\n"
            server.listen(64)
            server.settimeout(120)
            for _ in range(20):
                server.accept()[0].close()
            assert program.stdout.readline() == "20\n"
            last, _ = server.accept()
            with last:
                last.settimeout(60)
                assert last.recv(10) == b"last"
                assert last.recv(10) == b""
            assert program.poll() is None
            program.stdin.close()
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.accept()


@SPACES
def test_a_supervisor_without_descriptors_refuses_and_recovers(listeners: Listeners, namespaces: bool) -> None:
    ports = [str(listeners.allowed), str(listeners.denied)]
    outcome, text = drive(
        argv=[PYTHON, "-c", EXHAUSTS, *ports], port=listeners.allowed, namespaces=namespaces, open_files=80
    )
    assert text == "0 b''\n", outcome
    assert listeners.unexpected() == set()
