"""The system calls that the sandbox needs and Python does not offer, through ctypes; failures raise ``OSError``."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import resource
import signal
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Container

MACHINE = os.uname().machine if hasattr(os, "uname") else ""
"""This machine's type; `platform` would take as long to import as ctypes."""
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER = 1, 4, 24, 36
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4
CLONE_NEWTIME = 0x80
CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC = (
    0x20000,
    0x10000000,
    0x20000000,
    0x40000000,
    0x8000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 8, 0x1000, 0x4000, 0x40000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CLOSE_RANGE_CLOEXEC = 4
_SECCOMP_SET_MODE_FILTER = 1
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63
_PATH_BYTES = _PAGE = 4096
_NOT_BY_CALL = {errno.EPERM, errno.ENOSYS}
_Done = TypeVar("_Done")
_SIGNAL, _SIGNAL_BYTES = struct.Struct("=Iii"), 128

LINUX = sys.platform == "linux"
"""Whether any of this can be there."""


def _absent(*_: object) -> int:
    ctypes.set_errno(errno.ENOSYS)
    return -1


_syscall: Any
_readv: Any
_connect: Any
_copying: Any
_VECTOR = (ctypes.c_void_p, ctypes.c_ulong)
if LINUX:
    _libc = ctypes.CDLL(None, use_errno=True)
    _syscall = _libc.syscall
    _syscall.restype = ctypes.c_long
    _readv = _libc.process_vm_readv
    _readv.restype = ctypes.c_ssize_t
    _readv.argtypes = (ctypes.c_int, *_VECTOR, *_VECTOR, ctypes.c_ulong)
    _connect = _libc.connect
    _connect.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    _copying = ctypes.PyDLL(None, use_errno=True).syscall
else:
    _syscall = _readv = _connect = _copying = _absent


_PTRACE_GETREGSET, _PTRACE_SETREGSET, NT_PRSTATUS = 0x4204, 0x4205, 1


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("code", ctypes.c_char_p))


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


@functools.cache
def syscall_numbers(machine: str | None = None) -> dict[str, int]:
    """Return the numbers of all system calls of a machine type; empty for a type without a table."""
    wanted = f"[{machine or MACHINE}]"
    numbers: dict[str, int] = {}
    here = False
    for line in Path(__file__).with_name("syscalls.txt").read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            here = line == wanted
        elif here and not line.startswith("#"):
            for pair in line.split():
                name, _, number = pair.partition("=")
                numbers[name] = int(number)
    return numbers


def prepared(name: str, *args: object, ignoring: Container[int] = ()) -> Callable[[], int]:
    """Return a system call with its arguments converted; integers are passed as 64 bit.

    For what follows a fork: each page that is written to there is copied first, and to convert arguments, Python writes
    to many.

    Args:
        name: of the system call.
        args: integers, bytes, None, and ctypes objects.
        ignoring: error numbers that are no failure.

    Returns:
        What makes the call and returns its result, or raises ``OSError`` with what the kernel answered.

    Raises:
        OSError: ``ENOSYS`` on a machine type without a table.
    """
    known = syscall_numbers().get(name)
    if known is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), name)
    number = ctypes.c_long(known)
    wide = [ctypes.c_long(arg) if isinstance(arg, int) else arg for arg in args]

    def make() -> int:
        result: int = _syscall(number, *wide)
        if result < 0:
            code = ctypes.get_errno()
            if code not in ignoring:
                raise OSError(code, os.strerror(code), name)
        return result

    return make


