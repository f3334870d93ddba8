"""How forked and spawned processes of a program come in: they hand their connections to the one with the cassette.

A cassette has one writer, in one process. A child gets a pair for each connection like its parent, and sends the far
end over a Unix socket; what it may not do it tells over the same, so that the parent's cassette fails for it.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import CassetteError, X07Error
from x07py.files import load_json
from x07py.wire.process import tls
from x07py.wire.process.caller import caller
from x07py.wire.process.names import Names
from x07py.wire.process.sockets import pair
from x07py.wire.stand_in import Address
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from x07py.wire.stand_in import Connection

VARIABLE = "X07_CASSETTE_DOOR"
"""The environment variable by which a child finds its parent's cassette."""
_LARGEST = 65536
_OK = b"\0\0"


class Control:
    """Takes what children hand over.

    Args:
        admit: serves a connection: its far end, address, looked-up host, who makes it, and its broker's end if that
            is connected already.
        refuse: fails the cassette for what a child did.
        records: whether there are brokers, so that names are looked up.
    """

    def __init__(
        self,
        admit: Callable[[socket.socket, Address, str, str, socket.socket | None], None],
        refuse: Callable[[Address, str, str], None],
        *,
        records: bool,
    ) -> None:
        self._admit, self._refuse = admit, refuse
        self._folder = tempfile.TemporaryDirectory(prefix="x07-door-")
        path = str(Path(self._folder.name) / "door")
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(path)
        self._listening.listen()
        self.text: str = json.dumps({"path": path, "magic": tls.magic().hex(), "records": records})
        threading.Thread(target=self._run, daemon=True, name="x07-children").start()

    def descriptors(self) -> set[int]:
        """Return its file descriptors."""
        return {self._listening.fileno()}

    def close(self) -> None:
        """Take nothing more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._folder.cleanup()

    def _run(self) -> None:
        is_ours()
        with contextlib.suppress(OSError):
            while True:
                child, _ = self._listening.accept()
                with contextlib.suppress(OSError, ValueError, KeyError), child:
                    child.sendall(self._take(child).to_bytes(2, "big"))

    def _take(self, child: socket.socket) -> int:
        data, descriptors, _, _ = socket.recv_fds(child, _LARGEST, 2)
        asked = load_json(data)
        address, made_by = Address(asked["host"], asked["port"]), asked["caller"]
        if not descriptors:
            self._refuse(address, made_by, asked["why"])
            return 0
        far, *rest = (socket.socket(fileno=one) for one in descriptors)
        try:
            self._admit(far, address, asked["looked_up"], made_by, rest[0] if rest else None)
        except OSError as error:
            far.close()
            return error.errno or errno.ECONNREFUSED
        except X07Error:  # the cassette has failed, which its own process tells
            far.close()
            return errno.ECONNREFUSED
        return 0


class ChildEntrance:
    """The entrance of a process whose cassette is in another one.

    Args:
        text: what the environment says of it.

    Attributes:
        natives_are_handed_over: whether the kernel hands over what connects past Python's sockets.
    """

    def __init__(self, text: str) -> None:
        told = load_json(text)
        self.natives_are_handed_over: bool = told.get("natives", False)
        self._path, self._records = told["path"], told["records"]
        tls.set_magic(bytes.fromhex(told["magic"]))
        self.names: Names = Names()

    def admit(self, address: Address, host: str, timeout: float | None) -> socket.socket:
        """Return the program's end of a connection that the cassette's process serves.

        Raises:
            OSError: the broker cannot be reached.
        """
        del timeout
        near, far = pair()
        with far:
            code = self._hand_over(address, far, looked_up=host)
        if code:
            near.close()
            raise OSError(code, os.strerror(code))
        return near

    def datagram(self, address: Address) -> None:
        """Refuse a datagram in a replay.

        Raises:
            CassetteError: ``X07_CASSETTE_CONNECTION``.
        """
        if not self._records:
            self.refuse(address, "by datagrams, for which a replay has nothing")

    def looks_up(self, host: str) -> bool:
        """Tell whether a name is looked up."""
        del host
        return bool(self._records)

    def descriptors(self) -> set[int]:
        """Return the file descriptors that are the cassette's: none here."""
        return set()

    def refuse(self, address: Address, why: str) -> None:
        """Fail the cassette in its own process, and the call in this one.

        Raises:
            CassetteError: ``X07_CASSETTE_CONNECTION``.
        """
        self._hand_over(address, None, why=why)
        raise CassetteError("X07_CASSETTE_CONNECTION", f"{caller()} connects to {address}, {why}")

    def _hand_over(self, address: Address, far: socket.socket | None, *, looked_up: str = "", why: str = "") -> int:
        made_by = f"{caller()}, in process {os.getpid()}"
        try:
            ends = [] if far is None else [far]
            return hand_over(self._path, address, ends, caller=made_by, looked_up=looked_up, why=why)
        except OSError:
            return errno.ECONNREFUSED


def hand_over(
    path: str,
    address: Address,
    ends: Sequence[Connection],
    *,
    caller: str,
    looked_up: str,
    why: str = "",
    within_s: float | None = None,
) -> int:
    """Give a connection to the process of a cassette.

    Args:
        path: of its Unix socket.
        address: where the connection wants to go.
        ends: the end that is to be served, and that of the broker if it is connected; none to have it refused.
        caller: who makes it.
        looked_up: what the host was looked up to be.
        why: it is refused, if it is.
        within_s: seconds that the answer may take.

    Returns:
        0, or the error number that the call ends with.

    Raises:
        OSError: there is no such process; ``TimeoutError`` if it does not answer.
    """
    told = {"host": address.host, "port": address.port, "caller": caller, "looked_up": looked_up, "why": why}
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as parent:
        parent.settimeout(within_s)
        parent.connect(path)
        socket.send_fds(parent, [json.dumps(told).encode()], [one.fileno() for one in ends])
        return int.from_bytes(parent.recv(len(_OK), socket.MSG_WAITALL) or b"\xff\xff", "big")
