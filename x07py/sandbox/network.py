"""Which addresses a program may connect to or listen on; the meaning of an address decides, not its spelling."""

from __future__ import annotations

import struct
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable
    from socket import socket

_MAPPED = b"\0" * 10 + b"\xff\xff"
_MAPPED_BITS = 8 * len(_MAPPED)
LOOPBACK_IPV4 = _MAPPED + b"\x7f"
LOOPBACK_IPV6 = bytes(15) + b"\x01"
MOST_RELAYS = 64
MAX_SOCKADDR = 128
"""Longest address that a call may name, bytes."""
_NOWHERE = {b"\0" * 16, _MAPPED + b"\0" * 4}


class Address(NamedTuple):
    """One TCP address: 16 bytes of IPv6, IPv4 in its mapped form, and a port."""

    host: bytes
    port: int

    @property
    def ipv4(self) -> bool:
        return self.host.startswith(_MAPPED)

    @property
    def names_a_place(self) -> bool:
        """Whether a connection can go there: not to port 0, nor to an unspecified address."""
        return self.port != 0 and self.host not in _NOWHERE

    @property
    def is_loopback(self) -> bool:
        return self.host.startswith(LOOPBACK_IPV4) or self.host == LOOPBACK_IPV6

    def __str__(self) -> str:
        if self.ipv4:
            return f"{inet_ntop(AF_INET, self.host[12:])}:{self.port}"
        return f"[{inet_ntop(AF_INET6, self.host)}]:{self.port}"

    def sockaddr(self, family: int) -> tuple[str, int]:
        """Return a clean address for a socket of `family`: no flow label, no scope."""
        if family == AF_INET:
            return inet_ntop(AF_INET, self.host[12:]), self.port
        return inet_ntop(AF_INET6, self.host), self.port


Lead: TypeAlias = "Callable[[Address, socket, int, str], int]"
"""Connects a program's socket somewhere else than where it wants to go.

Called with that address, a duplicate of the socket, the process and its name, before the program's call returns. It
returns the error number that the call ends with, 0 for none; what it raises is refused.
"""


class Range(NamedTuple):
    """Addresses with a common prefix, and a range of ports.

    Args:
        host: 16 bytes, IPv4 in its mapped form.
        bits: length of the prefix, 0 to 128.
        first: lowest port.
        last: highest port.
    """

    host: bytes
    bits: int
    first: int
    last: int

    def covers(self, address: Address) -> bool:
        """Tell whether `address` lies within; a range of IPv6 says nothing of IPv4, however wide it is."""
        if address.ipv4 and self.bits < _MAPPED_BITS:
            return False
        if not self.first <= address.port <= self.last:
            return False
        shift = 128 - self.bits
        return int.from_bytes(self.host) >> shift == int.from_bytes(address.host) >> shift


EVERYWHERE = (Range(bytes(16), 0, 0, 65535), Range(_MAPPED + bytes(4), _MAPPED_BITS, 0, 65535))
"""Every address of IPv6, and every one of IPv4."""


class AddressRules(NamedTuple):
    """What is allowed, and what is denied all the same."""

    allow: tuple[Range, ...] = ()
    deny: tuple[Range, ...] = ()

    def permits(self, address: Address) -> bool:
        """Tell whether a connection to `address` is allowed; port 0 and the unspecified addresses never are."""
        if not address.names_a_place:
            return False
        return any(row.covers(address) for row in self.allow) and not any(row.covers(address) for row in self.deny)

    def permits_listening(self, address: Address) -> bool:
        """Tell whether `address` may be listened on; a grant of port 0 is one of whatever port is free."""
        return any(row.covers(address) for row in self.allow)


def endpoints(rules: AddressRules, most: int = MOST_RELAYS) -> tuple[Address, ...] | None:
    """Return every address that `rules` allow, or None if they are more than `most`."""
    found: dict[Address, None] = {}
    for row in rules.allow:
        if row.bits < 128 or row.last - row.first >= 65536 // 2:
            return None
        places = (Address(row.host, port) for port in range(row.first, row.last + 1))
        found |= dict.fromkeys(one for one in places if rules.permits(one))
    return tuple(found) if len(found) <= most else None


def mapped(packed: bytes) -> bytes:
    """Return the 16 bytes of an address of 4 or 16."""
    return packed if len(packed) == 16 else _MAPPED + packed


def parse(data: bytes) -> Address | None:
    """Return the address in a ``struct sockaddr``, or None if it is not a TCP address."""
    if len(data) < 8:
        return None
    family = struct.unpack_from("=H", data)[0]
    if family == AF_INET and len(data) >= 16:
        return Address(mapped(data[4:8]), struct.unpack_from("!H", data, 2)[0])
    if family == AF_INET6 and len(data) >= 24:
        return Address(data[8:24], struct.unpack_from("!H", data, 2)[0])
    return None


def parse_text(text: str) -> Address | None:
    """Return the address that `str` made this text of, or None for another text."""
    host, colon, port = text.rpartition(":")
    try:
        packed = inet_pton(AF_INET6, host[1:-1]) if host.startswith("[") else inet_pton(AF_INET, host)
        return Address(mapped(packed), int(port)) if colon else None
    except (OSError, ValueError):
        return None