def installing_filter(code: bytes, flags: int) -> Callable[[], int]:
    """Return what installs a system call filter; its listener is the result if `flags` ask for one."""
    return prepared("seccomp", _SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(_Filter(len(code) // 8, code)))


def bound_of(limit: int, value: int) -> int:
    """Return what a bound may be set to: `value`, or the hard limit of ``RLIMIT_…`` `limit` if that is less."""
    hard = resource.getrlimit(limit)[1]
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def syscall(name: str, *args: object) -> int:
    """Make a system call; integers are passed as 64 bit.

    Raises:
        OSError: what the kernel answered; ``ENOSYS`` on a machine type without a table.
    """
    return prepared(name, *args)()


def prctl(option: int, first: int, second: int = 0) -> None:
    """Call ``prctl``, which raises ``OSError`` on failure."""
    syscall("prctl", option, first, second, 0, 0)


def fork(namespaces: int = 0) -> int:
    """Fork a process of one thread, into new namespaces if `namespaces` names any; the child leads in them.

    The child may make system calls and end; it never returns into the program's code. So nothing that Python or the C
    library does around a fork for the sake of other threads, locks and random generators is done: it would cost twice
    what the fork costs. ``unshare`` instead of this would take one fork more.

    Returns:
        The child's process id, or 0 in the child.

    Raises:
        OSError: the kernel refused.
    """
    number = syscall_numbers()["clone"]
    pid = int(_copying(ctypes.c_long(number), ctypes.c_ulong(namespaces | signal.SIGCHLD), *[None] * 4))
    if pid < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), "clone")
    return pid


def leave_memory_out_of_dumps() -> None:
    """Have core dumps of this process, and of all that it starts, hold no memory, wherever the system sends them.

    A program behind a pipe gets dumps also under a hard limit of 0, and a socket gets them under any limit. Must come
    before a process makes itself undumpable: then the file is root's.
    """
    with contextlib.suppress(OSError):  # without /proc, or it has been done before
        Path("/proc/self/coredump_filter").write_bytes(b"0")


def signal_descriptor(signals: set[signal.Signals]) -> int:
    """Return a descriptor that tells of `signals`, which must be blocked."""
    mask = ctypes.c_uint64(sum(1 << (number - 1) for number in signals))
    return syscall("signalfd4", -1, ctypes.byref(mask), 8, os.O_CLOEXEC)


def read_signal(handle: int) -> tuple[int, int]:
    """Return the number and ``si_code`` of the next signal of a `signal_descriptor`."""
    number, _, code = _SIGNAL.unpack_from(os.read(handle, _SIGNAL_BYTES))
    return number, code


def closing_on_exec(first: int) -> Callable[[], None]:
    """Return what has every descriptor from `first` on closed at the next ``execve``."""
    mark_all = prepared("close_range", first, 0xFFFFFFFF, _CLOSE_RANGE_CLOEXEC, ignoring=(errno.ENOSYS, errno.EINVAL))

    def mark() -> None:
        if mark_all() < 0:  # before Linux 5.11
            for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (no pathlib objects after a fork)
                if int(name) >= first:
                    with contextlib.suppress(OSError):
                        os.set_inheritable(int(name), False)

    return mark


@functools.cache
def dropping_capabilities() -> tuple[Callable[[], int], ...]:
    """Return calls that give up all capabilities, for ever: bounding, ambient, permitted, effective, inheritable."""
    past_the_last, none_to_drop_it_with = errno.EINVAL, errno.EPERM
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    return (
        *(
            prepared("prctl", PR_CAPBSET_DROP, number, 0, 0, 0, ignoring=(past_the_last, none_to_drop_it_with))
            for number in range(_LAST_CAPABILITY + 1)
        ),
        prepared("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, ignoring=(errno.EINVAL,)),
        prepared("capset", ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)())),
    )


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Return `length` bytes of another process, or fewer if the rest is not readable.

    Raises:
        OSError: none of them could be read.
    """
    buffer = ctypes.create_string_buffer(length)
    local = _Iovec(ctypes.addressof(buffer), length)
    remote = _Iovec(address, length)
    count = int(_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0))
    if count >= 0:
        return buffer.raw[:count]
    code = ctypes.get_errno()
    if code in _NOT_BY_CALL:
        return _by_file(pid, os.O_RDONLY, lambda handle: os.pread(handle, length, address))
    raise OSError(code, os.strerror(code), "process_vm_readv")


def _by_file(pid: int, flags: int, use: Callable[[int], _Done]) -> _Done:
    """Use a process's memory as a file, which containers leave where they refuse the system calls for it."""
    handle = os.open(f"/proc/{pid}/mem", flags | os.O_CLOEXEC)
    try:
        return use(handle)
    except OSError as error:
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT)) if error.errno == errno.EIO else error from None
    finally:
        os.close(handle)


