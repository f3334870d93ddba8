"""The protocol of driver plug-ins, version 1: what an entry point of the group ``x07.drivers`` names.

A distribution registers a driver under its kind, as x07py registers its own two::

    [project.entry-points."x07.drivers"]
    kafka = "x07py.drivers.kafka_plugin:KAFKA_DRIVER"

The module must import without the broker's client: a replay needs names and contracts alone. Rivals that lost: a base
class to inherit (ties the author to its private state), a registry filled at import (somebody has to import it first).
"""

from __future__ import annotations

import os
import re
import sys
from contextlib import suppress
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from x07py.contracts.distributions import distributions_with
from x07py.contracts.loader import JsonObject, read_object, resolve_inside
from x07py.errors import DriverError, NotInstalledError, X07Error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from x07py.brokers.kinds import DevelopmentBroker
    from x07py.drivers.base import Backend, Dialect
    from x07py.drivers.contract_check import ContractCheck

GROUP = "x07.drivers"
PROTOCOL = 1
"""The version of this protocol; a plug-in of another one is refused."""
FIRST_FREE_NUMBER = 128
"""The least number that a driver of others may have in message records."""
_OWN = "x07py"
ADDRESS: re.Pattern[str] = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\s:\[\],]+):(?P<port>[0-9]{1,5})")
"""An address as contracts and variables have it: a name, an IPv4 address or one in brackets, and a port."""

P = TypeVar("P")


class Limits(NamedTuple):
    """What a profile allows: bytes of an encoded message, messages of a batch, and the budget, empty for none."""

    max_message_bytes: int
    max_items: int
    budget_profile_id: str = ""


class ClientOptions(NamedTuple):
    """What a program says of the client of this one driver."""

    settings: Mapping[str, str | float]
    token: Callable[[], tuple[str, float]] | None


class Workload(NamedTuple):
    """What a service that scales consumes, and how many waiting messages one of its replicas is for."""

    sources: tuple[str, ...]
    group: str
    messages_per_replica: int


class KedaTriggers(NamedTuple):
    """What KEDA scales by: the type of its triggers, the metadata of each, and keys of a Secret by KEDA's parameter."""

    type: str
    metadata: list[dict[str, str]]
    secret: Mapping[str, str]


def _no_secrets(_: object) -> tuple[str, ...]:
    return ()


class DriverPlugin(NamedTuple, Generic[P]):
    """A kind of broker.

    Args:
        dialect: its names; `Dialect.of` makes one for a driver of others.
        read_profile: the contract reader: from the project's folder and the id of a profile to the profile. It must
            raise `ContractError` for a file that cannot be used, and connect to nothing.
        profile_ids: the ids of the project's profiles of this kind.
        connect: from a profile to a live connection; called in a world with a network only. An `ImportError` says that
            the broker's client is not installed.
        limits: what a profile allows.
        addresses: ``host:port`` of each broker of a profile, for sandbox grants and for diagnosis.
        install_hint: the command that installs the broker's client.
        development: how `x07 broker up` starts such a broker; None if it cannot.
        check_contracts: the check of ``contracts_v1.msg_KIND`` of a manifest, given the path of the index; if it is
            None, `x07 arch check` reads each profile by `read_profile` instead.
        x07ast_calls: functions of x07AST programs, besides the operations, that do something with such brokers.
        schemes: schemes of URLs of such brokers with the port of each; that of the kind itself is what a policy of
            `x07 policy init KIND-worker` grants.
        connection_origin: from the name of a thread that was refused a connection to how the client came by the
            address, None if the thread is not the client's; None if the client's threads say nothing.
        secret_ids: ids of the secrets that a profile names, which `x07 msg service kubernetes` hands to the container.
        keda: what KEDA scales a service on such a broker by; None if KEDA has nothing for it, and a service that wants
            to scale is refused.
        protocol: `PROTOCOL` as the author knew it.
    """

    dialect: Dialect
    read_profile: Callable[[Path, str], P]
    profile_ids: Callable[[Path], list[str]]
    connect: Callable[[P, ClientOptions], Backend]
    limits: Callable[[P], Limits]
    addresses: Callable[[P], tuple[str, ...]]
    install_hint: str
    development: DevelopmentBroker | None = None
    check_contracts: Callable[[ContractCheck, str], None] | None = None
    x07ast_calls: tuple[str, ...] = ()
    schemes: Mapping[str, int] = MappingProxyType({})
    connection_origin: Callable[[str], str | None] | None = None
    secret_ids: Callable[[P], tuple[str, ...]] = _no_secrets
    keda: Callable[[P, Workload], KedaTriggers] | None = None
    protocol: int = PROTOCOL


class _Point(NamedTuple):
    """What a distribution registers: the kind, ``module:name``, and the distribution's name."""

    name: str
    value: str
    distribution: str

    def load(self) -> Any:
        module, _, names = self.value.partition(":")
        found: Any = import_module(module)
        for name in filter(None, names.split(".")):
            found = getattr(found, name)
        return found


def driver_kinds() -> list[str]:
    """Return the kinds of the drivers that are installed, sorted. Reads metadata alone, no code of theirs."""
    return sorted({point.name for point in _registered()})


