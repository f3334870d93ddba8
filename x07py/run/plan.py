"""All that is decided before a program starts, and the exit codes that a run adds to the program's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.run.hosts import HostRule
    from x07py.sandbox.confinement import ProcessLimits

EXIT_TIME, EXIT_CANNOT, EXIT_REFUSED, EXIT_LIMIT = 124, 125, 126, 137


class PathGrant(NamedTuple):
    """A path that is granted, and by what: a flag, a profile, a policy, the world."""

    path: Path
    source: str


class UnixGrant(NamedTuple):
    """A Unix socket or a folder of them that is granted, ``@NAME`` for an abstract one, and by what."""

    target: str
    source: str


class RunPlan(NamedTuple):
    """All that is decided before a program starts.

    Args:
        world: the world it runs in.
        argv: command line; the program is a path.
        env: environment.
        env_sources: what granted those of its variables that not every program gets.
        root: working folder.
        allow: hosts that it may connect to.
        deny: hosts that it may not, even so.
        listen: addresses that it may listen on.
        unix: Unix sockets that it may connect to and listen on.
        read: folders and files that it may read, beyond the system's.
        write: those that it may change.
        run: programs that it may start.
        unread: folders and files that it may not read, wherever they lie.
        limits: bounds a process.
        timeout: seconds, or None.
        observe: let it do what it wants, and watch.
        require: layers of the sandbox without which it must not run.
        accept_weaker: run also where a layer is missing that nothing stands in for.
        schedule: what the order of its threads is drawn from in a solve world; None for the fixed one.
    """

    world: str
    argv: tuple[str, ...]
    env: dict[str, str]
    env_sources: dict[str, str]
    root: Path
    allow: tuple[HostRule, ...]
    deny: tuple[HostRule, ...]
    listen: tuple[HostRule, ...]
    unix: tuple[UnixGrant, ...]
    read: tuple[PathGrant, ...]
    write: tuple[PathGrant, ...]
    run: tuple[PathGrant, ...]
    unread: tuple[PathGrant, ...]
    limits: ProcessLimits
    timeout: float | None
    observe: bool = False
    require: tuple[str, ...] = ()
    accept_weaker: bool = False
    schedule: int | None = None
