"""Addresses that somebody has named: by a name of a host, or as one of the numbers that such a name stands for."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
from typing import TYPE_CHECKING

from x07py.wire.process.sockets import look_up
from x07py.wire.stand_in import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.wire.stand_in import Address


class Named:
    """The addresses, ``host:port``, that connections may go to although no stand-in knows them.

    Args:
        texts: as they were given.

    Raises:
        UsageError: ``X07_ADDRESS`` for what is no address.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._places = frozenset((_plain(host), port) for host, port in map(parse_address, texts))

    def holds(self, address: Address) -> bool:
        """Tell whether an address is one of them."""
        place = (_plain(address.host), address.port)
        return place in self._places or (_is_number(place[0]) and place in self._numbers)

    def has_host(self, host: str) -> bool:
        """Tell whether any address of a host is one of them."""
        return any(_plain(host) == named for named, _ in self._places)

    @functools.cached_property
    def _numbers(self) -> frozenset[tuple[str, int]]:
        found: set[tuple[str, int]] = set()
        for host, port in self._places:
            if not _is_number(host):
                with contextlib.suppress(OSError):
                    found |= {(_plain(one), port) for one in look_up(host, port)}
        return frozenset(found)


def _plain(host: str) -> str:
    """Return a host as one text, however it was written."""
    bare = host.strip("[]").lower().rstrip(".")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(bare))
    return bare


def _is_number(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(host))
    return False
