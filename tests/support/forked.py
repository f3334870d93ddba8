"""Command lines of ``x07`` in forks of a process that has imported it: else each start takes half a second.

``python -m tests.support.forked SOCKET PIPE`` is that process: for each request on the listening socket it forks; the
child gets the request's folder, environment and standard streams and is ``x07`` from then on, to its exit code.
"""

from __future__ import annotations

import array
import gc
import json
import os
import pkgutil
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from subprocess import PIPE
from unittest import mock

import x07py.cli
from x07py.cli.start import main

_BIN, _ROOT = Path(sys.executable).parent, Path(__file__).parents[2]
_LENGTH = 8


class Forking:
    """The process that forks, started at the first command; it ends with this one, whose end of a pipe it watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._address = b""
        self._held = -1
        self._started_with = _of_python(os.environ)

    def run(self, args: tuple[str, ...], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run one command line; what it prints is read as ``subprocess.run`` does."""
        with self._lock:
            if not self._address:
                self._start()
        outputs = [os.pipe(), os.pipe()]
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self._address)
            order = json.dumps({"args": args, "cwd": str(cwd), "env": env}).encode()
            handles = array.array("i", [0, outputs[0][1], outputs[1][1]])
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handles)]
            connection.sendmsg([len(order).to_bytes(_LENGTH, "big")], ancillary)
            connection.sendall(order)
            for _, write in outputs:
                os.close(write)
            texts: list[str] = ["", ""]

            def read(number: int) -> None:
                with os.fdopen(outputs[number][0], encoding="utf-8") as file:
                    texts[number] = file.read()

            errors = threading.Thread(target=read, args=(1,))
            errors.start()
            read(0)
            errors.join()
            status = connection.recv(_LENGTH)
        return subprocess.CompletedProcess(args, int.from_bytes(status, "big", signed=True), *texts)

    def fits(self, env: dict[str, str]) -> bool:
        """Tell whether an environment means the same to Python as that in which the process was started."""
        return _of_python(env) == self._started_with

    def _start(self) -> None:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(b"")  # the kernel gives it an abstract name
            listener.listen(64)
            watched, self._held = os.pipe()
            handles = (listener.fileno(), watched)
            command = [sys.executable, "-m", "tests.support.forked", *map(str, handles)]
            self._process = subprocess.Popen(
                command, cwd=_ROOT, pass_fds=handles, stdin=subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
            )  # pipes, as the children's are: Python asks at its start what its streams are
            os.close(watched)
            self._address = listener.getsockname()


def _of_python(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith("PYTHON")}


def _become(listener: socket.socket, watched: int) -> None:
    """Fork for each request; return in the child."""
    waiting = select.poll()
    waiting.register(listener, select.POLLIN)
    waiting.register(watched, select.POLLIN)
    children: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for handle, _ in waiting.poll():
            if handle == watched:
                os._exit(0)
            if handle == listener.fileno():
                connection = listener.accept()[0]
                head, ancillary, _, _ = connection.recvmsg(_LENGTH, 1024)
                streams = array.array("i", ancillary[0][2])
                order = json.loads(connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL))
                if (pid := os.fork()) == 0:
                    _take(order, streams, [listener.fileno(), watched, *children, connection.detach()])
                    return
                for one in streams:
                    os.close(one)
                child = os.pidfd_open(pid)
                children[child] = pid, connection
                waiting.register(child, select.POLLIN)
            elif handle in children:
                pid, connection = children.pop(handle)
                waiting.unregister(handle)
                os.close(handle)
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                connection.send(code.to_bytes(_LENGTH, "big", signed=True))
                connection.close()


def _take(order: dict[str, object], streams: array.array[int], others: list[int]) -> None:
    """Take what the request says, as a new process would have it."""
    for handle in others:
        os.close(handle)
    for number, handle in enumerate(streams):
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(str(order["cwd"]))
    os.environ.clear()
    os.environ.update(order["env"])  # type: ignore[call-overload]
    sys.argv = [str(_BIN / "x07"), *order["args"]]  # type: ignore[misc]
    sys.path[0] = str(_BIN)


def _warm_up() -> None:
    """Import what every command imports; Typer and rich do so only when one is run."""
    for module in pkgutil.iter_modules(x07py.cli.__path__, "x07py.cli."):
        import_module(module.name)
    with (
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        redirect_stdout(nowhere),
        suppress(SystemExit),
        mock.patch.object(sys, "argv", ["x07", "explain", "2070"]),
    ):
        main()
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    _warm_up()
    _become(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
    main()
