"""The command line for an entry: ``module``, ``module:function``, or a Python file of the project."""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, NoReturn

from x07py.errors import RunError
from x07py.printing import terminal
from x07py.run.plan import EXIT_CANNOT

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.errors import X07Error

BOOTSTRAP = "x07py.run.inside"

_CALL = """
import sys
import {module}
function = getattr(sys.modules["{module}"], "{function}", None)
if not callable(function):
    sys.stderr.write({message!r})
    sys.exit({code})
sys.exit(function())
"""


def command_line(
    root: Path, entry: str | None, args: list[str], explained: tuple[Path, ...], *, solve: bool = False
) -> tuple[str, ...]:
    """Return the command for an entry.

    In a solve world, `x07py.run.inside` comes first; `explained` holds modules that say why they are refused.
    Nothing of the program is imported, so whether a function is there shows when it runs.

    Raises:
        RunError: ``X07RUN_ENTRY``.
    """
    if not entry:
        raise RunError(
            "X07RUN_ENTRY",
            "nothing says which program to run",
            where=str(root),
            hint='add entry = "package" to [tool.x07] in pyproject.toml or to x07.toml, or pass --entry',
        )
    if entry.endswith(".py"):
        if not (root / entry).is_file():
            _refuse(f"there is no file {entry!r}", root)
        start = ("-m", BOOTSTRAP) if solve else ()
        return (sys.executable, *start, str(root / entry), *args)
    module, colon, function = entry.partition(":")
    if not all(part.isidentifier() for part in module.split(".")) or (colon and not function.isidentifier()):
        _refuse(f"{entry!r} is no entry", root, "write module, module:function or file.py")
    _check_module(root, module, explained, runs=not colon)
    if solve:
        return (sys.executable, "-m", BOOTSTRAP, entry, *args)
    if not colon:
        return (sys.executable, "-m", module, *args)
    message = error_text(no_function(module, function))
    call = _CALL.format(module=module, function=function, message=message, code=EXIT_CANNOT)
    return (sys.executable, "-c", call, *args)


def no_function(module: str, function: str) -> RunError:
    """Return the error of an entry whose module has no such function."""
    where, hint = f"{module}:{function}", "check the entry"
    return RunError("X07RUN_ENTRY", f"module {module} has no function {function!r}", where=where, hint=hint)


def error_text(error: X07Error) -> str:
    """Return the lines of an error, for a process that has no part of the command line loaded."""
    return terminal(f"error[{error.code}]: {error.message}\n  at: {error.where}\n  help: {error.hint}\n")


def import_path(root: Path, explained: tuple[Path, ...]) -> list[str]:
    """Return where a program's modules lie: ``src``, the project, and last what explains refusals."""
    return [str(folder) for folder in (root / "src", root, *explained) if folder.is_dir()]


def _check_module(root: Path, module: str, explained: tuple[Path, ...], *, runs: bool) -> None:
    """Refuse a module that is not there or, if it `runs`, a package without a ``__main__``; nothing is imported."""
    places: list[str] | None = [*import_path(root, explained), *sys.path]
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        found = PathFinder.find_spec(name, places) if places is not None else None
        if found is None:
            _refuse(f"there is no module {name!r}", root)
        inside = found.submodule_search_locations
        places = None if inside is None else list(inside)
    if runs and places is not None and PathFinder.find_spec(f"{module}.__main__", places) is None:
        _refuse(f"package {module!r} has no module __main__", root, "add one, or write module:function")


def _refuse(what: str, root: Path, hint: str = "check the entry") -> NoReturn:
    raise RunError("X07RUN_ENTRY", what, where=str(root), hint=hint)
