"""What may pass of the calls whose arguments decide."""

from __future__ import annotations

import errno
from socket import AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM

from x07py.sandbox.bpf import ALLOW, NOTIFY, Program, always, high, low, one_of, refuse

_NAMESPACES = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_CLONE_THREAD = 0x10000
FASTOPEN = 0x20000000
_SOCK_TYPE = 0xF
_SOL_SOCKET, _IPPROTO_IP, _IPPROTO_TCP, _IPPROTO_IPV6 = 1, 0, 6, 41
_SOCKET_OPTIONS = (2, 5, 6, 7, 8, 9, 10, 12, 13, 15, 16, 18, 19, 20, 21, 29, 37, 46, 47, 63, 64, 65, 66, 67)
_TCP_OPTIONS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 18, 23, 24, 25, 30, 37)
_IP_OPTIONS = (1, 2, 8, 10, 11, 13, 24)
_IPV6_OPTIONS = (16, 23, 25, 26, 66, 67)
_EMPTY_PATH = 0x1000
_CHANGES = 0x400243  # O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE
_MAKES_A_FILE = 0x400040  # O_CREAT, O_TMPFILE
SET_ID_BITS = 0o6000
_WHITEOUT = 4
_PRIO_PROCESS = 0
_LIMIT_CORE = 4
_DONE = refuse(0)
"""Success without doing anything."""
USUAL_POLICIES = (0, 3, 5)
"""``SCHED_OTHER``, ``SCHED_BATCH`` and ``SCHED_IDLE``."""
_TERMINAL = (
    *(0x5401, 0x5402, 0x5403, 0x5404, 0x5405, 0x5406, 0x5407, 0x5408, 0x5409, 0x540A, 0x540B),  # TCGETS to TCFLSH
    *(0x540E, 0x540F, 0x5410, 0x5411, 0x5413, 0x5414, 0x5415, 0x5416, 0x5417, 0x5418, 0x5419),  # TIOCSCTTY to GSOFTCAR
    *(0x5420, 0x5422, 0x5424, 0x5425, 0x5427, 0x5428, 0x5429, 0x5441),  # TIOCPKT, NOTTY, GETD, breaks, GSID, GPTPEER
    *(0x802C542A, 0x402C542B, 0x402C542C, 0x402C542D),  # TCGETS2, TCSETS2 and with drain and flush
    *(0x80045430, 0x40045431, 0x80045432, 0x80045438, 0x80045439, 0x80045440),  # pseudo-terminals
)
_DESCRIPTOR = (
    0x541B,
    0x5421,
    0x5450,
    0x5451,
    0x5452,
    0x5460,
    0x8905,
)  # FIONREAD, FIONBIO, close-on-exec, FIOASYNC, size
_FILE = (2, 0x80086601, 0x80087601, 0x801C581F, 0xC020660B, 0x40049409, 0x4020940D)  # getting flags, FIEMAP, FICLONE
IOCTLS = _TERMINAL + _DESCRIPTOR + _FILE
"""What changes nothing but what is open for writing or the program's own: no flags, no keys, no interfaces' data."""
_LEASES_OWNERS_AND_HINTS = (
    8,
    10,
    15,
    1024,
    1026,
    1036,
    1038,
)  # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, …


def socket(tcp: int, unix: int) -> Program:
    """TCP gets the action `tcp`, Unix sockets with connections `unix`; all else is refused."""
    no = refuse(errno.EACCES)
    program = Program()
    low(program, 0)
    program.block(AF_UNIX, _connected_unix(unix))
    program.block(AF_NETLINK, always(refuse(errno.EOPNOTSUPP)))  # libraries know that from WSL 1, and no other refusal
    program.equal(AF_INET, 2, 0)
    program.equal(AF_INET6, 1, 0)
    program.ret(no)
    low(program, 1)
    program.code.append((0x54, 0, 0, _SOCK_TYPE))
    program.equal(SOCK_STREAM, 1, 0)
    program.ret(no)
    low(program, 2)
    program.equal(0, 2, 0)
    program.equal(_IPPROTO_TCP, 1, 0)
    program.ret(no)
    program.ret(tcp)
    return program


