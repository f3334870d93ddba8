"""The child's side: it follows its recipe up to the filter, and at last comes ``execve``.

Runs between ``fork`` and ``execve``. Whatever fails before the parent's consent ends the child, and nothing of the
user's program has run.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, NoReturn

from x07py.sandbox import kernel, procs, reaper, relay, vdso
from x07py.sandbox.confinement import IGNORED
from x07py.sandbox.control import hand_over, say
from x07py.sandbox.namespaces import Step, Way
from x07py.sandbox.network import endpoints
from x07py.sandbox.recipe import hold_folder
from x07py.sandbox.tracer import Gate, Tracer

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable

    from x07py.sandbox.recipe import Recipe

EXIT_CANNOT = 125


class _Missing(Exception):  # noqa: N818 (an answer, not a failure)
    """A step into namespaces is not to be had on this machine."""


def enter(recipe: Recipe, control: socket.socket, *, way: Way, group: str | None) -> NoReturn:
    """Be the first process of the sandbox, and the parent of the program; never returns.

    Whatever fails ends this process, and the launcher learns which step it was: it alone decides what comes next.

    Args:
        recipe: what to do.
        control: the socket to the launcher.
        way: how this process came to namespaces of its own, if it did.
        group: control group that bounds the number of processes, or None.
    """
    try:
        os.close(os.pidfd_open(os.getpid()))  # what is needed after the program's start shows before it
        if group is not None:
            procs.join(group)
        _serve(recipe, control, way)
    except _Missing as missing:
        say(control, b"W" + str(missing).encode())
    except BaseException as error:  # noqa: BLE001 (nothing may escape into the parent's code)
        say(control, b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _serve(recipe: Recipe, control: socket.socket, way: Way) -> NoReturn:
    spec, alone = recipe.spec, way is not Way.NONE
    own_proc, tracer = False, None
    if recipe.own_folder is not None:
        recipe.own_folder()
    if alone:
        own_proc = _enter_namespaces(recipe, control, way)
    else:
        _make(recipe.watch)
    if spec.relay:
        program, tracer = _fork_traced(recipe, control, named=own_proc)
    elif own_proc and spec.seed is None and spec.limits.memory is None:
        program = _spawn(recipe, control, own_proc=own_proc)
    else:
        program = _fork(recipe, control, own_proc=own_proc)
    hand_over(control, b"B", [os.pidfd_open(program)])
    reaper.serve(program, control, tracer, alone=alone)


def _make(calls: Iterable[Callable[[], object]]) -> None:
    for call in calls:
        call()


def _take(steps: Iterable[Step]) -> None:
    for step in steps:
        try:
            step.make()
        except OSError as error:
            raise _Missing(f"{step.name}: {error.strerror or error}") from None


def _enter_namespaces(recipe: Recipe, control: socket.socket, way: Way) -> bool:
    """Make the namespaces what the program shall see, and hand the relays' listeners to the launcher.

    Returns:
        Whether ``/proc`` shows the sandbox's own processes.
    """
    own = True
    if way is Way.USER:
        _take(recipe.map_user)
    _take(recipe.namespace_steps)
    try:
        recipe.mount_proc()
    except OSError as error:
        if "proc" in recipe.spec.require:
            raise OSError(f"--require-layer proc: absent: {error.strerror}") from None
        control.send(b"P" + f"absent: {error.strerror}".encode())
        own = False
    else:
        _take(recipe.mask_proc)
    if recipe.mount_shm is not None:
        _share_memory(recipe, recipe.mount_shm, control)
    if recipe.spec.relay:
        listeners: list[socket.socket] = []
        addresses = endpoints(recipe.spec.connect) or ()
        _take([Step("relays", lambda: listeners.extend(relay.listen_inside(addresses)))])
        hand_over(control, b"R", [one.fileno() for one in listeners])
    return own


def _share_memory(recipe: Recipe, mount: Callable[[], int], control: socket.socket) -> None:
    """Give the program shared memory of its own; without, programs that need some are refused the machine's."""
    try:
        mount()
    except OSError as error:
        control.send(b"M" + f"absent: {error.strerror}".encode())
    else:
        control.send(b"Mown")
        if recipe.grant_shm is not None:
            recipe.grant_shm()
        if recipe.own_folder is not None:
            hold_folder("/dev/shm")  # noqa: S108


def _spawn(recipe: Recipe, control: socket.socket, *, own_proc: bool) -> int:
    """Confine this process itself, then start the program, which takes no second copy of this process's memory.

    Only where nothing inside can stop this process, as first process of its namespace; and not under a bound on memory,
    which this process may exceed already.
    """
    _confine(recipe, control, recipe.install, own_proc=own_proc)
    argv = recipe.argv
    try:
        return os.posix_spawn(argv[0], argv, recipe.env, setsigmask=recipe.mask, setsigdef=IGNORED)
    except OSError as error:
        control.send(b"X" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)


def _fork(recipe: Recipe, control: socket.socket, *, own_proc: bool) -> int:
    """Fork a process that confines itself and becomes the program; this process stays out of its reach."""
    virtual = recipe.spec.seed is not None
    program = kernel.fork()
    if program == 0:
        _be_the_program(recipe, control, recipe.install, own_proc=own_proc)
    if virtual:
        vdso.hide(program)
    return program


def _fork_traced(recipe: Recipe, control: socket.socket, *, named: bool) -> tuple[int, Tracer | None]:
    """As `_fork`, and trace the program where that is allowed, to tell what is refused."""
    gate = Gate()
    program = kernel.fork()
    if program == 0:
        install = recipe.install_traced if gate.wait() else recipe.install
        _be_the_program(recipe, control, install, own_proc=named)
    untraced = gate.open(program)
    control.send(b"T" + untraced.encode())
    return program, None if untraced else Tracer(recipe.spec.connect, control, named=named)


def _be_the_program(recipe: Recipe, control: socket.socket, install: Callable[[], int], *, own_proc: bool) -> NoReturn:
    try:
        if recipe.spec.seed is not None:
            _fix_layout(recipe, control)
        _make(recipe.program_steps)
        _confine(recipe, control, install, own_proc=own_proc)
        signal.pthread_sigmask(signal.SIG_SETMASK, recipe.mask)
        try:
            os.execve(recipe.argv[0], recipe.argv, recipe.env)  # noqa: S606 (no shell is what is wanted)
        except OSError as error:
            control.send(b"X" + str(error.errno).encode())
    except BaseException as error:  # noqa: BLE001
        say(control, b"E" + f"{type(error).__name__}: {error}".encode())
    finally:
        os._exit(EXIT_CANNOT)


def _fix_layout(recipe: Recipe, control: socket.socket) -> None:
    """Have equal runs see equal addresses; containers refuse it, and the report says so."""
    try:
        recipe.fix_layout()
    except OSError as error:
        control.send(b"Y" + (error.strerror or str(error)).encode())


def _confine(recipe: Recipe, control: socket.socket, install: Callable[[], int], *, own_proc: bool) -> None:
    """Give up everything but what the program may have, and hand the filter's listener to the launcher."""
    _make(recipe.confine if own_proc else recipe.confine_among_others)
    if recipe.spec.relay:
        install()
        control.send(b"F")
        return
    try:
        listener = install()
    except OSError as error:
        control.send(b"N" + str(error.errno).encode())
        os._exit(EXIT_CANNOT)
    hand_over(control, b"L", [listener])
    os.close(listener)
