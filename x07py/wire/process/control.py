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
from typing import TYPE_CHECKING, Any

from x07py.errors import CassetteError, X07Error
from x07py.files import load_json
from x07py.wire.process import tls
from x07py.wire.process.caller import caller
from x07py.wire.process.names import Names
from x07py.wire.process.sockets import pair
from x07py.wire.stand_in import Address
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE = "X07_CASSETTE_DOOR"
"""The environment variable by which a child finds its parent's cassette."""
_LARGEST = 65536
_OK = b"\0\0"


class Control:
    """Takes what children hand over.

    Args:
        admit: serves a connection: its far end, address, looked-up host, and who makes it.
        refuse: fails the cassette for what a child did.
        records: whether there are brokers, so that names are looked up.
    """

    def __init__(
        self,
        admit: Callable[[socket.socket, Address, str, str], None],
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
        data, descriptors, _, _ = socket.recv_fds(child, _LARGEST, 1)
        asked = load_json(data)
        address, made_by = Address(asked["host"], asked["port"]), f"{asked['caller']}, in process {asked['pid']}"
        if not descriptors:
            self._refuse(address, made_by, asked["why"])
            return 0
        far = socket.socket(fileno=descriptors[0])
        try:
            self._admit(far, address, asked["looked_up"], made_by)
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
    """

    def __init__(self, text: str) -> None:
        told = load_json(text)
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

    def refuse(self, address: Address, why: str) -> None:
        """Fail the cassette in its own process, and the call in this one.

        Raises:
            CassetteError: ``X07_CASSETTE_CONNECTION``.
        """
        self._hand_over(address, None, why=why)
        raise CassetteError("X07_CASSETTE_CONNECTION", f"{caller()} connects to {address}, {why}")

    def _hand_over(self, address: Address, far: socket.socket | None, **more: Any) -> int:
        asked = {"host": address.host, "port": address.port, "caller": str(caller()), "pid": os.getpid(), **more}
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as parent:
                parent.connect(self._path)
                socket.send_fds(parent, [json.dumps(asked).encode()], [far.fileno()] if far is not None else [])
                return int.from_bytes(parent.recv(len(_OK), socket.MSG_WAITALL) or b"\xff\xff", "big")
        except OSError:
            return errno.ECONNREFUSED
