"""The system call filter: what is not listed is refused, what touches the network goes to the supervisor.

The filter sees registers only, never memory, so nothing here judges an address: `socket` and `connect` are handed to
the supervisor, which makes the socket and connects it itself. Data paths are never handed over.
"""

from __future__ import annotations

import errno
import functools
import struct
from dataclasses import dataclass
from socket import AF_INET, AF_INET6, AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM

from x07py.sandbox.kernel import AUDIT_ARCH, syscall_numbers
from x07py.sandbox.metadata import MEDIATED
from x07py.sandbox.observe import OBSERVED

ALLOW, TRACE, NOTIFY, KILL = 0x7FFF0000, 0x7FF00000, 0x7FC00000, 0x80000000
_ERRNO = 0x00050000
_NR, _ARCH, _ARGS = 0, 4, 16
_LONGEST_JUMP = 255
_X32 = 0x40000000

FILES = """access chdir close close_range copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl
 epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 faccessat faccessat2 fadvise64 fallocate fchdir fcntl fdatasync
 flock fstat fstatfs fsync ftruncate getcwd getdents getdents64 inotify_add_watch inotify_init inotify_init1
 inotify_rm_watch link linkat lseek lstat mkdir mkdirat newfstatat open openat pipe pipe2 poll ppoll pread64
 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv rename renameat renameat2
 rmdir select sendfile splice stat statfs statx symlink symlinkat sync_file_range syncfs tee truncate umask unlink
 unlinkat vmsplice write writev getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr"""
MEMORY = """brk madvise membarrier memfd_create mincore mlock mlock2 mlockall mmap mprotect mremap msync munlock
 munlockall munmap pkey_alloc pkey_free pkey_mprotect cachestat"""
PROCESSES = """arch_prctl execve execveat exit exit_group fork futex get_robust_list getegid geteuid getgid getgroups
 getpgid getpgrp getpid getppid getpriority getresgid getresuid getrlimit getrusage getsid gettid getuid getcpu
 kill pause pidfd_open pidfd_send_signal restart_syscall rseq rt_sigaction rt_sigpending rt_sigprocmask
 rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
 sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval
 sched_setaffinity sched_yield set_robust_list set_tid_address setpgid setpriority setrlimit setsid sigaltstack
 signalfd signalfd4 sysinfo tgkill times tkill uname vfork wait4 waitid capget futex_waitv futex_wake futex_wait
 futex_requeue landlock_create_ruleset landlock_add_rule landlock_restrict_self"""
TIME = """alarm clock_getres clock_gettime clock_nanosleep getitimer gettimeofday nanosleep setitimer time
 timer_create timer_delete timer_getoverrun timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime
 getrandom"""
SOCKETS = "accept accept4 getpeername getsockname getsockopt recvfrom recvmmsg recvmsg shutdown"
METADATA = """chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"""
FORKS = "fork vfork"
VIRTUAL = """clock_gettime gettimeofday time nanosleep clock_nanosleep getrandom times getrusage uname sched_getaffinity
 getpriority"""
REAL_TIME = """alarm setitimer getitimer timer_create timer_settime timer_gettime timerfd_create timerfd_settime
 timerfd_gettime sysinfo"""

_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_CLONE_THREAD = 0x10000
_FASTOPEN = 0x20000000
_SOCK_TYPE = 0xF
_SOL_SOCKET, _IPPROTO_IP, _IPPROTO_TCP, _IPPROTO_IPV6 = 1, 0, 6, 41
_SOCKET_OPTIONS = (2, 5, 6, 7, 8, 9, 10, 12, 13, 15, 18, 19, 20, 21, 29, 37, 46, 47, 63, 64, 65, 66, 67)
_TCP_OPTIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 23, 24, 25, 30, 37)
_IP_OPTIONS = (1, 2, 8, 10, 11, 13, 24)
_IPV6_OPTIONS = (16, 23, 25, 26, 66, 67)
_UNKNOWN = ("io_uring_setup", "io_uring_enter", "io_uring_register", "openat2")
"""Refused as if the kernel had none: their arguments lie in memory, where the filter cannot see them."""
_MAKES_A_FILE = 0x400040  # O_CREAT, O_TMPFILE
_SET_ID_BITS = 0o6000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a program may do that depends on its world.

    Args:
        network: TCP through the supervisor; else no socket at all.
        listen: `listen` through the supervisor; `bind` goes to it with `network` already, which tells of a refusal.
        processes: fork and exec, and modes and times of files through the supervisor; else threads alone.
        clock: clocks, randomness and what the machine is through the supervisor, and nothing that tells real time.
        relay: TCP without the supervisor: the kernel's own, in a namespace that leads to relays alone.
        traced: with `relay`, `connect` stops for a tracer, and fails in a process that has none.
        observe: opening, changing and executing files through the supervisor, which lets them pass.
    """

    network: bool = True
    listen: bool = False
    processes: bool = True
    clock: bool = False
    relay: bool = False
    traced: bool = False
    observe: bool = False


class _Program:
    """Assembles BPF code."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def load(self, offset: int) -> None:
        self.code.append((0x20, 0, 0, offset))

    def ret(self, action: int) -> None:
        self.code.append((0x06, 0, 0, action))

    def equal(self, value: int, then: int, otherwise: int) -> None:
        self.code.append((0x15, then, otherwise, value & 0xFFFFFFFF))

    def block(self, number: int, body: _Program) -> None:
        self.equal(number, 0, len(body.code))
        self.code += body.code

    def pack(self) -> bytes:
        return b"".join(struct.pack("=HBBI", *row) for row in self.code)


