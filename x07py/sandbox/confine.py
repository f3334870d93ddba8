"""The child's side: it follows its recipe up to the filter, and at last comes ``execve``.

Runs between ``fork`` and ``execve``. Whatever fails before the parent's consent ends the child, and nothing of the
user's program has run.
"""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel, namespaces, procs, reaper, relay, vdso
from x07py.sandbox.filter import Wanted
from x07py.sandbox.network import Rules, endpoints
from x07py.sandbox.tracer import Gate, Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from x07py.sandbox.answers import Access
    from x07py.sandbox.recipe import Recipe

EXIT_CANNOT = 125
TOLD = 100
"""Number of the descriptor that a program tells about itself through; the same in every run."""

IGNORED = (int(signal.SIGPIPE), int(signal.SIGXFSZ))
"""Signals that Python ignores; the program starts with their defaults."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds a process; None is no bound. Seconds and bytes; `memory` is address space.

    `processes` bounds the processes and threads of all together.
    """

    cpu_seconds: int | None = None
    memory: int | None = None
    open_files: int | None = None
    file_size: int | None = None
    processes: int | None = None


@dataclass(frozen=True, slots=True)
class Confinement:
    """All that a confined program gets.

    Args:
        argv: program and arguments; the program is a path.
        env: the whole environment.
        cwd: its working folder.
        paths: Landlock rules, a path and the rights below it; for ``/etc/hosts`` and what lies in ``/proc`` by that
            name, as a link to them grants what namespaces put out of sight.
        connect: where TCP connections may go.
        listen: what it may listen on.
        wanted: what the filter lets through.
        limits: bounds a process.
        hosts: contents of ``/etc/hosts`` for it, or None for the machine's own.
        namespaces: whether to try namespaces at all.
        seed: virtual time and randomness from this seed, and a fixed address layout; None for the real ones.
        relay: connections through relays in the network namespace, instead of the supervisor.
        require: layers without which it must not run, of ``layers.LAYERS``.
        accept_weaker: run also where a layer is missing that nothing stands in for.
        on_access: called with each decision about an access, before it takes effect.
        told: a descriptor that the program gets as number `TOLD`, to tell about itself; None for none.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    paths: tuple[tuple[str, int], ...]
    connect: Rules = field(default_factory=Rules)
    listen: Rules = field(default_factory=Rules)
    wanted: Wanted = field(default_factory=Wanted)
    limits: Limits = field(default_factory=Limits)
    hosts: str | None = None
    namespaces: bool = True
    seed: bytes | None = None
    relay: bool = False
    require: tuple[str, ...] = ()
    accept_weaker: bool = False
    on_access: Callable[[Access], None] | None = None
    told: int | None = None


def enter(recipe: Recipe, control: socket.socket, *, alone: bool, group: str | None) -> NoReturn:
    """Be the first process of the sandbox, and the parent of the program; never returns.

    Args:
        recipe: what to do.
        control: the socket to the launcher.
        alone: whether this process has namespaces of its own.
        group: control group that bounds the number of processes, or None.
    """
    spec = recipe.spec
    try:
        if group is not None:
            procs.join(group)
        named, tracer = True, None
        if alone:
            named = _furnish(recipe, control)
        else:
            _make(recipe.watch)
        if spec.relay:
            program, tracer = _fork_traced(recipe, control, named=named)
        elif alone and spec.seed is None and spec.limits.memory is None:
            program = _spawn(recipe, control)
        else:
            program = _fork(recipe, control)
        _hand_over(control, b"B", [os.pidfd_open(program)])
        reaper.serve(program, control, tracer, alone=alone)
    except BaseException as error:  # noqa: BLE001 (nothing may escape into the parent's code)
        with contextlib.suppress(OSError):
            control.send(b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _make(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _furnish(recipe: Recipe, control: socket.socket) -> bool:
    """Make the namespaces what the program shall see, and hand the relays' listeners to the launcher.

    Returns:
        Whether ``/proc`` shows the sandbox's own processes.
    """
    own = True
    _make(recipe.furnish)
    try:
        recipe.mount_proc()
    except OSError as error:
        if "proc" in recipe.spec.require:
            raise OSError(f"--require-layer proc: absent: {error.strerror}") from None
        control.send(b"P" + f"absent: {error.strerror}".encode())
        own = False
    if recipe.spec.relay:
        listeners = relay.listen_inside(endpoints(recipe.spec.connect) or ())
        _hand_over(control, b"R", [one.fileno() for one in listeners])
    return own


def _hand_over(control: socket.socket, kind: bytes, handles: list[int]) -> None:
    control.sendmsg([kind], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", handles))])


def _spawn(recipe: Recipe, control: socket.socket) -> int:
    """Confine this process itself, then start the program, which takes no second copy of this process's memory.

    Only where nothing inside can stop this process, as first process of its namespace; and not under a bound on memory,
    which this process may exceed already.
    """
    _confine(recipe, control, recipe.install)
    argv = recipe.argv
    try:
        return os.posix_spawn(argv[0], argv, recipe.env, setsigmask=recipe.mask, setsigdef=IGNORED)
    except OSError as error:
        control.send(b"X" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)


def _fork(recipe: Recipe, control: socket.socket) -> int:
    """Fork a process that confines itself and becomes the program; this process stays out of its reach."""
    virtual = recipe.spec.seed is not None
    if virtual:
        namespaces.far_ahead()
    program = kernel.fork()
    if program == 0:
        _become(recipe, control, recipe.install)
    if virtual:
        vdso.hide(program)
    return program


def _fork_traced(recipe: Recipe, control: socket.socket, *, named: bool) -> tuple[int, Tracer | None]:
    """As `_fork`, and trace the program where that is allowed, to tell what is refused."""
    gate = Gate()
    program = kernel.fork()
    if program == 0:
        _become(recipe, control, recipe.install_traced if gate.wait() else recipe.install)
    untraced = gate.open(program)
    control.send(b"T" + untraced.encode())
    return program, None if untraced else Tracer(recipe.spec.connect, control, named=named)


def _become(recipe: Recipe, control: socket.socket, install: Callable[[], int]) -> NoReturn:
    try:
        _make(recipe.become)
        _confine(recipe, control, install)
        signal.pthread_sigmask(signal.SIG_SETMASK, recipe.mask)
        try:
            os.execve(recipe.argv[0], recipe.argv, recipe.env)  # noqa: S606 (no shell is what is wanted)
        except OSError as error:
            control.send(b"X" + str(error.errno).encode())
    except BaseException as error:  # noqa: BLE001
        with contextlib.suppress(OSError):
            control.send(b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _confine(recipe: Recipe, control: socket.socket, install: Callable[[], int]) -> None:
    """Give up everything but what the program may have, and hand the filter's listener to the launcher."""
    _make(recipe.confine)
    if recipe.spec.relay:
        install()
        control.send(b"F")
        return
    try:
        listener = install()
    except OSError as error:
        control.send(b"N" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)
    _hand_over(control, b"L", [listener])
    os.close(listener)
