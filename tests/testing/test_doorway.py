"""The port by which a program's connection comes to its cassette: nothing of it may depend on who is quicker."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from x07py import use_cassette
from x07py.errors import CassetteError
from x07py.sandbox.network import Address, mapped
from x07py.testing.doorway import Doorway

LOOPBACK = mapped(socket.inet_aton("127.0.0.1"))


@pytest.fixture
def bystander() -> Iterator[socket.socket]:
    """A port of this machine that is no broker's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


@contextlib.contextmanager
def way_in(root: Path, *passthrough: str) -> Iterator[tuple[use_cassette, Doorway]]:
    """The door of a cassette that is replayed and holds nothing."""
    (root / ".x07_rr").mkdir(exist_ok=True)
    (root / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    used = use_cassette("c.x07rr.bin", allow_empty=True, passthrough=passthrough, root=root)
    session = used.session = used.open_session()
    try:
        yield used, Doorway(used.open_door())
    finally:
        session.__exit__(None, None, None)


class Overtaken(socket.socket):
    """A program's socket whose port somebody else reaches before it."""

    stranger: socket.socket

    def connect_ex(self, address: Any, /) -> int:
        """Connect after the stranger."""
        self.stranger = socket.create_connection(address)
        self.stranger.settimeout(20)
        return super().connect_ex(address)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_connection_is_judged_however_soon_its_program_ends(
    tmp_path: Path, bystander: socket.socket, family: socket.AddressFamily
) -> None:
    port = bystander.getsockname()[1]
    for _ in range(20):
        with way_in(tmp_path) as (used, doorway):
            with socket.socket(family) as own:
                own.setblocking(False)
                doorway.lead(Address(LOOPBACK, port), own, os.getpid(), "short")
            doorway.close()
            with pytest.raises(CassetteError, match=f"short .* connects to 127.0.0.1:{port}, .* says nothing"):
                used.close_door()


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_who_reaches_the_port_first_does_not_take_the_programs_place(
    tmp_path: Path, bystander: socket.socket, family: socket.AddressFamily
) -> None:
    port = bystander.getsockname()[1]
    with way_in(tmp_path, f"127.0.0.1:{port}") as (used, doorway), Overtaken(family) as own:
        assert doorway.lead(Address(LOOPBACK, port), own, os.getpid(), "program") == 0
        own.sendall(b"hello")
        with bystander.accept()[0] as got:
            assert got.recv(5) == b"hello"
        with own.stranger:
            assert own.stranger.recv(1) == b""
        own.close()
        used.close_door()
