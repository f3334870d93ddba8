"""Answers the program's look-ups of names: those that were granted, no others.

glibc asks its name servers by TCP where ``RES_OPTIONS`` says ``use-vc``. The supervisor leads such a connection here,
so no query leaves the machine but those that this process makes itself, for names that a grant covers.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox.network import Address, Range, mapped
from x07py.sandbox.notifications import UNKNOWN_PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DOMAIN_PORT = 53
ENV_OPTIONS, BY_TCP = "RES_OPTIONS", "use-vc"
"""The variable that has the C library ask by TCP, and what it has to hold."""
_A, _AAAA, _INTERNET = 1, 28, 1
_ANSWER, _NO_SUCH_NAME, _FAILED = 0x8180, 0x8183, 0x8182
_HEADER, _QUESTION = struct.Struct("!6H"), struct.Struct("!HH")
_POINTER_TO_QUESTION = 0xC000 | _HEADER.size
_LONGEST_NAME = 255
_MAX_CONNECTIONS = 32
_IDLE_SECONDS = 30.0


class Name(NamedTuple):
    """A name that a grant holds.

    Args:
        text: in lower case; after ``*.`` it stands for every name below, and ``*`` for all names.
        ports: what may be connected to there, as pairs of lowest and highest port.
        addresses: 16 bytes each, what it stood for at the start; none for ``*.``, which is looked up when it is used.
    """

    text: str
    ports: tuple[tuple[int, int], ...]
    addresses: tuple[bytes, ...] = ()

    def covers(self, name: str) -> bool:
        """Tell whether the grant holds for `name`, which is in lower case and has no dot at its end."""
        if self.text.startswith("*"):
            return name.endswith(self.text[1:])
        return name == self.text.rstrip(".")


def name_servers() -> frozenset[bytes]:
    """Return the addresses, 16 bytes each, that the C library sends queries to."""
    found = set()
    with suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) > 1 and words[0] == "nameserver":
                with suppress(OSError):
                    text = words[1].partition("%")[0]
                    found.add(mapped(socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)))
    return frozenset(found or {mapped(bytes((127, 0, 0, 1)))})


class Resolver:
    """A name server for one program, in threads of this process.

    Growth: one thread for each connection, at most 32; more wait in the listener's queue.

    Args:
        names: what was granted.
        on_denied: called with each name that was not, and with who asked, as `expect` was told.
        on_found: called with what a look-up of a ``*.`` grant allows from then on, before the program learns of it.
    """

    def __init__(
        self,
        names: Iterable[Name],
        on_denied: Callable[[str, int, str], None],
        on_found: Callable[[list[Range]], None],
    ) -> None:
        self._names = tuple(names)
        self._on_denied, self._on_found = on_denied, on_found
        self._askers: dict[int, tuple[int, str]] = {}
        self._free = threading.Semaphore(_MAX_CONNECTIONS)
        self._servers = name_servers()
        self._listener = socket.create_server(("127.0.0.1", 0))
        host, port = self._listener.getsockname()
        self.address: Address = Address(mapped(socket.inet_aton(host)), port)

    def start(self) -> None:
        """Serve until this process ends."""
        threading.Thread(target=self._serve, name="x07-names", daemon=True).start()

    def stands_for(self, address: Address) -> bool:
        """Tell whether a connection to `address` is a look-up."""
        return address.port == DOMAIN_PORT and address.host in self._servers

    def expect(self, port: int, pid: int, process: str) -> None:
        """Learn who asks: the process whose connection comes from `port` of this machine."""
        self._askers[port] = pid, process

    def _serve(self) -> None:
        while True:
            self._free.acquire()
            client, (_, port) = self._listener.accept()
            threading.Thread(target=self._talk, args=(client, port), daemon=True).start()

    def _talk(self, client: socket.socket, port: int) -> None:
        client.settimeout(_IDLE_SECONDS)
        denied: set[str] = set()
        try:
            with client, client.makefile("rb") as stream, suppress(OSError, ValueError, LookupError, struct.error):
                while (length := stream.read(2)) and (query := stream.read(int.from_bytes(length))):
                    answer = self._answer(query, port, denied)
                    client.sendall(len(answer).to_bytes(2) + answer)
        finally:
            self._askers.pop(port, None)
            self._free.release()

    def _answer(self, query: bytes, port: int, denied: set[str]) -> bytes:
        ident, _, questions, *_ = _HEADER.unpack_from(query)
        name, end = _name_at(query, _HEADER.size)
        kind, _ = _QUESTION.unpack_from(query, end)
        question = query[_HEADER.size : end + _QUESTION.size]
        if questions != 1:
            raise ValueError("not one question")
        if not any(one.covers(name) for one in self._names) and name not in denied:  # IPv4 and IPv6 are two questions
            denied.add(name)
            self._on_denied(name, *self._askers.get(port, (0, UNKNOWN_PROGRAM)))
        status, addresses = self._look_up(name)
        wanted = [one for one in addresses if kind == (_A if one.ipv4 else _AAAA)]
        body = b"".join(_record(one) for one in wanted)
        return _HEADER.pack(ident, status, 1, len(wanted), 0, 0) + question + body

    def _look_up(self, name: str) -> tuple[int, list[Address]]:
        found = next((one for one in self._names if one.covers(name)), None)
        if found is None:
            return _NO_SUCH_NAME, []
        if found.addresses:
            return _ANSWER, [Address(host, 0) for host in found.addresses]
        try:
            rows = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            return (_FAILED if error.errno == socket.EAI_AGAIN else _NO_SUCH_NAME), []
        hosts = {mapped(socket.inet_pton(family, str(where[0]).partition("%")[0])) for family, _, _, _, where in rows}
        self._on_found([Range(host, 128, first, last) for host in hosts for first, last in found.ports])
        return _ANSWER, [Address(host, 0) for host in sorted(hosts)]


def _name_at(query: bytes, start: int) -> tuple[str, int]:
    """Return the name at `start` in lower case, and where it ends; a question's name is never a pointer."""
    labels, at = [], start
    while length := query[at]:
        if length > 63 or at - start > _LONGEST_NAME:
            raise ValueError("no name")
        labels.append(query[at + 1 : at + 1 + length].decode("ascii", errors="backslashreplace").lower())
        at += 1 + length
    return ".".join(labels), at + 1


def _record(address: Address) -> bytes:
    packed = address.host[12:] if address.ipv4 else address.host
    kind = _A if address.ipv4 else _AAAA
    return struct.pack("!HHHIH", _POINTER_TO_QUESTION, kind, _INTERNET, 0, len(packed)) + packed
