"""Listeners that log who came, a compiled attack program, and runs inside and outside the sandbox."""

from __future__ import annotations

import errno
import json
import os
import random
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.1.1", "127.255.255.254", "127.16.9.254", "127.0.0.3", "127.1.2.3", "::1")
NOBODY = 65534
USERS = [None, NOBODY] if os.geteuid() == 0 else [None]
"""Run as this user, and as one without any right; only root can become another."""


class Listeners:
    """TCP listeners on an allowed and a denied port of many loopback addresses; `seen` holds where connections came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self._selector = selectors.DefaultSelector()
        self._stop, self._wake = socket.socketpair()
        self._selector.register(self._stop, selectors.EVENT_READ)
        self.allowed, self.denied = self._listen(), self._listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _listen(self) -> int:
        """Listen on all addresses, at a port that is free on each of them, and return it.

        It is none that the system or `free_port` gives: clients of tests that go on elsewhere may still try to reach a
        broker that has had one of those, and would be seen here.
        """
        while True:
            made: list[socket.socket] = []
            port = random.randint(10_000, 19_999)
            try:
                for host in HOSTS:
                    family = socket.AF_INET6 if ":" in host else socket.AF_INET
                    made.append(socket.create_server((host, port), family=family, backlog=512))
            except OSError as error:
                for listener in made:
                    listener.close()
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
            for listener in made:
                listener.setblocking(False)
                self._selector.register(listener, selectors.EVENT_READ)
            return port

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._stop:
                    return
                try:
                    client, _ = cast("socket.socket", key.fileobj).accept()
                except BlockingIOError:
                    continue
                with client:
                    self.seen.append(client.getsockname()[:2])

    def unexpected(self) -> set[tuple[str, int]]:
        """Return where connections came that the allowlist of the tests does not name."""
        return {place for place in self.seen if place != ("127.0.0.1", self.allowed)}

    def close(self) -> None:
        self._wake.close()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            cast("socket.socket", key.fileobj).close()
        self._selector.close()


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners()
    yield made
    made.close()


@pytest.fixture(scope="session")
def built() -> Iterator[Path]:
    """A folder that everybody may read, with the attack program; `X07_ATTACKS` names one where there is no compiler."""
    folder = Path(tempfile.mkdtemp(prefix="x07-attacks-"))
    sources = [Path(__file__).with_name(name) for name in ("attacks.c", "races.c")]
    if ready := os.environ.get("X07_ATTACKS"):
        shutil.copy(ready, folder / "attacks")
    else:
        subprocess.run(["cc", "-O1", "-o", folder / "attacks", *sources, "-pthread"], check=True)
    shutil.copy(folder / "attacks", folder / "unreadable")
    (folder / "unreadable").chmod(0o111)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


class Ground:
    """A writable folder, one outside it and Unix sockets, open to everybody: only the sandbox stands in the way."""

    def __init__(self, uid: int | None) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="x07-ground-"))
        self.inside, self.outside = self.root / "inside", self.root / "outside"
        for folder in (self.root, self.inside, self.outside):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        self.doors = [socket.socket(socket.AF_UNIX) for _ in range(2)]
        for door, name in zip(self.doors, (f"{self.root}/door", f"\0{self.outside}/../door"), strict=True):
            door.bind(name)
            door.listen()
            door.setblocking(False)
        (self.root / "door").chmod(0o666)
        os.chown(self.root / "door", -1 if uid is None else uid, -1)
        for name in ("victim", "doomed"):
            (self.outside / name).write_text("precious")
            (self.outside / name).chmod(0o666)
            if uid is not None:
                os.chown(self.outside / name, uid, uid)

    def knocked(self) -> int:
        """Return how many connections came to the Unix sockets, and close them."""
        found = 0
        for door in self.doors:
            with suppress(BlockingIOError):
                while True:
                    door.accept()[0].close()
                    found += 1
        return found

    def state(self) -> list[tuple[str, int, int, float, str]]:
        """Return all that an attack could have changed outside."""
        rows = []
        for path in sorted(self.outside.iterdir()):
            info = path.stat()
            rows.append((path.name, info.st_mode, info.st_nlink, info.st_mtime, path.read_text()))
        return rows


@pytest.fixture(params=USERS, ids=lambda uid: "unprivileged" if uid else "self")
def ground(request: pytest.FixtureRequest) -> Iterator[tuple[int | None, Ground]]:
    made = Ground(request.param)
    yield request.param, made
    for door in made.doors:
        door.close()
    shutil.rmtree(made.root)


def drive(started: Mapping[str, Any] | None = None, **order: Any) -> tuple[dict[str, Any], str]:
    """Run one order of `tests.sandbox.drive`; return the outcome and what the program printed.

    Args:
        started: more arguments of ``subprocess.run``.
        order: what `tests.sandbox.drive` takes.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.drive", json.dumps(order)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300 + 10 * order.get("starts", 0) + order.get("timeout", 0),
        **(started or {}),
    )
    text, mark, outcome = done.stdout.rpartition("\n@OUTCOME ")
    assert mark, done.stderr
    return json.loads(outcome), text