def check_reading() -> None:
    """Make sure that memory of a child can be read; by trying it, where a quick look leaves doubts.

    Raises:
        OSError: it cannot: a container's filter, Yama's strict settings, a hardened kernel.
    """
    mark = ctypes.create_string_buffer(b"x07")
    with contextlib.suppress(OSError):
        read_memory(os.getpid(), ctypes.addressof(mark), len(mark.raw))
        if not _strict_yama():
            return
    reading, writing = os.pipe()
    child = fork()
    if child == 0:
        try:
            prctl(PR_SET_DUMPABLE, 1)
            os.write(writing, b"1")
            signal.pause()
        finally:
            os._exit(0)
    try:
        os.read(reading, 1)
        read_memory(child, ctypes.addressof(mark), len(mark.raw))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        for handle in (reading, writing):
            os.close(handle)


def connect(handle: int, address: bytes) -> int:
    """Connect a socket to a ``struct sockaddr`` and return the error number, 0 for none."""
    return ctypes.get_errno() if _connect(handle, address, len(address)) < 0 else 0


def read_text(pid: int, address: int) -> str:
    """Return the path at an address of another process; page by page, because the next one may not be there."""
    data = b""
    while len(data) < _PATH_BYTES:
        length = _PAGE - (address + len(data)) % _PAGE
        part = read_memory(pid, address + len(data), length)
        data += part
        if b"\0" in part or not part:
            break
    return os.fsdecode(data.partition(b"\0")[0])


def signed(argument: int) -> int:
    """Return what a system call takes an ``int`` argument's register for."""
    number: int = struct.unpack("=i", struct.pack("=I", argument & 0xFFFFFFFF))[0]
    return number


def _strict_yama() -> bool:
    """Tell whether Yama keeps processes even from their descendants' memory, as far as its settings show."""
    try:
        return int(Path("/proc/sys/kernel/yama/ptrace_scope").read_text(encoding="ascii")) > 1
    except (OSError, ValueError):
        return False


def write_memory(pid: int, address: int, data: bytes) -> None:
    """Write `data` into another process.

    Raises:
        OSError: not all of it could be written.
    """
    buffer = ctypes.create_string_buffer(data, len(data))
    local = _Iovec(ctypes.addressof(buffer), len(data))
    remote = _Iovec(address, len(data))
    try:
        count = syscall("process_vm_writev", pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    except OSError as error:
        if error.errno not in _NOT_BY_CALL:
            raise
        count = _by_file(pid, os.O_RDWR, lambda handle: os.pwrite(handle, data, address))
    if count != len(data):
        raise OSError(errno.EFAULT, os.strerror(errno.EFAULT))


def registers(pid: int) -> ctypes.Array[ctypes.c_uint64]:
    """Return the registers of a traced thread that has stopped, as the kernel's ``user_regs_struct`` orders them."""
    found = (ctypes.c_uint64 * 64)()
    vector = _Iovec(ctypes.addressof(found), ctypes.sizeof(found))
    syscall("ptrace", _PTRACE_GETREGSET, pid, NT_PRSTATUS, ctypes.byref(vector))
    known: ctypes.Array[ctypes.c_uint64] = (ctypes.c_uint64 * (vector.length // 8)).from_buffer(found)
    return known


def set_registers(pid: int, values: ctypes.Array[ctypes.c_uint64] | ctypes.c_int, kind: int = NT_PRSTATUS) -> None:
    """Replace the registers of a traced thread that has stopped, or others of its sets."""
    vector = _Iovec(ctypes.addressof(values), ctypes.sizeof(values))
    syscall("ptrace", _PTRACE_SETREGSET, pid, kind, ctypes.byref(vector))
