"""Names of hosts while a cassette is replayed: looking one up is using the network, so names get made-up addresses."""

from __future__ import annotations

import ipaddress
import socket
from itertools import count
from typing import Any

_NETWORK = int(ipaddress.IPv4Address("198.18.0.0"))
_LOCAL = ("localhost", socket.gethostname())


class Names:
    """Addresses and the names that they were looked up by."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._made_up: dict[str, str] = {}
        self._numbers = count(1)

    def name(self, host: str) -> str:
        """Return the name that an address was looked up by, or the address."""
        return self._names.get(host, host)

    def learn(self, found: list[Any], name: str) -> None:
        """Keep in mind what a name was found to be."""
        for entry in found:
            self._names[entry[4][0]] = name

    def make_up(self, host: str, port: Any, family: int, kind: int, proto: int) -> list[Any]:
        """Return what `socket.getaddrinfo` would for a name, with an address that nobody has.

        Raises:
            socket.gaierror: only addresses of another family are wanted, or the port is no number and no known service.
        """
        if family not in (0, socket.AF_INET):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        address = self._made_up.get(host)
        if address is None:
            address = self._made_up[host] = str(ipaddress.IPv4Address(_NETWORK + next(self._numbers)))
            self._names[address] = host
        number = int(port or 0) if not isinstance(port, str) or port.isdigit() else socket.getservbyname(port)
        return [(socket.AF_INET, kind or socket.SOCK_STREAM, proto or socket.IPPROTO_TCP, "", (address, number))]


def is_local(host: Any) -> bool:
    """Tell whether no network is needed to find a host: an address, this machine's name, or none."""
    if not host or host in _LOCAL:
        return True
    try:
        ipaddress.ip_address(host.partition("%")[0] if isinstance(host, str) else host.decode())
    except (ValueError, UnicodeDecodeError):
        return False
    return True


def text(host: Any) -> str:
    """Return a host as text."""
    return host.decode("idna") if isinstance(host, bytes) else str(host)
