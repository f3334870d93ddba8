"""What a cassette does with the connections of this process: each gets one end of a pair, its door serves the other."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from x07py.rr.above import is_recorded_above
from x07py.wire.process.caller import caller
from x07py.wire.process.control import VARIABLE, Control
from x07py.wire.process.loops import running_loop
from x07py.wire.process.names import Names
from x07py.wire.process.natives import Native, connections, strangers
from x07py.wire.process.sockets import WAY, connect_for_real, pair
from x07py.wire.visit import Visit, nowhere
from x07py.worlds import current_world

if TYPE_CHECKING:
    import asyncio
    import socket
    from types import FrameType

    from x07py.errors import CassetteError
    from x07py.wire.door import Door
    from x07py.wire.stand_in import Address

_OWN = ("x07py.drivers", "x07py.brokers", "x07py.pumping", "x07py.pump")


class Entrance:
    """The entrance of one cassette for this process.

    Args:
        door: the cassette's door.

    Attributes:
        loops: the loops in which connections were made.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self.names: Names = Names()
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self._before: dict[int, Native] = {}
        self._control: Control | None = None
        self._environment: str | None = None

    def open(self) -> None:
        """Take the connections that are made from now on."""
        self._before = connections()
        if WAY.doors is None:  # what cassettes that are closed still have open to a broker is past this one
            WAY.known.clear()
        WAY.open(self)
        if not current_world().solve:
            self._control = Control(self._admit_child, self._refuse_child, records=self._door.records)
            self._environment = os.environ.get(VARIABLE)
            os.environ[VARIABLE] = self._control.text

    def close(self) -> None:
        """Take no more."""
        WAY.close(self)
        if self._control is not None:
            self._control.close()
            if self._environment is None:
                os.environ.pop(VARIABLE, None)
            else:
                os.environ[VARIABLE] = self._environment

    def _admit_child(
        self, far: socket.socket, address: Address, host: str, made_by: str, broker: socket.socket | None
    ) -> None:
        ready = [] if broker is None else [broker]
        connect = partial(_connect, address, host, None)
        self._door.admit(far, Visit(address, made_by, lambda to: ready.pop() if ready else connect(to)))

    def _refuse_child(self, address: Address, made_by: str, why: str) -> None:
        hint = (
            "" if address.port else "`x07 rr exec` puts it on the cassette where the kernel hands its connections over"
        )
        self._door.refuse(Visit(address, made_by, nowhere), why, hint)

    def passed_by(self, *, natives_are_known: bool) -> CassetteError | None:
        """Return what connections carried past the cassette, as an error.

        Those to named addresses may; what a library in C connected while recording is listed.

        Args:
            natives_are_known: whether connections of libraries in C are on the cassette by their classes.
        """
        old, new = strangers(self._before, WAY.known)
        for one in old:
            if not self._door.is_named(one.address):
                return self._door.refusal(Visit(one.address, "a connection made before", nowhere), "past the cassette")
        for one in [] if natives_are_known else new:
            visit = Visit(one.address, "a library in C", nowhere)
            if not self._door.records and not self._door.is_named(one.address):
                return self._door.refusal(visit, "past the cassette")
            self._door.note_passing(visit)
        return None

    def admit(self, address: Address, host: str, timeout: float | None) -> socket.socket | None:
        """Return the program's end of a connection; None for x07py's own drivers, which have recordings of their own.

        Raises:
            OSError: the broker cannot be reached.
            X07Error: the cassette has failed before.
        """
        if _is_our_own():
            if not self._door.records:
                raise self._door.refusal(Visit(address, str(caller()), nowhere), "which a replay does not")
            return None
        if (loop := running_loop()) is not None:
            self.loops.add(loop)
        near, far = pair()
        try:
            visit = Visit(address, str(caller()), partial(_connect, address, host, timeout))
            if current_world().solve:
                WAY.tell_of_sending(near, self._door.answer(far, visit))
            else:
                self._door.admit(far, visit)
        except BaseException:
            near.close()
            far.close()
            raise
        return near

    def datagram(self, address: Address) -> None:
        """Take note of a datagram.

        Raises:
            X07Error: in a replay, unless the address is named.
        """
        visit = Visit(address, str(caller()), nowhere)
        if self._door.records or self._door.is_named(address):
            self._door.note_passing(visit)
            return
        error = self._door.refusal(visit, "by datagrams, for which a replay has nothing")
        self._door.fail(error)
        raise error

    def descriptors(self) -> set[int]:
        """Return the file descriptors that are the cassette's, whatever a program closes that closes all it has."""
        return self._door.descriptors() | (self._control.descriptors() if self._control is not None else set())

    def looks_up(self, host: str) -> bool:
        """Tell whether a name is looked up, or gets an address that is made up."""
        return self._door.records or self._door.names_host(host) or _is_our_own()


def _connect(asked: Address, host: str, timeout: float | None, address: Address) -> socket.socket:
    where = host if address == asked else address.host
    return connect_for_real((where, address.port), timeout or None)


def _is_our_own() -> bool:
    if is_recorded_above():
        return True
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_globals.get("__name__", "").startswith(_OWN):
            return True
        frame = frame.f_back
    return False
