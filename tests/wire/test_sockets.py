"""The sockets of a program while a cassette is in use: what it did with them before, and what it closes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import selectors
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.wire.kafka.serving import record_by_driver
from x07py import use_cassette
from x07py.errors import CassetteError, UsageError
from x07py.wire.process.replacing import put_in_place_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells it on Linux only")


def test_what_was_done_with_a_socket_before_it_is_connected_holds_afterwards() -> None:
    near, far = socket.socketpair()
    with socket.socket() as one, one.dup() as copy, selectors.EpollSelector() as waiting, far:
        one.setblocking(False)
        waiting.register(one, selectors.EVENT_READ)
        put_in_place_of(one, near)
        assert not one.getblocking()
        assert not waiting.select(0)
        far.sendall(b"both")
        assert [key.fileobj for key, _ in waiting.select(5)] == [one]
        assert (one.recv(2), copy.recv(2)) == (b"bo", b"th")


def test_a_program_that_closes_all_it_has_leaves_the_cassette_alone(tmp_path: Path) -> None:
    with use_cassette("c.x07rr.bin", allow_empty=True, root=tmp_path):
        written = (tmp_path / ".x07_rr/c.x07rr.bin.partial").stat().st_ino
        (number,) = [one for one in range(3, 1000) if _inode(one) == written]
        for close in (os.close, lambda first: os.closerange(first, first + 1)):
            close(number)
            os.fstat(number)
        other = os.dup(number)
        os.close(other)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.close(other)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)


def _inode(number: int) -> int | None:
    try:
        return os.fstat(number).st_ino
    except OSError:
        return None


def test_cassettes_are_one_inside_of_the_other_or_refused(tmp_path: Path) -> None:
    def enter(name: str) -> None:
        with use_cassette(name, allow_empty=True, root=tmp_path):
            pass

    with ThreadPoolExecutor(1) as threads, use_cassette("outer", allow_empty=True, root=tmp_path):
        enter("inner")
        with pytest.raises(UsageError, match="another thread has outer in use"):
            threads.submit(enter, "elsewhere").result()
    enter("outer")


def test_cassettes_of_two_tasks_are_refused(tmp_path: Path) -> None:
    async def enter(name: str) -> None:
        with use_cassette(name, allow_empty=True, root=tmp_path):
            await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(enter("first"), enter("second"))

    with pytest.raises(UsageError, match="another task has first in use"):
        asyncio.run(both())


@pytest.mark.parametrize("grace_s", [0.05, *[0.0003] * 20])
def test_a_program_whose_cleaning_up_waits_as_well_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grace_s: float
) -> None:
    """With little time between, the error comes anywhere: in the end of the block, which has to be reached, too."""

    async def program() -> None:
        never = asyncio.Event()
        with use_cassette("a.x07rr.bin", mode="none", root=tmp_path, allow_unused=True):
            with socket.socket(type=socket.SOCK_DGRAM) as one, contextlib.suppress(CassetteError):
                one.sendto(b"count", ("192.0.2.1", 9))
            try:
                await never.wait()
            finally:
                await never.wait()

    record_by_driver(tmp_path, "orders", 1)
    monkeypatch.setattr("x07py.testing.aborting._GRACE_S", grace_s)
    with pytest.raises(CassetteError, match="by datagrams"):
        asyncio.run(program())
