"""What a kept history may have run: the project's own asyncio programs and tests, as a person would start them.

A kept history is a cassette, and a cassette is data. It is looked up here without running anything.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, NoReturn

from x07py.errors import UsageError
from x07py.files import SOURCE_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = "explore"
"""Where kept histories are, below the folder of cassettes."""
CALLED_WITH = {"x07_broker": "127.0.0.1:1"}
"""What an explored test may take, and what it is called with."""
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def check_entry(root: Path, entry: str, call: Mapping[str, str]) -> None:
    """Refuse an entry that is none of the project's programs and tests, or is called with something else.

    Args:
        root: the project's folder.
        entry: ``module``, ``module:function``, ``file.py`` or ``file.py:function``.
        call: keyword arguments of the function.

    Raises:
        UsageError: ``X07EXPLORE_ENTRY``.
    """
    place, _, function = entry.partition(":")
    if not call.items() <= CALLED_WITH.items():
        _refuse(entry, root, f"it is called with {', '.join(sorted(call))}")
    if function:
        check_function(root, entry)
        return
    for file in _files(root, place):
        tree = _tree(root, file)
        if tree is not None and ("main" in _defined(tree) | _taken(tree) or _runs_asyncio(tree)):
            return
    _refuse(entry, root, "it is no asyncio program of this project")


def check_function(root: Path, name: str) -> None:
    """Refuse a function that no module of the project defines.

    Args:
        root: the project's folder.
        name: ``module:function`` or ``file.py:function``.

    Raises:
        UsageError: ``X07EXPLORE_ENTRY``.
    """
    place, _, function = name.partition(":")
    for file in _files(root, place):
        tree = _tree(root, file)
        if tree is not None and function in _defined(tree):
            return
    _refuse(name, root, "no module of this project defines it")


def _files(root: Path, place: str) -> Iterator[Path]:
    """Yield the files that a place may mean, none of them installed, hidden or outside."""
    if place.endswith(".py"):
        yield root / place
        return
    for top in (root / "src", root):
        path = top.joinpath(*place.split("."))
        yield from (path.with_name(f"{path.name}.py"), path / "__main__.py")


def _tree(root: Path, file: Path) -> ast.Module | None:
    try:
        parts = file.resolve().relative_to(root.resolve()).parts
        if "site-packages" in parts or any(part.startswith(".") for part in parts):
            return None
        return ast.parse(read_file(file, limit=SOURCE_BYTES, root=root))
    except (OSError, ValueError, SyntaxError, RuntimeError):
        return None


def _defined(tree: ast.Module) -> set[str]:
    return {node.name for node in tree.body if isinstance(node, _DEFINITIONS)}


def _taken(tree: ast.Module) -> set[str]:
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    return {one.asname or one.name for node in imports for one in node.names}


def _runs_asyncio(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Attribute) and node.attr in {"run", "Runner"} for node in ast.walk(tree)) and any(
        isinstance(node, ast.Import | ast.ImportFrom)
        and "asyncio" in {getattr(node, "module", None), *(one.name for one in node.names)}
        for node in ast.walk(tree)
    )


def _refuse(entry: str, root: Path, why: str) -> NoReturn:
    raise UsageError(
        "X07EXPLORE_ENTRY",
        f"the kept history names {entry}: {why}",
        where=str(root),
        hint="a kept history runs programs and tests of its own project alone; x07 explore makes it anew",
    )
