"""What a child does to become the sandbox, prepared before there is a child.

After a fork each page that is written to is copied first, and Python writes wherever it looks: converting arguments and
making objects there took twice as long as all that the kernel does for a sandbox. So the child is handed calls that are
ready to be made, and what is left to it is what needs its namespaces.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from x07py.sandbox import kernel, landlock, namespaces, reaper, vdso
from x07py.sandbox.confinement import IGNORED, REPORT_CHANNEL, SCRATCH
from x07py.sandbox.filter import build
from x07py.sandbox.namespaces import Step
from x07py.sandbox.network import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from x07py.sandbox.confinement import Confinement, ProcessLimits
    from x07py.sandbox.filter import Wanted

_NEW_LISTENER, _WAIT_KILLABLE = 8, 32
_NO_CORE = 1
"""A byte: too little for a file, and the kernel starts no handler of crashes either; with 0 it does (core(5))."""
_FIXED_LAYOUT = 0x0040000
_SIGACTION_BYTES, _SIGSET_BYTES = 32, 8
_OF_PROCESS = """attr auxv cgroup cmdline comm coredump_filter cpuset environ fd fdinfo io limits loginuid maps
 mountinfo mounts oom_score pagemap personality schedstat sessionid smaps smaps_rollup
 stat statm status timerslack_ns wchan"""
_OF_MACHINE = """cpuinfo devices filesystems loadavg meminfo stat swaps uptime version vmstat sys/fs sys/kernel sys/vm
 sys/net/core"""
_OWN_PROC = (
    *(f"/proc/self/{name}" for name in _OF_PROCESS.split()),
    *(f"/proc/{name}" for name in _OF_MACHINE.split()),
)
"""What a program reads of ``/proc`` where it shows other processes: of its first process, and of the machine."""
_OWN_SHM = "size=1g,nr_inodes=1m"
"""How large a repeatable world's own folder may grow: the same on every machine."""
_REPLACED = ("/proc", "/etc/hosts")
"""What namespaces show in another way, so that the child alone can name it to Landlock."""


class Recipe(NamedTuple):
    """What a child shall do, in this order.

    Args:
        spec: what the program gets.
        map_user: what gives a new user namespace its user.
        namespace_steps: what makes new namespaces the program's own.
        mount_proc: mounts a ``/proc`` for them.
        mask_proc: empties what in it is the machine's alone.
        mount_shm: mounts a ``/dev/shm`` for them, or None for none.
        grant_shm: lets the program change what lies there.
        own_folder: opens the folder that the launcher made for the program, or None for none.
        watch: calls that bind the first process to the launcher where it has no namespaces.
        program_steps: calls with which a fork of the first process begins to become the program.
        confine: calls that give up all but what the program may have, up to the filter.
        confine_among_others: the same where ``/proc`` shows other processes.
        fix_layout: has the program lie at the same addresses in every run.
        install: installs the filter and, but for relays, returns its listener.
        install_traced: installs, for relays, the filter of a program that is traced.
        argv: command line of the program.
        env: its environment.
        mask: signals that it starts with blocked.
        ruleset: descriptor of Landlock's rules, for the launcher to close; None where the user accepts to do without.
    """

    spec: Confinement
    map_user: tuple[Step, ...]
    namespace_steps: tuple[Step, ...]
    mount_proc: Callable[[], int]
    mask_proc: tuple[Step, ...]
    mount_shm: Callable[[], int] | None
    grant_shm: Callable[[], None] | None
    own_folder: Callable[[], None] | None
    watch: tuple[Callable[[], int], ...]
    program_steps: tuple[Callable[[], int], ...]
    confine: tuple[Callable[[], object], ...]
    confine_among_others: tuple[Callable[[], object], ...]
    fix_layout: Callable[[], int]
    install: Callable[[], int]
    install_traced: Callable[[], int]
    argv: tuple[bytes, ...]
    env: dict[bytes, bytes]
    mask: tuple[int, ...]
    ruleset: int | None


