"""What a project declares on RabbitMQ, as ``x07 msg topology apply`` would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.errors import UsageError
from x07py.files import MANIFEST_BYTES, load_json, read_file

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "arch/msg/amqp/topology"


def read_topology(root: Path) -> tuple[dict[str, Any], ...]:
    """Return the topology documents of a project, by name.

    Raises:
        UsageError: ``X07EXPLORE_INPUTS`` for one that is not JSON.
    """
    found = []
    for path in sorted((root / _FOLDER).glob("*.json")):
        try:
            found.append(load_json(read_file(path, limit=MANIFEST_BYTES, root=root)))
        except ValueError as error:
            message = f"the topology is not JSON: {error}"
            raise UsageError("X07EXPLORE_INPUTS", message, where=str(path), hint="x07 arch check") from None
    return tuple(found)
