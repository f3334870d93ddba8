"""Who listens on an address of this machine: so that a program may connect to what it listens on itself.

A port that was chosen by the kernel can be in no grant. The socket that listens is told by its inode, which the
supervisor knows of those that it has made for the program.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.sandbox.network import mapped

if TYPE_CHECKING:
    from x07py.sandbox.network import Address

_LISTENS = "0A"
_TABLES = ("tcp", "tcp6")


def owner_of_listener(address: Address, pid: int | str = "self") -> int | None:
    """Return the inode of the socket that listens on a loopback address, on it alone or on all; None if none does.

    Args:
        address: the address.
        pid: the process whose network it is one of.
    """
    if not address.is_loopback:
        return None
    for table in _TABLES:
        with suppress(OSError), open(f"/proc/{pid}/net/{table}", encoding="ascii") as file:  # noqa: PTH123
            for line in file.readlines()[1:]:
                words = line.split()
                if words[3] == _LISTENS and _covers(words[1], address):
                    return int(words[9])
    return None


def _covers(local: str, address: Address) -> bool:
    host, _, port = local.partition(":")
    if int(port, 16) != address.port:
        return False
    packed = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
    return not any(packed) or mapped(packed) == address.host
