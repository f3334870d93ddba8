"""What a project says for all its cassettes: ``[tool.x07.rr]`` of ``pyproject.toml``, ``[rr]`` of ``x07.toml``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.contracts.project import PYPROJECT, STANDALONE
from x07py.errors import UsageError
from x07py.files import parse_toml, read_file
from x07py.rr.varying import Varying

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES = 2**22


def settings_of(root: Path) -> Varying:
    """Return what may differ in every cassette of a project.

    Raises:
        UsageError: ``X07_CASSETTE_MATCH`` if the table says something else than lists of texts.
    """
    file = next((root / name for name in (STANDALONE, PYPROJECT) if (root / name).is_file()), None)
    if file is None:
        return Varying()
    try:
        document: dict[str, Any] = parse_toml(read_file(file, limit=_MOST_BYTES, root=root).decode())
        table = document if file.name == STANDALONE else document.get("tool", {}).get("x07", {})
        return Varying.from_document(table.get("rr", {}))
    except UsageError as error:
        raise UsageError(error.code, f"[rr]: {error.message}", where=str(file), hint=error.hint) from None
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise UsageError("X07_CASSETTE_MATCH", f"cannot be read: {error}", where=str(file)) from None
