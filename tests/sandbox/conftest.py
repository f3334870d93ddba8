"""Listeners that log who came, a compiled attack program, and runs inside and outside the sandbox."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.1.1", "127.255.255.254", "127.16.9.254", "127.0.0.3", "127.1.2.3", "::1")
NOBODY = 65534
USERS = [None, NOBODY] if os.geteuid() == 0 else [None]
"""Run as this user, and as one without any right; only root can become another."""


class Listeners:
    """TCP listeners on an allowed and a denied port of many loopback addresses; `seen` holds where connections came."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] = []
        self.allowed, self.denied = self._free(), self._free()
        self._selector = selectors.DefaultSelector()
        self._stop, self._wake = socket.socketpair()
        self._selector.register(self._stop, selectors.EVENT_READ)
        for host in HOSTS:
            for port in (self.allowed, self.denied):
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                listener = socket.create_server((host, port), family=family, backlog=512)
                listener.setblocking(False)
                self._selector.register(listener, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @staticmethod
    def _free() -> int:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return probe.getsockname()[1]

    def _serve(self) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._stop:
                    return
                try:
                    client, _ = key.fileobj.accept()
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
            key.fileobj.close()
        self._selector.close()


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners()
    yield made
    made.close()


@pytest.fixture(scope="session")
def built() -> Iterator[Path]:
    """A folder that everybody may read, with the attack program."""
    folder = Path(tempfile.mkdtemp(prefix="x07-attacks-"))
    source = Path(__file__).with_name("attacks.c")
    subprocess.run(["cc", "-O1", "-o", folder / "attacks", source, "-pthread"], check=True)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def drive(**order: Any) -> tuple[dict[str, Any], str]:
    """Run one order of `tests.sandbox.drive`; return the outcome and what the program printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sandbox.drive", json.dumps(order)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )
    text, mark, outcome = done.stdout.rpartition("\n@OUTCOME ")
    assert mark, done.stderr
    return json.loads(outcome), text
