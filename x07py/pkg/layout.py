"""Where things stand in an index, for those who read it and those who write it."""

from __future__ import annotations

ENTRY_SCHEMA = "x07.index-entry@0.2.0"


def page_path(name: str) -> str:
    """Return where the page of a package stands in an index, as in cargo's sparse indexes."""
    if len(name) <= 2:
        return f"{len(name)}/{name}"
    return f"3/{name[0]}/{name}" if len(name) == 3 else f"{name[:2]}/{name[2:4]}/{name}"
