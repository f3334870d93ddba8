"""Requests that two connections of a client are answered at once: none of them is lost."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

from x07py.wire.kafka import apis
from x07py.wire.kafka.peers import Ask, Peer
from x07py.wire.kafka.repeats import Repeats
from x07py.wire.stand_in import Address

ADDRESS = Address("127.0.0.1", 9092)


class Meeting(Peer):
    """A client that has left; whoever asks waits a moment for another who does."""

    together = threading.Barrier(2)

    @property
    def has_left(self) -> bool:
        with suppress(threading.BrokenBarrierError):
            self.together.wait(0.2)
        return super().has_left


def test_two_late_answers_at_once_are_both_written() -> None:
    written: list[int] = []
    repeats = Repeats(frozenset())

    def answered(number: int) -> None:
        near, far = socket.socketpair()
        far.close()
        with near:
            connection: Any = near
            peer = Meeting(ADDRESS, connection)
            header: Any = SimpleNamespace(key=apis.END_TXN)
            ask = Ask(peer, header, f"body {number}")
            repeats.answered(ask, object(), lambda: written.append(number), lambda: written.append(-1))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(answered, range(2)))
    repeats.finish()
    assert sorted(written) == [0, 1]


class Leaving(Peer):
    """A client that leaves after its first answer."""

    stays = 1

    @property
    def has_left(self) -> bool:
        self.stays -= 1
        return self.stays < 0


def test_offsets_that_a_broker_takes_at_the_second_time_are_written_then() -> None:
    written: list[int] = []
    repeats = Repeats(frozenset({15}))
    near, far = socket.socketpair()
    with near, far:
        for peer, code in ((Leaving(ADDRESS, near), 15), (Peer(ADDRESS, near), 0)):
            part = SimpleNamespace(error_code=SimpleNamespace(value=code))
            body = SimpleNamespace(topics=[SimpleNamespace(partitions=[part])])
            header: Any = SimpleNamespace(key=apis.TXN_OFFSET_COMMIT)
            repeats.answered(Ask(peer, header, "offsets"), body, partial(written.append, code), written.clear)
    repeats.finish()
    assert written == [15, 0]  # of which the writer leaves out what clients ask again for