def _connected_unix(action: int) -> Program:
    """Streams and sequenced packets: a datagram socket can send to any path."""
    program = Program()
    low(program, 2)
    program.equal(0, 1, 0)
    program.ret(refuse(errno.EACCES))
    low(program, 1)
    program.code.append((0x54, 0, 0, _SOCK_TYPE))
    one_of(program, (SOCK_STREAM, SOCK_SEQPACKET), action)
    program.ret(refuse(errno.EACCES))
    return program


def socketpair() -> Program:
    """As Unix sockets, which are all that there is a pair of."""
    program = Program()
    low(program, 0)
    program.block(AF_UNIX, _connected_unix(ALLOW))
    program.ret(refuse(errno.EACCES))
    return program


def sendto() -> Program:
    """No address, no fast open."""
    program = Program()
    for load in (low, high):
        load(program, 4)
        program.equal(0, 1, 0)
        program.ret(refuse(errno.EACCES))
    program.code += unless_flag(3, FASTOPEN, errno.EACCES).code
    return program


def unless_flag(index: int, flag: int, code: int) -> Program:
    program = Program()
    low(program, index)
    program.code.append((0x45, 0, 1, flag))
    program.ret(refuse(code))
    program.ret(ALLOW)
    return program


def renaming(action: int) -> Program:
    """No device left behind (``RENAME_WHITEOUT``), which Landlock would let be made; the rest gets `action`."""
    program = Program()
    low(program, 4)
    program.code.append((0x45, 0, 1, _WHITEOUT))
    program.ret(refuse(errno.EINVAL))
    program.ret(action)
    return program


