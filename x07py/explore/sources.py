"""The project's own sources, looked at without running anything: which file a name means, and which way it is explored.

A program that uses `open_driver` runs in virtual time, on brokers behind it. One that has a client of its own runs as a
process of its own, on the same brokers behind their protocols.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from x07py.files import SOURCE_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLIENTS = frozenset({"aio_pika", "aiokafka", "aiormq", "amqp", "confluent_kafka", "kafka", "kombu", "pika"})
"""Packages of clients whose connections can be led to a simulated broker."""
_DRIVER = "open_driver"


def files_of(root: Path, place: str) -> Iterator[Path]:
    """Yield the files that a place may mean, ``module`` or ``file.py``, whether they are there or not."""
    if place.endswith(".py"):
        yield root / place
        return
    for top in (root / "src", root):
        path = top.joinpath(*place.split("."))
        yield from (path.with_name(f"{path.name}.py"), path / "__main__.py")


def tree_of(root: Path, file: Path) -> ast.Module | None:
    """Return what a file says; None if it is not there, no Python, installed, hidden or outside of the project."""
    try:
        parts = file.resolve().relative_to(root.resolve()).parts
        if "site-packages" in parts or any(part.startswith(".") for part in parts):
            return None
        return ast.parse(read_file(file, limit=SOURCE_BYTES, root=root))
    except (OSError, ValueError, SyntaxError, RuntimeError):
        return None


def goes_over_the_wire(root: Path, entry: str) -> bool:
    """Tell whether a program has a client of its own and nowhere uses `open_driver`, in all of the project it imports.

    Args:
        root: the project's folder.
        entry: ``module``, ``module:function``, ``file.py`` or ``file.py:function``.
    """
    return bool(clients_of(root, entry))


def clients_of(root: Path, entry: str) -> tuple[str, ...]:
    """Return the packages of clients that a program imports, none if it uses `open_driver`."""
    waiting = list(files_of(root, entry.partition(":")[0]))
    seen: set[Path] = set()
    found: set[str] = set()
    while waiting:
        file = waiting.pop()
        tree = tree_of(root, file) if file not in seen else None
        seen.add(file)
        if tree is None:
            continue
        if _uses_driver(tree):
            return ()
        for name in _imported(tree, _package_of(root, file)):
            found |= {name.partition(".")[0]} & _CLIENTS
            waiting += _module_files(root, name)
    return tuple(sorted(found))


def _uses_driver(tree: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr == _DRIVER)
        or (isinstance(node, ast.ImportFrom) and any(one.name == _DRIVER for one in node.names))
        for node in ast.walk(tree)
    )


def _package_of(root: Path, file: Path) -> list[str]:
    """Return the names of the packages that a file stands in."""
    for top in (root / "src", root):
        if file.is_relative_to(top):
            return list(file.relative_to(top).parts[:-1])
    return []


def _imported(tree: ast.Module, package: list[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = [*above, *filter(None, [node.module])]
            yield ".".join(base)
            yield from (".".join([*base, one.name]) for one in node.names)


def _module_files(root: Path, name: str) -> Iterator[Path]:
    """Yield the files that importing a module may run: its own and those of the packages around it."""
    parts = name.split(".")
    for top in (root / "src", root):
        for size in range(1, len(parts) + 1):
            path = top.joinpath(*parts[:size])
            yield from (path.with_name(f"{path.name}.py"), path / "__init__.py")
