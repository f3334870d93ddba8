"""``HOST:PORTS`` as users write it, and the ranges of addresses that it means."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from x07py.errors import RunError
from x07py.files import MANIFEST_BYTES, read_file
from x07py.sandbox.names import Name
from x07py.sandbox.network import Range, mapped

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ADDRESSES = 16
"""Most addresses that one name may stand for."""

_SPEC = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<plain>[^:\[\]]*)):(?P<ports>[^:]*)")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(\.(?!-)[a-z0-9_-]{1,63})*\.?")
_SCHEMES = {
    "http": 80,
    "https": 443,
    "ws": 80,
    "wss": 443,
    "ftp": 21,
    "ssh": 22,
    "smtp": 25,
    "ldap": 389,
    "ldaps": 636,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "mongodb": 27017,
    "nats": 4222,
    "mqtt": 1883,
    "mqtts": 8883,
    "memcached": 11211,
}
"""Ports by default of well-known schemes, for advice: a grant always names its ports. Drivers know those of theirs."""
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class HostRule(NamedTuple):
    """One ``HOST:PORTS``, understood.

    Args:
        text: as it was written.
        source: the option or file that it came from.
        ranges: what it means.
        name: the host name that was resolved, if it is one.
        addresses: what the name stood for; none for ``*.NAME``, which is looked up when the program uses it.
        ports: what may be connected to there, as pairs of lowest and highest port.
    """

    text: str
    source: str
    ranges: tuple[Range, ...]
    name: str | None = None
    addresses: tuple[str, ...] = ()
    ports: tuple[tuple[int, int], ...] = ()


def parse_host(text: str, source: str, *, deny: bool = False, listen: bool = False) -> HostRule:
    """Return what ``HOST:PORTS`` means; a name is resolved now, once.

    Args:
        text: an IPv4 address or network, an IPv6 one in brackets, a name, or ``*.`` before a name for all below it;
            then ports, as list and ranges.
        source: where it was written, for messages.
        deny: whether ``*`` may stand for all ports.
        listen: whether it is to be listened on: then port 0 and the unspecified addresses have a meaning.

    Raises:
        RunError: ``X07RUN_HOST`` for another form, ``X07RUN_HOST_UNRESOLVED`` for a name that does not resolve.
    """
    match = _SPEC.fullmatch(text.strip())
    if match is None:
        _refuse(text, source, _advice(text))
    ports = _ports(text, match["ports"], source, deny=deny, lowest=0 if listen else 1)
    if (
        not deny
        and not listen
        and (below := (match["plain"] or "").lower()).startswith("*.")
        and _NAME.fullmatch(below[2:])
    ):
        return HostRule(text, source, (), below, (), tuple(ports))
    host = (match["v6"] if match["v6"] is not None else match["plain"]).lower()
    try:
        network = ip_network(host)
    except ValueError:
        if match["v6"] is not None or not is_name(host):
            _refuse(text, source, _advice(text))
        return _named(text, source, host, ports)
    if (network.version == 6) != (match["v6"] is not None):
        _refuse(text, source, "write an IPv6 address in brackets: [::1]:9092")
    if "%" in host or (network.version == 6 and network.num_addresses == 1 and network.is_link_local):
        _refuse(text, source, "name an address that does not depend on a network interface")
    if not deny and network.num_addresses == 1 and ((network.is_unspecified and not listen) or network.is_multicast):
        _refuse(text, source, "name an address that a connection can go to, such as 127.0.0.1:9092")
    bits = network.prefixlen + (96 if network.version == 4 else 0)
    packed = mapped(network.network_address.packed)
    return HostRule(text, source, tuple(Range(packed, bits, first, last) for first, last in ports))


def _named(text: str, source: str, host: str, ports: list[tuple[int, int]]) -> HostRule:
    try:
        found = {row[4][0] for row in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError as error:
        raise RunError(
            "X07RUN_HOST_UNRESOLVED",
            f"{host!r} does not resolve: {error.strerror}",
            where=source,
            hint="check the name, or write its address",
        ) from None
    if len(found) > MAX_ADDRESSES:
        _refuse(
            text, source, f"it stands for {len(found)} addresses, more than {MAX_ADDRESSES}; name the ones you mean"
        )
    addresses = tuple(sorted(str(one) for one in found))
    packed = [mapped(ip_address(one).packed) for one in addresses]
    ranges = tuple(Range(one, 128, first, last) for one in packed for first, last in ports)
    return HostRule(text, source, ranges, host, addresses, tuple(ports))


def _ports(text: str, written: str, source: str, *, deny: bool, lowest: int = 1) -> list[tuple[int, int]]:
    if written == "*":
        if deny:
            return [(0, 65535)]
        _refuse(text, source, "name the ports: '*' is for --deny-host only")
    ranges: list[tuple[int, int]] = []
    for part in written.split(","):
        match = _PORTS.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (-1, -1)
        if not lowest <= first <= last < 65536:
            ports = "ports are 1 to 65535, as in 9092 or 9092,9094 or 9092-9094"
            _refuse(text, source, _advice(text) if "://" in text else ports)
        ranges.append((first, last))
    return ranges


def _advice(text: str) -> str:
    if "://" in text:
        scheme, _, rest = text.partition("://")
        host = rest.partition("/")[0].rpartition("@")[2]
        known = _port_of(scheme.lower())
        if host and known and not re.search(r":[0-9]+$", host):
            return f"write the host and its port without the scheme: {host}:{known}"
        return f"leave the scheme out: {host}" if known and host else "write HOST:PORT without a scheme or path"
    if "*" in text.rpartition(":")[0]:
        return "a wildcard stands before a name, in a grant: --allow-host *.example.com:443"
    if text.count(":") > 1 and "[" not in text:
        return "write an IPv6 address in brackets: [::1]:9092"
    if ":" not in text:
        return "add the port: HOST:PORT, such as 127.0.0.1:9092"
    return "write HOST:PORT, such as 127.0.0.1:9092, [::1]:9092 or broker.example:9092"


def _port_of(scheme: str) -> int | None:
    known = _SCHEMES.get(scheme)
    if known is not None:
        return known
    from x07py.drivers.plugin import usable_drivers

    return next((driver.schemes[scheme] for driver in usable_drivers() if scheme in driver.schemes), None)


def _refuse(text: str, source: str, advice: str) -> NoReturn:
    raise RunError("X07RUN_HOST", f"{text!r} cannot be enforced as a host rule", where=source, hint=advice)


def read_host_file(path: Path, *, deny: bool = False) -> list[HostRule]:
    """Return the rules of a file: one a line, ``#`` starts a comment.

    Raises:
        RunError: ``X07RUN_HOST`` with the line, ``X07RUN_FILE`` if the file cannot be read.
    """
    try:
        lines = read_file(path, limit=MANIFEST_BYTES).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise RunError("X07RUN_FILE", f"cannot read: {why}", where=str(path), hint="check the path") from None
    rows = [(number, line.partition("#")[0].strip()) for number, line in enumerate(lines, 1)]
    return [parse_host(text, f"{path}:{number}", deny=deny) for number, text in rows if text]


def is_name(text: str) -> bool:
    """Tell whether a host is a name, in small letters, and no address."""
    return _NAME.fullmatch(text) is not None and not re.fullmatch(r"[0-9.]+", text)


def names_of(rules: Iterable[HostRule]) -> tuple[Name, ...]:
    """Return the names among rules, with what a program that looks them up is to learn."""
    return tuple(
        Name(rule.name, rule.ports, tuple(mapped(ip_address(one).packed) for one in rule.addresses))
        for rule in rules
        if rule.name
    )


def hosts_file(rules: list[HostRule]) -> str | None:
    """Return an ``/etc/hosts`` with the addresses that names were resolved to, or None if the machine's own will do."""
    own = Path("/etc/hosts").read_text(encoding="utf-8", errors="replace") if Path("/etc/hosts").is_file() else ""
    known = {word.lower() for line in own.splitlines() for word in line.partition("#")[0].split()[1:]}
    missing = [rule for rule in rules if rule.addresses and rule.name not in known]
    if not missing:
        return None
    lines = [f"{address} {rule.name}" for rule in missing for address in rule.addresses]
    return own + "\n" + "\n".join(dict.fromkeys(lines)) + "\n"
