"""Where things stand: pages in an index, and the cache of the user."""

from __future__ import annotations

import os
from pathlib import Path

ENTRY_SCHEMA = "x07.index-entry@0.2.0"


def page_path(name: str) -> str:
    """Return where the page of a package stands in an index, as in cargo's sparse indexes."""
    if len(name) <= 2:
        return f"{len(name)}/{name}"
    return f"3/{name[0]}/{name}" if len(name) == 3 else f"{name[:2]}/{name[2:4]}/{name}"


def cache_folder() -> Path:
    """Return the cache: ``X07_CACHE_DIR``, else ``x07py`` below ``XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("X07_CACHE_DIR")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "x07py"
