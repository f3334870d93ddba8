"""Which distributions nothing needs any more when a package goes; pip keeps no account of that."""

from __future__ import annotations

from importlib.metadata import distributions
from typing import TYPE_CHECKING

from x07py.contracts.distributions import normalized
from x07py.contracts.installed import TOOLCHAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.contracts.lockfile import LockedPackage


def orphans(gone: Iterable[LockedPackage], kept: set[str]) -> list[str]:
    """Return the distributions of packages and their clients that nobody else asked for.

    Another installed distribution may require them, or somebody may have named them to the installer.

    Args:
        gone: packages that nothing asks for.
        kept: normalized names of distributions that the project asks for itself.
    """
    gone = list(gone)
    names = {normalized(name) for row in gone for name in (row.distribution, *row.clients)}
    names -= {TOOLCHAIN, *kept, *(_asked_for_by_hand() - {row.distribution for row in gone})}
    requires = _requirements()
    while True:
        needed = {name for owner, wanted in requires.items() if owner not in names for name in wanted}
        staying = names & needed
        if not staying:
            return sorted(names)
        names -= staying


def _asked_for_by_hand() -> set[str]:
    """Return what installers were told by name (PEP 376: they leave a file REQUESTED)."""
    return {normalized(one.name) for one in distributions() if one.name and one.read_text("REQUESTED") is not None}


def _requirements() -> dict[str, set[str]]:
    """Return what each installed distribution requires, with the extras that others ask of it."""
    from packaging.requirements import Requirement

    texts = {
        normalized(one.name): [Requirement(text) for text in one.requires or ()] for one in distributions() if one.name
    }
    extras: dict[str, set[str]] = {name: {""} for name in texts}
    for rows in texts.values():
        for one in rows:
            if one.extras and (one.marker is None or one.marker.evaluate({"extra": ""})):
                extras.setdefault(normalized(one.name), {""}).update(one.extras)
    return {
        owner: {
            normalized(one.name)
            for one in rows
            if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras[owner])
        }
        for owner, rows in texts.items()
    }