def refuse(code: int) -> int:
    """Return the action that makes a system call fail with `code`."""
    return _ERRNO | code


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
    program = _Program()
    program.load(_ARCH)
    program.equal(AUDIT_ARCH[machine], 1, 0)
    program.ret(KILL)
    program.load(_NR)
    if machine == "x86_64":
        program.code.append((0x35, 0, 1, _X32))
        program.ret(KILL)
    program.code += _tree(_segments(numbers, wanted))
    return program.pack()


def refusing(machine: str, names: tuple[str, ...], code: int) -> bytes:
    """Return a program that refuses `names` with `code` and leaves the rest to the filters before it."""
    numbers = syscall_numbers(machine)
    program = _Program()
    program.load(_NR)
    for name in names:
        program.block(numbers[name], _always(refuse(code)))
    program.ret(ALLOW)
    return program.pack()


def _allowed(wanted: Wanted) -> set[str]:
    names = set((FILES + " " + MEMORY + " " + PROCESSES + " " + TIME + " " + SOCKETS).split())
    return names if wanted.processes else names - set(FORKS.split())


def _segments(numbers: dict[str, int], wanted: Wanted) -> list[tuple[int, _Program]]:
    """Return where each run of system calls that are treated alike begins, and what to do with them."""
    special = _special(wanted)
    allowed = _allowed(wanted)
    yes, no, unknown = _always(ALLOW), _always(refuse(errno.EPERM)), _always(refuse(errno.ENOSYS))
    bodies = {number: special.get(name, yes if name in allowed else no) for name, number in numbers.items()}
    last = max(numbers.values())
    segments: list[tuple[int, _Program]] = []
    for number in range(last + 2):
        body = bodies.get(number, no) if number <= last else unknown
        if not segments or body.code != segments[-1][1].code:
            segments.append((number, body))
    return segments


def _tree(segments: list[tuple[int, _Program]]) -> list[tuple[int, int, int, int]]:
    """Return code that finds a number's segment by halving, so that every call costs some nine comparisons."""
    if len(segments) == 1:
        return segments[0][1].code
    middle = len(segments) // 2
    below, above = _tree(segments[:middle]), _tree(segments[middle:])
    border = segments[middle][0]
    if len(below) <= _LONGEST_JUMP:
        return [(0x35, len(below), 0, border), *below, *above]
    return [(0x35, 0, 1, border), (0x05, 0, 0, len(below)), *below, *above]


def _special(wanted: Wanted) -> dict[str, _Program]:
    denied = _always(refuse(errno.EACCES))
    tcp = ALLOW if wanted.relay else NOTIFY
    metadata = NOTIFY if wanted.processes and not wanted.relay else refuse(errno.EPERM)
    network = {
        "sendto": _sendto(),
        "sendmsg": _unless_flag(2, _FASTOPEN, errno.EACCES),
        "sendmmsg": _unless_flag(3, _FASTOPEN, errno.EACCES),
        "setsockopt": _setsockopt(),
        "socket": _socket(tcp) if wanted.network else denied,
        "connect": _always(TRACE if wanted.traced else tcp) if wanted.network else denied,
        "bind": _always(NOTIFY) if wanted.listen or (wanted.network and not wanted.relay) else denied,
        "listen": _always(NOTIFY) if wanted.listen else denied,
        "socketpair": _socketpair(),
    }
    rows = {
        **network,
        "open": _open(1, 2),
        "openat": _open(2, 3),
        "creat": _unless_flag(1, _SET_ID_BITS, errno.EPERM),
        "clone": _clone(wanted.processes),
        "clone3": _always(refuse(errno.ENOSYS)),
        "ioctl": _ioctl(),
        "prctl": _prctl(),
        "seccomp": _seccomp(),
        "prlimit64": _own_only(),
        "personality": _personality(),
        **{name: _always(refuse(errno.ENOSYS)) for name in _UNKNOWN},
        **{name: _always(refuse(errno.EPERM)) for name in METADATA.split()},
        **{name: _always(metadata) for name in MEDIATED.split()},
    }
    if wanted.clock:
        rows |= {name: _always(NOTIFY) for name in VIRTUAL.split()}
        rows |= {name: _always(refuse(errno.EPERM)) for name in REAL_TIME.split()}
    if wanted.observe:
        rows |= {name: _always(NOTIFY) for name in OBSERVED}
    return rows