def prepare(spec: Confinement, mask: Iterable[int], *, alone: bool) -> Recipe:
    """Return what a child shall do.

    Args:
        spec: what the program gets.
        mask: signals that the program starts with blocked.
        alone: whether it will be in namespaces of its own.

    Raises:
        OSError: the kernel refused a Landlock rule, or a path exists and cannot be opened.
    """
    version = landlock.abi()
    wanted = spec.wanted if alone or not spec.relay else spec.wanted._replace(among_others=True)
    wanted = wanted._replace(groups=version >= landlock.ABI_SCOPES)
    ruleset = None
    if version >= landlock.ABI_FLOOR:  # else the user has accepted to do without
        ports = [one.port for one in endpoints(spec.connect) or ()] if spec.relay else ()
        ruleset = landlock.ruleset([rule for rule in spec.paths if not rule[0].startswith(_REPLACED)], version, ports)
    return Recipe(
        spec=spec,
        map_user=namespaces.mapping_user(),
        namespace_steps=_namespace_steps(spec),
        mount_proc=namespaces.mounting_proc(),
        mask_proc=namespaces.masking_proc(),
        mount_shm=namespaces.mounting_shm(_OWN_SHM if spec.scratch else "") if spec.shm else None,
        grant_shm=None if ruleset is None else landlock.granting(ruleset, "/dev/shm", landlock.WRITE, version),  # noqa: S108
        own_folder=None if spec.scratch is None else partial(hold_folder, spec.scratch),
        watch=reaper.watching_launcher(),
        program_steps=tuple(_program_steps(spec)),
        confine=tuple(_confining(spec, ruleset, version, own_proc=True)),
        confine_among_others=tuple(_confining(spec, ruleset, version, own_proc=False)),
        install=_installing(spec, wanted),
        install_traced=_installing(spec, wanted._replace(traced=spec.relay)),
        fix_layout=kernel.prepared("personality", _FIXED_LAYOUT),
        argv=tuple(map(os.fsencode, spec.argv)),
        env={os.fsencode(name): os.fsencode(value) for name, value in spec.env.items()},
        mask=tuple(map(int, mask)),
        ruleset=ruleset,
    )


def _namespace_steps(spec: Confinement) -> tuple[Step, ...]:
    steps = (Step("death signal", reaper.dying_with_launcher()), Step("mount /", namespaces.keeping_mounts()))
    return steps if spec.hosts is None else (*steps, Step("/etc/hosts", partial(namespaces.replace_hosts, spec.hosts)))


def _program_steps(spec: Confinement) -> Iterator[Callable[[], int]]:
    for number in IGNORED:
        yield kernel.prepared("rt_sigaction", number, bytes(_SIGACTION_BYTES), None, _SIGSET_BYTES)
    if spec.seed is not None:
        yield vdso.asking_for_it()


def _confining(
    spec: Confinement, ruleset: int | None, version: int, *, own_proc: bool
) -> Iterator[Callable[[], object]]:
    yield partial(os.chdir, spec.cwd)
    if spec.report_channel is not None:
        yield partial(os.dup2, spec.report_channel, REPORT_CHANNEL)
    yield from _bounding(spec.limits)
    yield from kernel.dropping_capabilities()
    yield kernel.prepared("prctl", kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if ruleset is not None:
        for path, rights in spec.paths:
            if path == "/proc" and not own_proc:
                yield from (landlock.granting(ruleset, one, rights, version) for one in _OWN_PROC)
            elif path.startswith(_REPLACED):
                yield landlock.granting(ruleset, path, rights, version)
        yield kernel.prepared("landlock_restrict_self", ruleset, 0)
    yield kernel.closing_on_exec(3)
    if spec.report_channel is not None:
        yield partial(os.set_inheritable, REPORT_CHANNEL, True)
    if spec.scratch is not None:
        yield partial(os.set_inheritable, SCRATCH, True)


def hold_folder(path: str) -> None:
    """Have a folder be descriptor `SCRATCH` from now on, until `execve`."""
    handle = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    os.dup2(handle, SCRATCH)
    os.close(handle)


def _bounding(limits: ProcessLimits) -> Iterator[Callable[[], int]]:
    wanted = (
        (resource.RLIMIT_CORE, _NO_CORE),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_NPROC, None if limits.processes is None else limits.processes + 1),
    )
    for which, value in wanted:
        if value is not None:
            bound = kernel.bound_of(which, value)
            ends_in_time = which == resource.RLIMIT_CPU and bound != resource.getrlimit(which)[1]  # by SIGXCPU
            both = (ctypes.c_uint64 * 2)(bound, bound + 1 if ends_in_time else bound)
            yield kernel.prepared("prlimit64", 0, which, ctypes.byref(both), None)


def _installing(spec: Confinement, wanted: Wanted) -> Callable[[], int]:
    """Return what installs the filter; with a listener without killable waits (Linux before 5.19) if that will do."""
    code = build(kernel.MACHINE, wanted)
    install = kernel.installing_filter(code, 0 if spec.relay else _NEW_LISTENER | _WAIT_KILLABLE)
    if spec.relay or spec.seed is not None:
        return install
    weaker = kernel.installing_filter(code, _NEW_LISTENER)

    def install_either() -> int:
        try:
            return install()
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return weaker()

    return install_either
