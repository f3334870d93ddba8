"""Starts a program in a solve world: closes the last door from inside, then runs the entry.

Everything that must hold is the kernel's by now; `execve` is the one call that the launcher needed itself, and goes
here. A deadlock comes as SIGQUIT, which shows where each thread is before it ends the program.
"""

from __future__ import annotations

import errno
import faulthandler
import runpy
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import read_settled_lock
from x07py.contracts.packages import ProjectPackages, sorted_by_world
from x07py.errors import X07Error
from x07py.run import guard
from x07py.run.command_line import error_text, no_function
from x07py.run.plan import EXIT_CANNOT, EXIT_REFUSED
from x07py.run.replay_guard import ReplayGuard
from x07py.sandbox.giving_up import refusing
from x07py.sandbox.kernel import MACHINE, installing_filter
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Sequence


def refuse_execution() -> None:
    """Give up `execve` for ever."""
    installing_filter(refusing(MACHINE, ("execve", "execveat"), errno.EACCES), 0)()


def main(argv: Sequence[str]) -> object:
    """Run an entry, ``module``, ``module:function`` or a file, with the arguments after it."""
    refuse_execution()
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)  # a shell's background job is started with it ignored
    faulthandler.register(signal.SIGQUIT, chain=True)
    world = current_world()
    replay_guard = ReplayGuard(world)
    guard.install(Path.cwd(), world.name, _locked(Path.cwd(), world.name), replay_guard.admits)
    sys.argv = list(argv)
    try:
        with replay_guard:
            return _enter(argv[0])
    except guard.RefusedImport as error:
        return _told(error, EXIT_REFUSED)
    except X07Error as error:
        if replay_guard.opened:
            return _told(error, EXIT_CANNOT)
        raise


def _told(error: X07Error, code: int) -> int:
    sys.stderr.write(error_text(error))
    return code


def _locked(root: Path, world: str) -> ProjectPackages:
    """Return the packages of the lock as `world` takes them; the runner has compared their files with it."""
    return sorted_by_world(read_settled_lock(root) or {}, world)


def _enter(entry: str) -> object:
    if entry.endswith(".py"):
        sys.path.insert(0, entry.rpartition("/")[0])
        return runpy.run_path(entry, run_name="__main__") and 0
    module, colon, function = entry.partition(":")
    if colon:
        called = getattr(import_module(module), function, None)
        return called() if callable(called) else _told(no_function(module, function), EXIT_CANNOT)
    return runpy.run_module(module, run_name="__main__", alter_sys=True) and 0
