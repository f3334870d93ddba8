"""Hides the vDSO from a program at its start, so that every look at a clock is a system call that can be answered.

The vDSO reads the time without entering the kernel, where no filter sees it. The program learns its address from the
auxiliary vector on its stack; the parent, which traces it until then, strikes that entry out. It also replaces the 16
random bytes that the kernel gives every program.
"""

from __future__ import annotations

import os
import signal
import struct
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import MACHINE, prepared, read_memory, registers, syscall, write_memory

if TYPE_CHECKING:
    from collections.abc import Callable

_TRACEME, _DETACH = 0, 17
_STACK_POINTER = {"x86_64": 19, "aarch64": 31}
_AT_NULL, _AT_IGNORE, _AT_RANDOM, _AT_SYSINFO, _AT_SYSINFO_EHDR = 0, 1, 25, 32, 33
_WINDOW = 1 << 16


def asking_for_it() -> Callable[[], int]:
    """Return what stops a child at its ``execve``, for the parent to call `hide`."""
    return prepared("ptrace", _TRACEME, 0, 0, 0)


def hide(pid: int) -> None:
    """In the parent: wait for the child's ``execve``, strike out the vDSO, and let the child run.

    Raises:
        OSError: the child could not be traced, or its stack has no vDSO entry to strike out.
    """
    _, status = os.waitpid(pid, 0)
    if not os.WIFSTOPPED(status):
        return  # it never came to its ``execve``; what it reports says why
    if os.WSTOPSIG(status) != signal.SIGTRAP:
        raise OSError(f"stopped by signal {os.WSTOPSIG(status)} before it ran")
    address = registers(pid)[_STACK_POINTER[MACHINE]]
    _strike_out(pid, address, read_memory(pid, address, _WINDOW))
    syscall("ptrace", _DETACH, pid, 0, 0)


def _strike_out(pid: int, address: int, stack: bytes) -> None:
    words = struct.unpack_from(f"={len(stack) // 8}Q", stack)
    index = 2 + words[0]  # argc, argv, NULL
    while words[index]:
        index += 1
    index += 1
    struck = False
    while words[index] != _AT_NULL:
        if words[index] in {_AT_SYSINFO, _AT_SYSINFO_EHDR}:
            write_memory(pid, address + 8 * index, struct.pack("=QQ", _AT_IGNORE, 0))
            struck = True
        elif words[index] == _AT_RANDOM:
            write_memory(pid, words[index + 1], bytes(range(16)))
        index += 2
    if not struck:
        raise OSError("the program's start shows no vDSO to hide")
