"""What x07py knows of packages besides what is installed: capabilities with the package that provides each."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parent / "capabilities.json"


@cache
def capabilities() -> tuple[dict[str, Any], ...]:
    """Return the rows of the capability map, each with its aliases."""
    document = json.loads(_FILE.read_bytes())
    names: dict[str, list[str]] = {}
    for alias, target in document["aliases"].items():
        names.setdefault(target, []).append(alias)
    return tuple({**row, "aliases": names.get(row["id"], [])} for row in document["capabilities"])


def capability_packages() -> dict[str, str]:
    """Return the package of each capability, by its id and its aliases."""
    return {name: row["canonical"]["name"] for row in capabilities() for name in (row["id"], *row["aliases"])}
