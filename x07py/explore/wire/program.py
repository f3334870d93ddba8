"""The program as a process of its own: started, looked at, asked to stop, killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import UsageError
from x07py.testing.order import INJECT
from x07py.testing.starting import NUMBER, Start
from x07py.wire.process.control import VARIABLE
from x07py.worlds import ENV_WORLD

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAID = 4096
LONGEST_S = 90
"""How long one history of such a program may take, in seconds."""


class Command(NamedTuple):
    """How the program is started.

    Args:
        root: the project's folder, where it runs.
        entry: a file or a module of the project, or a function in one, as ``module:function``.
        args: its arguments.
        until_idle_s: after how long without anything happening it is at its end.
        packages: clients that it imports.
        call: keyword arguments of the function.
    """

    root: Path
    entry: str
    args: tuple[str, ...]
    until_idle_s: float
    packages: tuple[str, ...]
    call: tuple[tuple[str, str], ...] = ()

    def start(self, env: Mapping[str, str]) -> Start:
        """Return what starts it in an environment."""
        path = os.pathsep.join([INJECT, *self.path()])
        place, _, function = self.entry.partition(":")
        file, module = (str(self.root / place), "") if place.endswith(".py") else ("", place)
        return Start(file, module, list(self.args), {**env, "PYTHONPATH": path}, function, dict(self.call))

    def path(self) -> list[str]:
        """Return where its modules are looked for."""
        return [str(self.root / "src"), str(self.root), *filter(None, [os.environ.get("PYTHONPATH")])]


class Starter:
    """Starts a program, one process at a time; see `x07py.testing.starting`.

    Args:
        command: what is started.
    """

    def __init__(self, command: Command) -> None:
        self.command: Command = command
        own = {name: value for name, value in os.environ.items() if name not in {ENV_WORLD, VARIABLE}}
        env = {**own, "PYTHONPATH": os.pathsep.join(command.path()), "PYTHONHASHSEED": "0"}
        self._near, far = socket.socketpair()
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "x07py.testing.starting", str(far.fileno()), *command.packages],
                cwd=command.root,
                env=env,
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

    def begin(self, env: Mapping[str, str], said: int) -> int:
        """Start the program, with a file for its standard error, and return the number of its process.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` if it cannot be started.
        """
        network = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            socket.send_fds(self._near, [json.dumps(self.command.start(env)).encode()], [said, network])
            return self._number(0) or 0
        except OSError as error:
            close_starters()
            what = f"the program cannot be started: {error.strerror or error}"
            raise UsageError("X07EXPLORE_WIRE", what, hint="does it start by itself?") from None
        finally:
            os.close(network)

    def code(self) -> int | None:
        """Return the exit code of what was started last, None while it runs.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` if what starts it has ended.
        """
        return self._number(socket.MSG_DONTWAIT)

    def wait(self) -> int | None:
        """Wait for the end of what was started last, and return its exit code.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` if what starts it has ended.
        """
        return self._number(0)

    def _number(self, flags: int) -> int | None:
        try:
            data = self._near.recv(NUMBER.size, flags)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            close_starters()  # so that the next history has one that works
            what = "the process that starts the program has ended, and the program with it"
            raise UsageError("X07EXPLORE_WIRE", what, hint="does anything kill it, or is memory short? explore again")
        found: int = NUMBER.unpack(data)[0]
        return found

    def close(self) -> None:
        """Start nothing more."""
        self._near.close()
        self._process.kill()
        self._process.wait()


_starters: dict[str, Starter] = {}


def starter_of(command: Command, member: str) -> Starter:
    """Return what starts an instance of a program in this process; those of another program end."""
    if any(one.command != command for one in _starters.values()):
        close_starters()
    if member not in _starters:
        _starters[member] = Starter(command)
    return _starters[member]


def close_starters() -> None:
    """End what starts programs in this process."""
    for one in _starters.values():
        one.close()
    _starters.clear()


class Running:
    """One start.

    Args:
        command: what is started.
        member: the instance.
        env: what its environment says beside that of this process.

    Raises:
        UsageError: ``X07EXPLORE_WIRE`` if it cannot be started.
    """

    def __init__(self, command: Command, member: str, env: Mapping[str, str]) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        self._code: int | None = None
        try:
            self._starter = starter_of(command, member)
            self._pid = self._starter.begin(env, self._said.fileno())
        except BaseException:
            self._said.close()
            raise

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` if what starts it has ended.
        """
        if self._code is None:
            self._code = self._starter.code()
        return self._code

    @property
    def is_at_work(self) -> bool:
        """Whether a thread of it runs, or would if the machine let it; False where the kernel does not tell."""
        with suppress(OSError, IndexError):
            for thread in Path(f"/proc/{self._pid}/task").iterdir():
                if (thread / "stat").read_text().rpartition(") ")[2][0] in "RD":
                    return True
        return False

    def ask_to_stop(self) -> None:
        """Stop it as who deploys does: SIGTERM if it has a handler for it, else as by Ctrl-C."""
        if self.code is None:
            with suppress(OSError):
                os.kill(self._pid, signal.SIGTERM if self._handles(signal.SIGTERM) else signal.SIGINT)

    def _handles(self, number: int) -> bool:
        with suppress(OSError, ValueError, StopIteration):
            lines = Path(f"/proc/{self._pid}/status").read_text().splitlines()
            caught = next(line for line in lines if line.startswith("SigCgt:"))
            return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
        return False

    def kill(self) -> None:
        """End it at once, with all that it has started, and see its end."""
        try:
            os.killpg(self._pid, signal.SIGKILL)
        except ProcessLookupError:  # it has ended, or has not come to a session of its own yet
            if self._code is None:
                with suppress(OSError):
                    os.kill(self._pid, signal.SIGKILL)
        except OSError:
            pass
        if self._code is None:
            with suppress(UsageError):  # whoever asks for the code hears of it
                self._code = self._starter.wait()

    def close(self) -> str:
        """Return the last line that it has said on standard error."""
        with self._said as said:
            size = said.seek(0, os.SEEK_END)
            said.seek(max(size - _SAID, 0))
            lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1].strip() if lines else ""
