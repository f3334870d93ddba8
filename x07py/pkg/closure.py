"""From what a manifest asks for to the packages that it gets: those installed, and what these need.

One version of each is installed, so there is nothing to choose; what does not fit is explained with who asks for what.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from x07py.catalog import capability_packages
from x07py.contracts.distributions import installed_versions, normalized
from x07py.contracts.packages import lock_entry, refuse_changed
from x07py.contracts.requirement import admits
from x07py.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from x07py.contracts.installed import InstalledPackage
    from x07py.contracts.lockfile import Lock
    from x07py.contracts.project import Dependency

Here = dict[str, "InstalledPackage"]


class _Asked(NamedTuple):
    """A requirement, and who has it, for messages."""

    name: str
    requirement: str
    by: str


def package_of(text: str, here: Mapping[str, InstalledPackage]) -> str:
    """Return the package that a name means: itself, or the one behind a capability or an alias."""
    if text in here:
        return text
    known = capability_packages()
    for one in here.values():
        known.update(dict.fromkeys(one.document.capabilities, one.name))
    return known.get(text, text)


def close_over(asked: Iterable[Dependency], here: Here) -> Lock:
    """Return the lock of a manifest's dependencies.

    Args:
        asked: what the manifest names.
        here: the packages of this environment.

    Raises:
        PackageError: ``X07PKG_NOT_SYNCED`` if one is not installed, ``X07PKG_CONFLICT`` if its version is not what all
            ask for; as `lock_entry`.
    """
    direct = {row.name: row.requirement for row in asked}
    waiting = [_Asked(name, wanted, "your project") for name, wanted in sorted(direct.items())]
    found: dict[str, InstalledPackage] = {}
    everything: list[_Asked] = []
    while waiting:
        one = waiting.pop(0)
        everything.append(one)
        if one.name not in here:
            raise _not_installed(one, here)
        if one.name not in found:
            package = found[one.name] = here[one.name]
            by = f"{package.name} {package.document.version}"
            waiting += [_Asked(need.name, need.requirement, by) for need in package.document.requires]
    for package in found.values():
        wanted = [one for one in everything if one.name == package.name]
        if not all(admits(one.requirement, package.document.version) for one in wanted):
            raise _conflict(package, wanted, direct)
    return {name: lock_entry(found[name], direct.get(name, "")) for name in sorted(found)}


def refuse_tampered(before: Lock, now: Lock, here: Here) -> None:
    """Refuse a package that is locked in the version that is installed, and whose files or drivers changed since.

    Raises:
        PackageError: ``X07PKG_TAMPERED``.
    """
    for name in sorted(before.keys() & now.keys()):
        was, is_now = before[name], now[name]
        if (was.version, was.distribution_version) == (is_now.version, is_now.distribution_version):
            refuse_changed(was, is_now, here[name])


def require_installed(name: str, here: Here, installer: str) -> None:
    """Refuse a name that an installer was given and that is no package here afterwards.

    Raises:
        PackageError: ``X07PKG_NAME_UNKNOWN``.
    """
    if name in here:
        return
    brought = [one.name for one in here.values() if one.distribution_name == name]
    if brought:
        what, hint = f"the package of the distribution {name} is {brought[0]}", f"x07 pkg add {brought[0]} --sync"
    elif normalized(name) in installed_versions():
        what, hint = f"{name} is no x07 package", "x07 pkg list shows the packages that are installed"
    else:
        what = f"{installer} installed {name}, but not in the environment that x07 runs in"
        hint = f"install x07py in the environment that {installer} uses for this project, and run the x07 that is there"
    raise PackageError("X07PKG_NAME_UNKNOWN", what, where=sys.prefix, hint=hint)


def _not_installed(one: _Asked, here: Here) -> PackageError:
    from difflib import get_close_matches

    near = get_close_matches(one.name, [*here, *capability_packages()], n=1)
    guess = f"; did you mean {near[0]}?" if near else ""
    return PackageError(
        "X07PKG_NOT_SYNCED",
        f"no package {one.name} is installed, which {one.by} asks for{guess}",
        where="this Python environment",
        hint=f"x07 pkg sync installs what the manifest asks for; x07 pkg add {one.name} --sync adds and installs",
    )


def _conflict(package: InstalledPackage, wanted: list[_Asked], direct: Mapping[str, str]) -> PackageError:
    name, version = package.name, package.document.version
    lines = [f"{one.by} requires {name} {one.requirement}" for one in wanted]
    lines.append(
        f"{package.distribution.name} {package.distribution.version}, which is installed, has {name} {version}"
    )
    numbered = "".join(f"\n  {number}. {line}" for number, line in enumerate(lines, 1))
    others = [one for one in wanted if one.by != "your project"]
    pinned = name in direct and not admits(direct[name], version)
    if pinned and others and all(admits(one.requirement, version) for one in others):
        hint = f"x07 pkg remove {name} --sync drops the requirement of your project; the others bring the package"
    elif pinned:
        hint = f"x07 pkg update {name} --sync takes the version that is there"
    else:
        hint = f"install a version of {others[0].by.partition(' ')[0]} that works with {name} {version}"
    error = PackageError("X07PKG_CONFLICT", f"requirements contradict each other:{numbered}", where=name, hint=hint)
    error.details = {"requirements": [one._asdict() for one in wanted], "installed": version}
    return error