def find_driver(kind: str) -> DriverPlugin[Any]:
    """Return the installed driver of a kind.

    Raises:
        DriverError: 9624 if none or more than one is installed, or it cannot be used with this x07py.
        NotInstalledError: 9625 if the module of the driver lacks something that it needs.
    """
    points = list({point.value: point for point in _registered() if point.name == kind}.values())
    if len(points) != 1:
        raise _not_one(kind, points)
    try:
        plugin = points[0].load()
    except ImportError as error:
        hint = f"install {points[0].distribution} again"
        raise NotInstalledError(9625, f"the {kind} driver cannot be imported: {error}", hint=hint) from None
    except Exception as error:  # noqa: BLE001 (the module is of others, and may raise anything)
        wrong = f"its module raises {type(error).__name__}: {error}"
    else:
        wrong = _defect(kind, points[0], plugin)
    if wrong:
        raise DriverError(9624, f"the driver {kind!r} cannot be used: {wrong}", where=points[0].value, hint=_AUTHOR)
    found: DriverPlugin[Any] = plugin
    return found


def usable_drivers() -> Iterator[DriverPlugin[Any]]:
    """Yield the drivers that are installed and can be used, by kind; one that cannot is passed over."""
    for kind in driver_kinds():
        with suppress(X07Error):
            yield find_driver(kind)


def _registered() -> tuple[_Point, ...]:
    """Return what is registered; the metadata is read again when a folder of the import path has changed."""
    return _read_points(tuple((place, _changed(place)) for place in sys.path))


@lru_cache(maxsize=1)
def _read_points(_: tuple[tuple[str, int], ...]) -> tuple[_Point, ...]:
    """Read what installers left in folders; where something is imported from an archive, `importlib.metadata` knows."""
    if any(map(os.path.isfile, sys.path)):
        from importlib.metadata import entry_points  # takes 15 ms

        points = entry_points(group=GROUP)
        return tuple(_Point(one.name, one.value, one.dist.name if one.dist else "?") for one in points)
    return tuple(
        _Point(name, value, one.name)
        for one in distributions_with(GROUP)
        for name, value in one.entry_points(GROUP).items()
    )


def _changed(place: str) -> int:
    try:
        return Path(place or ".").stat().st_mtime_ns
    except OSError:  # not there
        return 0


_AUTHOR = "take another version of it; docs/reference/drivers.md says what x07py asks of a driver"


def _not_one(kind: str, points: list[_Point]) -> DriverError:
    if points:
        where = ", ".join(f"{point.distribution} ({point.value})" for point in points)
        return DriverError(9624, f"several drivers are called {kind!r}", where=where, hint="uninstall all but one")
    known = ", ".join(driver_kinds()) or "none; install x07py again"
    return DriverError(9624, f"no driver is called {kind!r}", hint=f"installed drivers: {known}")


def _defect(kind: str, point: _Point, plugin: object) -> str:
    """Return what is wrong with a plug-in, or an empty string."""
    if not isinstance(plugin, DriverPlugin):
        return f"{point.value} is no DriverPlugin"
    if plugin.protocol != PROTOCOL:
        return f"it speaks version {plugin.protocol} of the driver protocol, this x07py version {PROTOCOL}"
    dialect = plugin.dialect
    if dialect.name != kind:
        return f"it calls itself {dialect.name!r}"
    if point.distribution == _OWN:
        return ""
    if not FIRST_FREE_NUMBER <= dialect.number < 2**31:
        return f"its number is {dialect.number}, and those of others start at {FIRST_FREE_NUMBER}"
    if not all(op.startswith(f"{kind}.") for op in dialect.recorded()):
        return f"its operations do not start with {kind + '.'!r}"
    return ""


def read_contract(root: Path, relative: str, *, code: int) -> JsonObject:
    """Return a contract file of a project: bounded, below the project, JSON without a key twice.

    Args:
        root: the project's folder.
        relative: the file below it.
        code: of the error.

    Raises:
        ContractError: with `code`; ``X07_CONTRACT_PATH`` for a file outside.
        FileError: ``X07IO_READ``.
    """
    return read_object(resolve_inside(root, relative), root=root, code=code, hint=f"correct {relative}")


def broker_variable(kind: str, profile: str) -> str:
    """Return the name of the environment variable that overrides the address in `profile`."""
    return f"X07_{_upper(kind)}_" + _upper(profile)


def _upper(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def addresses_of_environment(kind: str, profile: str) -> tuple[str, ...]:
    """Return the addresses, ``host:port``, that the environment names for a profile; none if it names none.

    Raises:
        DriverError: 9627 for a malformed address.
    """
    name = broker_variable(kind, profile)
    value = os.environ.get(name)
    if value is None:
        return ()
    addresses = tuple(value.split(","))
    found = [ADDRESS.fullmatch(address) for address in addresses]
    ports = [int(one["port"]) for one in found if one]
    if len(ports) != len(addresses) or not all(0 < port < 65536 for port in ports):
        raise DriverError(
            9627, f"{value!r} is not a broker address", where=f"environment variable {name}", hint="write host:port"
        )
    return addresses
