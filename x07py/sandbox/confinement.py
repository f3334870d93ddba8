"""What a confined program gets: its command, what it may reach, and its bounds."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox.filter import Wanted
from x07py.sandbox.network import AddressRules, Lead
from x07py.sandbox.unix_sockets import UnixRules

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.sandbox.names import Name
    from x07py.sandbox.notifications import Access

REPORT_CHANNEL = 100
"""Number of the descriptor that a program writes its part of the run's report to; the same in every run."""

SCRATCH = 101
"""Number of the descriptor of a solve world's own folder; by it the folder has one name on every machine."""
SCRATCH_PATH = f"/proc/self/fd/{SCRATCH}"

IGNORED = (int(signal.SIGPIPE), int(signal.SIGXFSZ))
"""Signals that Python ignores; the program starts with their defaults."""


class ProcessLimits(NamedTuple):
    """Upper bounds a process; None is no bound. Seconds and bytes; `memory` is address space.

    `processes` bounds the processes and threads of all together.
    """

    cpu_seconds: int | None = None
    memory: int | None = None
    open_files: int | None = None
    file_size: int | None = None
    processes: int | None = None


class Confinement(NamedTuple):
    """All that a confined program gets.

    Args:
        argv: program and arguments; the program is a path.
        env: the whole environment.
        cwd: its working folder.
        paths: Landlock rules, a path and the rights below it; for ``/etc/hosts`` and what lies in ``/proc`` by that
            name, as a link to them grants what namespaces put out of sight.
        connect: where TCP connections may go.
        lead: connects those that are allowed, but for those to its own listeners; None for where they want to go.
        listen: what it may listen on.
        unix: which Unix sockets it may connect to and listen on, besides those that it makes where it may write.
        wanted: what the filter lets through.
        limits: bounds a process.
        shm: an empty ``/dev/shm`` of its own, where there are namespaces.
        scratch: an empty folder, among `paths`, that it gets as descriptor `SCRATCH`, or its own ``/dev/shm`` where it
            has one; None for none.
        names: names that it may look up, where the supervisor connects.
        hosts: contents of ``/etc/hosts`` for it, or None for the machine's own.
        namespaces: whether to try namespaces at all.
        seed: virtual time and randomness from this seed, and a fixed address layout; None for the real ones.
        schedule: what the order of its threads is drawn from, with `seed`; None for the fixed one.
        relay: connections through relays in the network namespace, instead of the supervisor.
        require: layers without which it must not run, of ``layers.LAYERS``.
        accept_weaker: run also where a layer is missing that nothing stands in for.
        on_access: called with each decision about an access, before it takes effect.
        on_program: called with a descriptor of the program's process, to send it signals; it is closed afterwards.
        report_channel: a descriptor that the program gets as number `REPORT_CHANNEL`; None for none.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    paths: tuple[tuple[str, int], ...]
    connect: AddressRules = AddressRules()
    lead: Lead | None = None
    listen: AddressRules = AddressRules()
    unix: UnixRules = UnixRules()
    wanted: Wanted = Wanted()
    limits: ProcessLimits = ProcessLimits()
    shm: bool = False
    scratch: str | None = None
    names: tuple[Name, ...] = ()
    hosts: str | None = None
    namespaces: bool = True
    seed: bytes | None = None
    schedule: int | None = None
    relay: bool = False
    require: tuple[str, ...] = ()
    accept_weaker: bool = False
    on_access: Callable[[Access], None] | None = None
    on_program: Callable[[int], None] | None = None
    report_channel: int | None = None
