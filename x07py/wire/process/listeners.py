"""Listeners of this process: connecting to one is no use of the network, and needs none."""

from __future__ import annotations

import contextlib
import ipaddress
from pathlib import Path

from x07py.brokers.embedded import PORTS

_LISTENS = "0A"
_TABLES = (Path("/proc/thread-self/net/tcp"), Path("/proc/thread-self/net/tcp6"))


def listens(host: str, port: int) -> bool:
    """Tell whether this process itself listens at a port of the machine's loopback addresses, and not as a broker."""
    if not _is_loopback(host) or port in PORTS:
        return False
    found = {inode for table in _TABLES for inode in _listening(table, port)}
    return bool(found) and not found.isdisjoint(_own_sockets())


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listening(table: Path, port: int) -> set[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {row[9] for row in rows if row[3] == _LISTENS and int(row[1].rpartition(":")[2], 16) == port}


def _own_sockets() -> set[str]:
    found: set[str] = set()
    try:
        descriptors = list(Path("/proc/self/fd").iterdir())
    except OSError:  # a system without it, or a solve world
        return found
    for one in descriptors:
        with contextlib.suppress(OSError):
            found.add(str(one.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found