def _always(action: int) -> _Program:
    program = _Program()
    program.ret(action)
    return program


def _low(program: _Program, index: int) -> None:
    program.load(_ARGS + 8 * index)


def _high(program: _Program, index: int) -> None:
    program.load(_ARGS + 8 * index + 4)


def _one_of(program: _Program, values: tuple[int, ...], action: int) -> None:
    """End with `action` if the accumulator is one of `values`."""
    for value in values:
        program.equal(value, 0, 1)
        program.ret(action)


def _socket(tcp: int) -> _Program:
    """TCP gets the action `tcp`; every other family, type and protocol is refused."""
    no = refuse(errno.EACCES)
    program = _Program()
    _low(program, 0)
    program.equal(AF_INET, 2, 0)
    program.equal(AF_INET6, 1, 0)
    program.ret(no)
    _low(program, 1)
    program.code.append((0x54, 0, 0, _SOCK_TYPE))
    program.equal(SOCK_STREAM, 1, 0)
    program.ret(no)
    _low(program, 2)
    program.equal(0, 2, 0)
    program.equal(_IPPROTO_TCP, 1, 0)
    program.ret(no)
    program.ret(tcp)
    return program


def _socketpair() -> _Program:
    """Stream pairs only: an end of a datagram pair can send to any path."""
    program = _Program()
    _low(program, 0)
    program.equal(AF_UNIX, 1, 0)
    program.ret(refuse(errno.EACCES))
    _low(program, 1)
    program.code.append((0x54, 0, 0, _SOCK_TYPE))
    _one_of(program, (SOCK_STREAM, SOCK_SEQPACKET), ALLOW)
    program.ret(refuse(errno.EACCES))
    return program


def _sendto() -> _Program:
    """No address, no fast open."""
    program = _Program()
    for load in (_low, _high):
        load(program, 4)
        program.equal(0, 1, 0)
        program.ret(refuse(errno.EACCES))
    program.code += _unless_flag(3, _FASTOPEN, errno.EACCES).code
    return program


def _unless_flag(index: int, flag: int, code: int) -> _Program:
    program = _Program()
    _low(program, index)
    program.code.append((0x45, 0, 1, flag))
    program.ret(refuse(code))
    program.ret(ALLOW)
    return program


def _open(flags: int, mode: int) -> _Program:
    """No new file with a set-user-id or set-group-id bit; `flags` and `mode` are indices of arguments."""
    program = _Program()
    _low(program, flags)
    program.code.append((0x45, 1, 0, _MAKES_A_FILE))
    program.ret(ALLOW)
    program.code += _unless_flag(mode, _SET_ID_BITS, errno.EPERM).code
    return program


def _setsockopt() -> _Program:
    """Known harmless options only: source routes, devices and protocols on top of TCP change where bytes go."""
    program = _Program()
    _low(program, 1)
    levels = (
        (_SOL_SOCKET, _SOCKET_OPTIONS),
        (_IPPROTO_TCP, _TCP_OPTIONS),
        (_IPPROTO_IP, _IP_OPTIONS),
        (_IPPROTO_IPV6, _IPV6_OPTIONS),
    )
    for level, options in levels:
        body = _Program()
        _low(body, 2)
        _one_of(body, options, ALLOW)
        body.ret(refuse(errno.EPERM))
        program.block(level, body)
    program.ret(refuse(errno.EPERM))
    return program


def _clone(processes: bool) -> _Program:
    program = _Program()
    _low(program, 0)
    program.code.append((0x45, 0, 1, _NAMESPACES))
    program.ret(refuse(errno.EPERM))
    if not processes:
        program.code.append((0x45, 1, 0, _CLONE_THREAD))
        program.ret(refuse(errno.EACCES))
    program.ret(ALLOW)
    return program


def _ioctl() -> _Program:
    """Everything but pushing keys into the terminal."""
    program = _Program()
    _low(program, 1)
    _one_of(program, (_TIOCSTI, _TIOCLINUX), refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def _prctl() -> _Program:
    """All but what would let a program watch others or change how it is watched."""
    program = _Program()
    _low(program, 0)
    _one_of(program, (0x59616D61, 41, 35, 59, 22), refuse(errno.EPERM))  # PTRACER, THP, MM, SYSCALL_DISPATCH, SECCOMP
    program.ret(ALLOW)
    return program


def _seccomp() -> _Program:
    """A program may narrow itself further, and never get a listener of its own."""
    program = _Program()
    _low(program, 1)
    program.code.append((0x45, 0, 1, 8))
    program.ret(refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def _own_only() -> _Program:
    program = _Program()
    _low(program, 0)
    program.equal(0, 1, 0)
    program.ret(refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def _personality() -> _Program:
    program = _Program()
    _low(program, 0)
    _one_of(program, (0, 0xFFFFFFFF), ALLOW)
    program.ret(refuse(errno.EPERM))
    return program
