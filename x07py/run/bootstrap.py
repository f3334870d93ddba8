"""Starts a program in a solve world: closes the last doors from inside, makes waiting virtual, then runs the entry.

Everything that must hold is the kernel's by now; `execve` is the one call that the launcher needed itself, and goes
here. asyncio waits in `epoll_wait`, which knows real time only: its selector gets one that sleeps on the virtual clock.
"""

from __future__ import annotations

import asyncio
import errno
import runpy
import selectors
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import read_lock
from x07py.contracts.packages import Installed
from x07py.errors import X07Error
from x07py.run import guard
from x07py.run.entry import error_text, no_function
from x07py.run.report import EXIT_CANNOT, EXIT_REFUSED
from x07py.run.taped import Taped
from x07py.sandbox.filter import refusing
from x07py.sandbox.kernel import MACHINE, installing_filter
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Sequence


class VirtualSelector(selectors.DefaultSelector):
    """A selector whose time limit passes on the virtual clock."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, let `timeout` seconds of virtual time pass, or wait for ever without."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None:
            return super().select(None)
        if timeout > 0:
            time.sleep(timeout)
        return super().select(0)


class _Policy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return asyncio.SelectorEventLoop(VirtualSelector())


def refuse_execution() -> None:
    """Give up `execve` for ever."""
    installing_filter(refusing(MACHINE, ("execve", "execveat"), errno.EACCES), 0)()


def main(argv: Sequence[str]) -> object:
    """Run an entry, ``module``, ``module:function`` or a file, with the arguments after it."""
    refuse_execution()
    asyncio.set_event_loop_policy(_Policy())
    world = current_world()
    taped = Taped(world)
    guard.install(Path.cwd(), world.name, _locked(Path.cwd(), world.name), taped.admits)
    sys.argv = list(argv)
    try:
        with taped:
            return _enter(argv[0])
    except guard.RefusedImport as error:
        return _told(error, EXIT_REFUSED)
    except X07Error as error:
        if taped.opened:
            return _told(error, EXIT_CANNOT)
        raise


def _told(error: X07Error, code: int) -> int:
    sys.stderr.write(error_text(error))
    return code


def _locked(root: Path, world: str) -> Installed:
    """Return the packages of the lock as `world` takes them; the runner has compared their files with it."""
    lock = read_lock(root)
    packages = list(lock.packages.values()) if lock else []
    allowed = tuple(package for package in packages if world in package.worlds)
    return Installed(world, (), allowed, tuple(package for package in packages if world not in package.worlds))


def _enter(entry: str) -> object:
    if entry.endswith(".py"):
        sys.path.insert(0, entry.rpartition("/")[0])
        return runpy.run_path(entry, run_name="__main__") and 0
    module, colon, function = entry.partition(":")
    if colon:
        called = getattr(import_module(module), function, None)
        return called() if callable(called) else _told(no_function(module, function), EXIT_CANNOT)
    return runpy.run_module(module, run_name="__main__", alter_sys=True) and 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))  # type: ignore[arg-type]
