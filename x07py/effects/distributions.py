"""The modules of an installed distribution, as its ``RECORD`` lists them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.distributions import normalized
from x07py.errors import UsageError
from x07py.files import MANIFEST_BYTES, read_file

if TYPE_CHECKING:
    from x07py.effects.finder import Environment


def distribution_modules(name: str, environment: Environment) -> dict[str, str]:
    """Return the Python files of a distribution by dotted name of the module.

    Args:
        name: the distribution's name, in any spelling.
        environment: where it is installed.

    Raises:
        UsageError: ``X07_USAGE`` if it is not installed there, or holds no Python module.
    """
    wanted = normalized(name)
    for folder in environment.packages:
        for info in sorted(Path(folder).glob("*.dist-info")):
            if normalized(info.name.removesuffix(".dist-info").rpartition("-")[0]) == wanted:
                if found := _recorded(Path(folder), info):
                    return found
                raise UsageError("X07_USAGE", f"{name} holds no Python module", where=str(info), hint="name another")
    where = ", ".join(environment.packages) or "no folder of packages"
    raise UsageError("X07_USAGE", f"{name} is not installed", where=where, hint="install it, or give --python")


def _recorded(folder: Path, info: Path) -> dict[str, str]:
    try:
        text = read_file(info / "RECORD", limit=MANIFEST_BYTES, root=folder).decode()
    except (OSError, ValueError):
        return {}
    found: dict[str, str] = {}
    for row in csv.reader(text.splitlines()):
        parts = row[0].removesuffix(".py").split("/") if row and row[0].endswith(".py") else []
        if parts and all(part.isidentifier() for part in parts):
            name = ".".join(parts).removesuffix(".__init__")
            found[name] = str(folder / row[0])
    return found
