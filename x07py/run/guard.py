"""Refuses imports of the project's own modules that its world does not allow, with the words of ``x07 arch check``.

This is a message, not a protection: the kernel holds the world. It tells at the import what would fail at the call.
"""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.errors import PackageError, RunError
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from x07py.contracts.packages import ProjectPackages


class RefusedImport(RunError, ImportError):  # noqa: N818 (what happened, as in the report)
    """A module of the project imports what its world refuses; an `ImportError` to the program."""


def install(root: Path, world: str, installed: ProjectPackages, admits: Callable[[str], bool]) -> None:
    """Check every import statement of modules below `root` from now on.

    Args:
        root: the project's folder; what is installed in a ``site-packages`` below it does not count.
        world: the world whose refusals hold.
        installed: the locked packages; those that the world does not allow are named as such.
        admits: asked about each module that the world refuses: whether it may be imported after all.
    """
    original = builtins.__import__
    table = os_bound_table()

    def checked(
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002 (the names are Python's)
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if level == 0 and globals is not None and _own(root, globals.get("__file__")):
            for target in (name, *(f"{name}.{one}" for one in fromlist or ())):
                _check_package(installed, target)
                row = table.refused_module(target, world)
                if row is not None and not admits(target):
                    raise RefusedImport(
                        "X07RUN_OS_IMPORT",
                        f"{globals.get('__name__')} ({world}) reaches {target}; {target} {row.reason}",
                        where=str(globals["__file__"]),
                        hint=_hint(target, world),
                    )
        return original(name, globals, locals, fromlist or (), level)

    builtins.__import__ = checked


def _hint(target: str, world: str) -> str:
    hint = "move this to an adapter in a run-os node and pass values in"
    if WORLDS[world].replay and target.partition(".")[0] in os_bound_table().replayed:
        return f"{hint}, or replay it: x07 run --profile replay --cassette NAME"
    return hint


def _check_package(installed: ProjectPackages, target: str) -> None:
    try:
        installed.check_import(target)
    except PackageError as error:
        raise RefusedImport(error.code, error.message, where=error.where, hint=error.hint) from None


def _own(root: Path, file: object) -> bool:
    if not isinstance(file, str):
        return False
    path = Path(file)
    return path.is_relative_to(root) and "site-packages" not in path.parts
