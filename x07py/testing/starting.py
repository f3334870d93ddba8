"""Starts an explored program again and again: each start is a fork of a Python that has loaded its client already.

Run as ``python -m x07py.testing.starting``; what starts the program keeps the other end of the socket. A start is a
process of its own in which nothing of the program has run. Starting a Python each time took longer than most histories.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import inspect
import os
import runpy
import signal
import socket
import struct
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.files import load_json
from x07py.testing.ending import end_with_parent
from x07py.testing.explored import begin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NUMBER = struct.Struct("=i")
"""What is answered: the number of the process when it begins, its exit code (negative for a signal) at its end."""
MOST = 65536
"""The longest request, in bytes."""
_CLONE_NEWNET = 0x40000000


class Start(NamedTuple):
    """How the program is started.

    Args:
        file: a script, or empty.
        module: a module, where it is no script.
        args: its arguments.
        env: what its environment says beside that of this process.
        function: what is called in it, empty where it is run as a program is.
        call: keyword arguments of the function.
    """

    file: str
    module: str
    args: list[str]
    env: dict[str, str]
    function: str = ""
    call: Mapping[str, str] = {}


def main(number: int, packages: Sequence[str]) -> None:
    """Fork at each request, until there are no more; in a fork, run the program.

    Args:
        number: the socket's file descriptor.
        packages: what is loaded once.
    """
    end_with_parent(signal.SIGKILL)
    wire = socket.socket(fileno=number)
    for name in packages:
        with suppress(ImportError):  # the program will hear of it
            import_module(name)
    gc.freeze()
    while True:
        data, (said, network) = _next(wire)
        if not data:
            return
        pid = os.fork()
        if not pid:
            break
        os.close(said)
        os.close(network)
        wire.sendall(NUMBER.pack(pid))
        _, status = os.waitpid(pid, 0)
        wire.sendall(NUMBER.pack(os.waitstatus_to_exitcode(status)))
    wire.close()
    _prepare(said, network)
    _run(Start(*load_json(data)))


def _next(wire: socket.socket) -> tuple[bytes, tuple[int, int]]:
    """Return the next request with its two file descriptors: for standard error, and of a network."""
    data, descriptors, _, _ = socket.recv_fds(wire, MOST, 2)
    return (data, (descriptors[0], descriptors[1])) if len(descriptors) == 2 else (b"", (-1, -1))


def _prepare(said: int, network: int) -> None:
    """Be a process of its own, with its own standard error, in the network of whoever asked."""
    os.setsid()
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # which whoever explores ignores, and is not meant for it
    os.dup2(said, sys.stderr.fileno())
    if os.fstat(network).st_ino != Path("/proc/self/ns/net").stat().st_ino:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(network, _CLONE_NEWNET) != 0:  # in another network it would meet other brokers
            sys.stderr.write(f"x07: a start cannot enter its network: {os.strerror(ctypes.get_errno())}\n")
            os._exit(125)
    os.close(said)
    os.close(network)


def _run(start: Start) -> None:
    os.environ.update(start.env)
    begin()
    sys.argv = [start.file or start.module, *start.args]
    if start.file:
        sys.path[0] = str(Path(start.file).parent)
    if start.function:
        found = getattr(import_module(start.module or Path(start.file).stem), start.function)(**start.call)
        if inspect.iscoroutine(found):
            asyncio.run(found)
    elif start.file:
        runpy.run_path(start.file, run_name="__main__")
    else:
        runpy.run_module(start.module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
