"""The system call filter: what is not listed is refused, what touches the network goes to the supervisor.

The filter sees registers only, never memory, so nothing here judges an address: `socket` and `connect` are handed to
the supervisor, which makes the socket and connects it itself. Data paths are never handed over.
"""

from __future__ import annotations

import errno
import functools
from typing import NamedTuple

from x07py.sandbox import arguments
from x07py.sandbox.bpf import ALLOW, ARCH, KILL, NOTIFY, NR, TRACE, Program, always, refuse, tree
from x07py.sandbox.kernel import AUDIT_ARCH, syscall_numbers
from x07py.sandbox.metadata import MEDIATED
from x07py.sandbox.observe import CHANGING, OBSERVED
from x07py.sandbox.watches import WATCHED

_X32 = 0x40000000

FILES = """access chdir close close_range copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
 epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 faccessat faccessat2 fadvise64 fallocate fchdir fcntl fdatasync
 flock fstat fstatfs fsync ftruncate getcwd getdents getdents64 inotify_rm_watch
 link linkat lseek lstat mkdir mkdirat newfstatat open openat pipe pipe2 poll ppoll pread64
 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2
 rmdir select sendfile splice stat statfs statx symlink symlinkat sync_file_range syncfs tee truncate umask unlink
 unlinkat vmsplice write writev fgetxattr flistxattr"""
MEMORY = """brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
 munlockall munmap pkey_alloc pkey_free pkey_mprotect cachestat"""
PROCESSES = """arch_prctl execve execveat exit exit_group fork futex get_robust_list getegid geteuid getgid getgroups
 getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid getcpu
 kill pause pidfd_open pidfd_send_signal restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
 rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
 sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
 sched_setaffinity sched_yield set_robust_list set_tid_address setpgid setpriority setrlimit setsid sigaltstack
 signalfd signalfd4 sysinfo tgkill times tkill uname vfork wait4 waitid capget capset futex_waitv futex_wake futex_wait
 futex_requeue landlock_create_ruleset landlock_add_rule landlock_restrict_self"""
TIME = """alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
 timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
 getrandom"""
SOCKETS = "accept accept4 getpeername getsockname getsockopt recvfrom recvmmsg recvmsg shutdown"
METADATA = """chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"""
BY_PATH = "getxattr lgetxattr listxattr llistxattr"
"""Refused as on a file system that has no extended attributes: Landlock does not govern them."""
FORKS = "fork vfork"
VIRTUAL = """clock_gettime gettimeofday time nanosleep clock_nanosleep getrandom times getrusage uname sched_getaffinity
 getpriority futex set_robust_list exit sched_yield epoll_create epoll_create1 epoll_pwait2 poll ppoll select pselect6
 alarm setitimer getitimer pause rt_sigtimedwait getpid getppid gettid getpgrp getpgid getsid kill tkill tgkill sysinfo
 getcpu statfs fstatfs"""
REAL_TIME = """timer_create timer_settime timer_gettime timerfd_create timerfd_settime timerfd_gettime rt_sigqueueinfo
 rt_tgsigqueueinfo"""
UNANSWERED = "futex_waitv futex_wait futex_wake futex_requeue rseq"
"""Other ways to wait, and one to see the processor: refused as if the kernel had none."""
POLLS = {"epoll_wait": 3, "epoll_pwait": 3}
"""Calls that wait, with the index of their time limit in milliseconds: without one they only look."""

_UNKNOWN = ("io_uring_setup", "io_uring_enter", "io_uring_register", "openat2")
"""Refused as if the kernel had none: their arguments lie in memory, where the filter cannot see them."""


class Wanted(NamedTuple):
    """What a program may do that depends on its world.

    Args:
        network: TCP and Unix sockets through the supervisor; else no socket at all.
        processes: fork and exec, and modes and times of files through the supervisor; else threads alone.
        clock: clocks, randomness and what the machine is through the supervisor, and nothing that tells real time.
        relay: TCP without the supervisor: the kernel's own, in a namespace that leads to relays alone; nothing listens.
        traced: with `relay`, `connect` stops for a tracer, and fails in a process that has none.
        among_others: with `relay`, processes that are not the program's own have numbers that it can name.
        tell: executing files, and opening them to change them, through the supervisor, which tells what the kernel will
            refuse and lets it.
        tell_reads: opening them to read them as well.
        groups: signals to the program's process group, which it shares with processes outside: for a kernel that keeps
            them in.
        observe: opening, changing and executing files through the supervisor, which lets them pass.
    """

    network: bool = True
    processes: bool = True
    clock: bool = False
    relay: bool = False
    traced: bool = False
    among_others: bool = False
    tell: bool = False
    tell_reads: bool = False
    groups: bool = True
    observe: bool = False


