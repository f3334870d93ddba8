"""Contracts of brokers, checked by their drivers: by a check of their own, where they have one, or by reading them.

The index of a kind is ``arch/msg/KIND/index.x07KIND.json``.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import jcs_sha256
from x07py.arch.model import finding
from x07py.drivers.plugin import driver_kinds, find_driver
from x07py.errors import NotInstalledError, X07Error
from x07py.files import CONTRACT_BYTES, is_inside, load_json, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.drivers.contract_check import ContractCheck

_FOLDER = "arch/msg"
_OF_ALL = frozenset(("canonical_json", "rr", "budgets", "msg"))
_OF_KIND = "msg_"


def checks_of_kinds(config: Mapping[str, Any]) -> dict[str, Callable[[ContractCheck, str], None]]:
    """Return, by domain of a manifest's ``contracts_v1``, the check of the driver that it belongs to, sorted."""
    found = {}
    for name in sorted(config):
        check = own_check(name.removeprefix(_OF_KIND)) if name.startswith(_OF_KIND) else None
        if check is not None:
            found[name] = check
    return found


def unchecked_domains(config: Mapping[str, Any]) -> list[str]:
    """Return the domains of a manifest's ``contracts_v1`` that nothing installed here checks, sorted."""
    return sorted(config.keys() - _OF_ALL - checks_of_kinds(config).keys())


def own_check(kind: str) -> Callable[[ContractCheck, str], None] | None:
    """Return the check of its contracts that the driver of a kind has, None if it has none or is not installed."""
    if kind not in driver_kinds():
        return None
    with suppress(X07Error):
        return find_driver(kind).check_contracts
    return None


def check_drivers(state: Contracts) -> None:
    """Have each installed driver read each of the project's profiles; say which contracts no installed driver reads."""
    known = driver_kinds()
    for kind in _kinds(state.root):
        index = index_of(kind)
        _lock(state, index)
        if kind not in known:
            _unread(state, kind, index, f"no driver called {kind!r} is installed here")
            continue
        _profiles(state, kind, index)


def _lock(state: Contracts, index: str) -> None:
    """Put an index into the lock of contracts; what is wrong with it, the driver says."""
    with suppress(OSError, ValueError, RecursionError):
        state.indexes[index] = jcs_sha256(
            load_json(read_file(state.root / index, limit=CONTRACT_BYTES, root=state.root))
        )


def _unread(state: Contracts, kind: str, index: str, why: str) -> None:
    state.broken.add("profiles")
    state.report(
        finding(
            "W_ARCH_CONTRACT_DOMAIN_UNCHECKED",
            f"{why}, so nobody reads its contracts",
            path=index,
            hint="install the distribution that brings it: x07 pkg add NAME --sync",
            data={"domain": f"msg_{kind}"},
        )
    )


def index_of(kind: str) -> str:
    """Return the index of a kind's contracts, relative to the project."""
    return f"{_FOLDER}/{kind}/index.x07{kind}.json"


def _kinds(root: Path) -> list[str]:
    """Return the kinds that the project has an index for, without those whose drivers have a check of their own."""
    if not is_inside(root / _FOLDER, root):
        return []
    try:
        names = [one.name for one in (root / _FOLDER).iterdir() if one.is_dir() and not one.is_symlink()]
    except OSError:
        return []
    return sorted(name for name in names if (root / index_of(name)).is_file() and own_check(name) is None)


def _profiles(state: Contracts, kind: str, index: str) -> None:
    try:
        driver = find_driver(kind)
        names = driver.profile_ids(state.root)
        state.profiles.update(names)
        for name in names:
            driver.read_profile(state.root, name)
    except NotInstalledError as error:
        _unread(state, kind, index, error.message)
    except X07Error as error:
        state.broken.add("profiles")
        state.report(
            finding(
                "E_ARCH_MSG_DRIVER_PROFILE",
                f"the driver {kind} cannot use it: {error.message}",
                path=index,
                hint=error.hint or "see the driver's own documentation",
                data={"kind": kind, "code": str(error.code)},
            )
        )
