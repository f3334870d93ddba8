"""Dotted names in source text: expressions that match them, and what a relative import means."""

from __future__ import annotations

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
DOTTED = rf"{NAME}(?:\.{NAME})*"


def absolute(package: str, level: int, name: str) -> str:
    """Return the dotted name that a relative import means; as it is written, with its dots, if it leaves the top."""
    if not level:
        return name
    parts = package.split(".")
    if level > len(parts) or not package:
        return "." * level + name
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])