def kill() -> Program:
    """No signal to the caller's process group, whatever else: processes outside of the sandbox belong to it."""
    program = Program()
    low(program, 0)
    program.equal(0, 0, 1)
    program.ret(refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def opening(flags: int, mode: int) -> Program:
    """No new file with a set-user-id or set-group-id bit; `flags` and `mode` are indices of arguments."""
    program = Program()
    low(program, flags)
    program.code.append((0x45, 1, 0, _MAKES_A_FILE))
    program.ret(ALLOW)
    program.code += unless_flag(mode, SET_ID_BITS, errno.EPERM).code
    return program


def _told_unless_set_id(program: Program, mode: int) -> Program:
    """End a program that has loaded the flags: the supervisor hears of all but a new file with such a bit."""
    program.code.append((0x45, 0, 3, _MAKES_A_FILE))
    low(program, mode)
    program.code.append((0x45, 0, 1, SET_ID_BITS))
    program.ret(refuse(errno.EPERM))
    program.ret(NOTIFY)
    return program


def opening_told(flags: int, mode: int) -> Program:
    """As `opening`, and through the supervisor if it is to change anything."""
    program = Program()
    low(program, flags)
    program.code.append((0x45, 1, 0, _CHANGES))
    program.ret(ALLOW)
    return _told_unless_set_id(program, mode)


def opening_always_told(flags: int, mode: int) -> Program:
    """As `opening`, and through the supervisor in any case."""
    program = Program()
    low(program, flags)
    return _told_unless_set_id(program, mode)


def setsockopt() -> Program:
    """Known harmless options only: source routes, devices and protocols on top of TCP change where bytes go."""
    program = Program()
    low(program, 1)
    levels = (
        (_SOL_SOCKET, _SOCKET_OPTIONS),
        (_IPPROTO_TCP, _TCP_OPTIONS),
        (_IPPROTO_IP, _IP_OPTIONS),
        (_IPPROTO_IPV6, _IPV6_OPTIONS),
    )
    for level, options in levels:
        body = Program()
        low(body, 2)
        one_of(body, options, ALLOW)
        body.ret(refuse(errno.EPERM))
        program.block(level, body)
    program.ret(refuse(errno.EPERM))
    return program


def of_descriptor() -> Program:
    """Through the supervisor if it asks for what a descriptor is, which may be none of a file."""
    program = Program()
    low(program, 3)
    program.code.append((0x45, 0, 1, _EMPTY_PATH))
    program.ret(NOTIFY)
    program.ret(ALLOW)
    return program


def polls(limit: int) -> Program:
    """Look without being asked; wait in virtual time."""
    program = Program()
    low(program, limit)
    program.equal(0, 0, 1)
    program.ret(ALLOW)
    program.ret(NOTIFY)
    return program


def clone(processes: bool, action: int) -> Program:
    program = Program()
    low(program, 0)
    program.code.append((0x45, 0, 1, _NAMESPACES))
    program.ret(refuse(errno.EPERM))
    if not processes:
        program.code.append((0x45, 1, 0, _CLONE_THREAD))
        program.ret(refuse(errno.EACCES))
    program.ret(action)
    return program


def _listed(argument: int, values: tuple[int, ...]) -> Program:
    """One of these values of an argument, by its lower half, and no other."""
    program = Program()
    low(program, argument)
    one_of(program, values, ALLOW)
    program.ret(refuse(errno.EPERM))
    return program


def ioctl() -> Program:
    """Those of `IOCTLS`, by number: any other may change a file that is open for reading alone."""
    return _listed(1, IOCTLS)


def fcntl() -> Program:
    """All but what holds up others at a file, or has signals sent."""
    program = Program()
    low(program, 1)
    one_of(program, _LEASES_OWNERS_AND_HINTS, refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def prctl() -> Program:
    """All but what would let a program watch others or change how it is watched."""
    program = Program()
    low(program, 0)
    one_of(program, (0x59616D61, 41, 35, 59, 22), refuse(errno.EPERM))  # PTRACER, THP, MM, SYSCALL_DISPATCH, SECCOMP
    program.ret(ALLOW)
    return program


def seccomp() -> Program:
    """A program may narrow itself further, and never get a listener of its own."""
    program = Program()
    low(program, 1)
    program.code.append((0x45, 0, 1, 8))
    program.ret(refuse(errno.EPERM))
    program.ret(ALLOW)
    return program


def own_or(other: int, index: int) -> Program:
    """With 0 for this argument, which means the caller itself; any other gets the action `other`."""
    program = Program()
    low(program, index)
    program.equal(0, 1, 0)
    program.ret(other)
    program.ret(ALLOW)
    return program


def own_limits() -> Program:
    """As `own_or`, for ``prlimit64``; the limit on core dumps can be asked for, and stays what it is."""
    no = refuse(errno.EPERM)
    program = Program()
    low(program, 0)
    program.equal(0, 1, 0)
    program.ret(no)
    low(program, 1)
    core = Program()
    for index, action in ((2, ALLOW), (3, _DONE)):  # no new limit: it only asks; no place for the old one: it only sets
        low(core, index)
        core.equal(0, 0, 3)
        high(core, index)
        core.equal(0, 0, 1)
        core.ret(action)
    core.ret(no)
    program.block(_LIMIT_CORE, core)
    program.ret(ALLOW)
    return program


def limits_but_core() -> Program:
    """All, but that of core dumps stays what it is."""
    program = Program()
    low(program, 0)
    program.block(_LIMIT_CORE, always(_DONE))
    program.ret(ALLOW)
    return program


def process_of_its_own_or(other: int) -> Program:
    """The priority of the caller; of another thread or process the action `other`, of a group or user none."""
    program = Program()
    low(program, 0)
    program.equal(_PRIO_PROCESS, 1, 0)
    program.ret(refuse(errno.EPERM))
    program.code += own_or(other, 1).code
    return program


def usual_policy(*, own: bool) -> Program:
    """The ways of scheduling that everybody may ask for.

    Args:
        own: for the caller itself alone; else the kernel has to refuse it for whom the program cannot see.
    """
    program = Program()
    if own:
        low(program, 0)
        program.equal(0, 1, 0)
        program.ret(refuse(errno.EPERM))
    program.code += _listed(1, USUAL_POLICIES).code
    return program


def personality() -> Program:
    program = Program()
    low(program, 0)
    one_of(program, (0, 0xFFFFFFFF), ALLOW)
    program.ret(refuse(errno.EPERM))
    return program
