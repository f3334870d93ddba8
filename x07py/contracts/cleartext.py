"""Credentials that would cross a network without TLS."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def other_machines(hosts: Iterable[str]) -> list[str]:
    """Return those of `hosts`, with or without a port, that are not this machine by their names or addresses."""
    return [host for host in hosts if not _is_here(_without_port(host))]


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = host.lower().rstrip(".")
        return name == "localhost" or name.endswith(".localhost")