@functools.cache
def build(machine: str, wanted: Wanted) -> bytes:
    """Return the BPF program for a machine type; built once, so that a launcher builds it for all its children.

    Args:
        machine: ``x86_64`` or ``aarch64``.
        wanted: what depends on the world.

    Raises:
        KeyError: another machine type.
    """
    numbers = syscall_numbers(machine)
    program = Program()
    program.load(ARCH)
    program.equal(AUDIT_ARCH[machine], 1, 0)
    program.ret(KILL)
    program.load(NR)
    if machine == "x86_64":
        program.code.append((0x35, 0, 1, _X32))
        program.ret(KILL)
    program.code += tree(_segments(numbers, wanted))
    return program.pack()


def _allowed(wanted: Wanted) -> set[str]:
    names = set((FILES + " " + MEMORY + " " + PROCESSES + " " + TIME + " " + SOCKETS).split())
    return names if wanted.processes else names - set(FORKS.split())


def _segments(numbers: dict[str, int], wanted: Wanted) -> list[tuple[int, Program]]:
    """Return where each run of system calls that are treated alike begins, and what to do with them."""
    special = _special(wanted)
    allowed = _allowed(wanted)
    yes, no, unknown = always(ALLOW), always(refuse(errno.EPERM)), always(refuse(errno.ENOSYS))
    bodies = {number: special.get(name, yes if name in allowed else no) for name, number in numbers.items()}
    last = max(numbers.values())
    segments: list[tuple[int, Program]] = []
    for number in range(last + 2):
        body = bodies.get(number, no) if number <= last else unknown
        if not segments or body.code != segments[-1][1].code:
            segments.append((number, body))
    return segments


def _network(wanted: Wanted) -> dict[str, Program]:
    no = refuse(errno.EACCES)
    denied = always(no)
    tcp = ALLOW if wanted.relay else NOTIFY
    return {
        "sendto": arguments.sendto(),
        "sendmsg": arguments.unless_flag(2, arguments.FASTOPEN, errno.EACCES),
        "sendmmsg": arguments.unless_flag(3, arguments.FASTOPEN, errno.EACCES),
        "setsockopt": arguments.setsockopt(),
        "socket": arguments.socket(tcp, no if wanted.relay else NOTIFY) if wanted.network else denied,
        "connect": always(TRACE if wanted.traced else tcp) if wanted.network else denied,
        "bind": always(NOTIFY) if wanted.network and not wanted.relay else denied,
        "listen": always(NOTIFY) if wanted.network and not wanted.relay else denied,
        "socketpair": arguments.socketpair(),
    }


def _special(wanted: Wanted) -> dict[str, Program]:
    metadata = NOTIFY if (wanted.processes or wanted.clock) and not wanted.relay else refuse(errno.EPERM)
    priorities = refuse(errno.EPERM) if wanted.relay else NOTIFY
    rows = {
        **_network(wanted),
        "open": arguments.opening(1, 2),
        "openat": arguments.opening(2, 3),
        "renameat2": arguments.renaming(ALLOW),
        "creat": arguments.unless_flag(1, arguments.SET_ID_BITS, errno.EPERM),
        "clone": arguments.clone(wanted.processes, NOTIFY if wanted.clock else ALLOW),
        "clone3": always(refuse(errno.ENOSYS)),
        "ioctl": arguments.ioctl(),
        "prctl": arguments.prctl(),
        "seccomp": arguments.seccomp(),
        "fcntl": arguments.fcntl(),
        "prlimit64": arguments.own_limits(),
        "setrlimit": arguments.limits_but_core(),
        "sched_setaffinity": arguments.own_or(priorities, 0),
        "setpriority": arguments.process_of_its_own_or(priorities),
        "sched_setscheduler": arguments.usual_policy(own=wanted.among_others) if wanted.relay else always(NOTIFY),
        "sched_setparam": always(priorities),
        "personality": arguments.personality(),
        **{name: always(refuse(errno.ENOSYS)) for name in _UNKNOWN},
        **{name: always(refuse(errno.EPERM)) for name in METADATA.split()},
        **{name: always(refuse(errno.EOPNOTSUPP)) for name in BY_PATH.split()},
        **{name: always(metadata) for name in (MEDIATED + " " + WATCHED).split()},
    }
    if not wanted.groups:
        rows |= {"kill": arguments.kill()}
    if wanted.clock:
        rows |= {name: always(NOTIFY) for name in VIRTUAL.split()}
        rows |= {name: always(refuse(errno.EPERM)) for name in REAL_TIME.split()}
        rows |= {name: always(refuse(errno.ENOSYS)) for name in UNANSWERED.split()}
        rows |= {name: arguments.polls(limit) for name, limit in POLLS.items()}
        rows |= {
            "fstat": always(NOTIFY),
            "newfstatat": arguments.of_descriptor(),
            "statx": always(refuse(errno.ENOSYS)),
        }
    if wanted.tell and not wanted.relay:
        told = arguments.opening_always_told if wanted.tell_reads else arguments.opening_told
        rows |= {"open": told(1, 2), "openat": told(2, 3)} | {name: always(NOTIFY) for name in CHANGING}
        rows |= {"renameat2": arguments.renaming(NOTIFY)}
    if wanted.observe:
        rows |= {name: always(NOTIFY) for name in OBSERVED}
    return rows
