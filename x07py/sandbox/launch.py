"""The parent's side: start a confined program, serve its calls, pass signals on, and let nothing survive."""

from __future__ import annotations

import array
import contextlib
import errno
import os
import select
import signal
import socket
import stat
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.errors import RunError
from x07py.sandbox import confine, kernel, landlock, layers, namespaces, procs, reaper
from x07py.sandbox.answers import Denial, Denials
from x07py.sandbox.layers import cannot
from x07py.sandbox.network import MOST_RELAYS, endpoints
from x07py.sandbox.recipe import prepare
from x07py.sandbox.relay import Relay
from x07py.sandbox.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.confine import Confinement

_HAND_OVER_SECONDS = 10.0
GRACE_SECONDS = 2.0
_LONGEST_WAIT = 86400.0
"""Seconds that one `poll` waits at most; it takes no more than 24 days."""
FROM_TERMINAL = 0x80
_ALONE = {"namespaces": layers.NAMESPACES, "proc": "own"}
FORWARDED = {
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCONT,
    signal.SIGTSTP,
}


@dataclass(slots=True)
class Outcome:
    """How a confined program ended.

    Args:
        status: its wait status, as ``os.waitstatus_to_exitcode`` gives it: the exit code, or minus the signal.
        timed_out: whether the time limit ended it.
        denials: calls that were refused.
        connects: connections that were made for it.
        layers: what was in force.
        cpu_seconds: user and system time of all its processes.
        memory: most memory that one of its processes held, bytes.
        seconds: how long it ran.
    """

    status: int
    timed_out: bool
    denials: list[Denial]
    connects: int
    layers: dict[str, str]
    cpu_seconds: float
    memory: int
    seconds: float


def run(
    spec: Confinement,
    *,
    timeout: float | None = None,
    on_denied: Callable[[Denial], None] | None = None,
) -> Outcome:
    """Run a program confined, with this process's standard streams, and wait for its end.

    Must be called from the main thread of a process without other threads.

    Args:
        spec: what it gets.
        timeout: seconds; then it gets SIGTERM, and SIGKILL two seconds later, with all that it started.
        on_denied: called at the first denial of each target, from a thread.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` if the machine cannot enforce this; ``X07RUN_STDIO_SOCKET``;
            ``X07RUN_NOT_EXECUTABLE`` if the program cannot be started.
    """
    found = layers.check_machine(spec)
    _check_streams()
    try:
        return _attempt(_Running(spec, found, timeout, on_denied))
    except _NotNotified as error:
        spec = layers.without_supervisor(spec, error.code)
    return _attempt(_Running(spec, found, timeout, on_denied))


class _NotNotified(Exception):  # noqa: N818 (an answer, not a failure)
    """The kernel gave the filter no listener."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def _attempt(running: _Running) -> Outcome:
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED | {signal.SIGCHLD})
    try:
        running.start({signal.Signals(one) for one in mask})
        return running.serve()
    except OSError as error:
        what = f"{error.strerror or error}: {error.filename}" if error.filename else error.strerror or str(error)
        raise cannot(f"{what} (is this a sandbox already?)", "run x07 outside of it") from None
    finally:
        running.end()
        while signal.sigtimedwait({signal.SIGCHLD}, 0):
            continue
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _check_streams() -> None:
    for handle in (0, 1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                with socket.socket(fileno=os.dup(handle)) as stream:
                    if stream.family != socket.AF_UNIX or stream.type != socket.SOCK_STREAM:
                        raise RunError(
                            "X07RUN_STDIO_SOCKET",
                            f"standard stream {handle} is a network socket, which would bypass the allowlist",
                            hint="give the program a file, a pipe or a terminal",
                        )


class _Running:
    """One confined program, from its start to its end."""

    def __init__(
        self,
        spec: Confinement,
        found: dict[str, str],
        timeout: float | None,
        on_denied: Callable[[Denial], None] | None,
    ) -> None:
        self.spec, self.timeout, self.denials = spec, timeout, Denials(on_denied)
        granted = [path for path, rights in spec.paths if rights & landlock.WRITE == landlock.WRITE]
        self.writable = [os.path.realpath(path) for path in granted]
        self.init = 0
        self.ruleset: int | None = None
        self.program: int | None = None
        self.held_back: list[int] = []
        self.alone = self.confined = self.timed_out = False
        self.layers = found | {"supervisor": "connects"}
        self.before: set[int] = set()
        self.group: str | None = None
        self.listener: int | None = None
        self.supervisor: Supervisor | None = None
        self.relay: Relay | None = None
        self.started = time.monotonic()
        self.deadline: float | None = self.started + _HAND_OVER_SECONDS
        self.status, self.cpu_seconds, self.peak = -int(signal.SIGKILL), 0.0, 0
        self.control, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self.signals = kernel.signal_descriptor(FORWARDED | {signal.SIGCHLD})
        self.poll = select.poll()
        self.poll.register(self.signals, select.POLLIN)
        self.poll.register(self.control, select.POLLIN)

    def start(self, mask: set[signal.Signals]) -> None:
        """Fork the sandbox's first process, in namespaces of its own where that is wanted and allowed."""
        if self.spec.limits.processes is not None:
            self.group = procs.make_group(self.spec.limits.processes + 1)
            if self.group is None and os.geteuid() == 0:
                raise cannot("a bound on processes needs a pids control group for root", "run as another user")
        recipe = prepare(self.spec, mask)
        self.ruleset = recipe.ruleset
        if self.spec.namespaces:
            try:
                self.init, self.alone = namespaces.fork(), True
            except OSError as error:
                self.layers["namespaces"] = layers.without_namespaces(self.spec, error.strerror or str(error))
        else:
            self.layers["namespaces"] = layers.without_namespaces(self.spec, "not wanted")
        if not self.alone:
            if self.spec.limits.processes is not None and self.group is None:
                raise cannot("a bound on processes needs namespaces or a pids control group", "allow user namespaces")
            self.before = reaper.children(os.getpid())
            self.init = kernel.fork()
        if self.init == 0:
            self.control.close()
            confine.enter(recipe, self.theirs, alone=self.alone, group=self.group)
        self.layers |= _ALONE if self.alone else {"processes": "subreaper"}
        if self.spec.relay:
            self.layers["supervisor"] = f"absent: {'relays' if self.alone else 'allowed ports on any host (accepted)'}"
        self.theirs.close()

    def serve(self) -> Outcome:
        """Answer until the program ends; pass signals on; end it at its time limit."""
        while True:
            left = None if self.deadline is None else min(max(0, self.deadline - time.monotonic()), _LONGEST_WAIT)
            ready = dict(self.poll.poll(None if left is None else 1000 * left))
            if not ready:
                self._overdue()
            if self.control.fileno() in ready and not self._read():
                self.poll.unregister(self.control)
            if self.signals in ready and self._signal():
                break
            if self.listener is not None and (event := ready.get(self.listener)):
                self.poll.unregister(self.listener)
                if event & select.POLLIN:
                    self._supervise()
        self._read()
        return self._outcome()

    def _overdue(self) -> None:
        if self.deadline is not None and time.monotonic() < self.deadline:
            return
        if not self.confined:
            raise cannot(f"the child did not answer within {_HAND_OVER_SECONDS:.0f} s", "try again")
        if self.timed_out:
            _kill(self.init)
            self.deadline = None
        else:
            self._pass_on(signal.SIGTERM)
            self.timed_out, self.deadline = True, time.monotonic() + GRACE_SECONDS

    def _read(self) -> bool:
        """Take the messages of the sandbox that are there; False if none will come any more."""
        while True:
            try:
                data, handles = _receive(self.control)
            except BlockingIOError:
                return True
            kind, content = data[:1], data[1:]
            if kind == b"L":
                self.listener = handles[0]
                self.poll.register(self.listener, select.POLLIN)
                self._confined()
            elif kind == b"R":
                self.relay = Relay(handles, endpoints(self.spec.connect) or ())
                self.relay.start()
            elif kind == b"F":
                self._confined()
            elif kind == b"N":
                raise _NotNotified(int(content))
            elif kind == b"B":
                self._started(handles[0])
            elif kind == b"S":
                raw, user, system, peak = reaper.STATUS.unpack(content)
                self.status, self.cpu_seconds, self.peak = os.waitstatus_to_exitcode(raw), user + system, peak * 1024
            elif kind in {b"D", b"P", b"T"}:
                self._note(kind, content.decode())
            elif kind == b"X":
                raise _not_started(int(content))
            elif kind == b"E":
                raise cannot(content.decode(errors="replace"), "`x07 doctor` tells what is there")
            else:
                return False

    def _note(self, kind: bytes, text: str) -> None:
        """Take note of a denial that was traced, or of what the sandbox found out about itself."""
        if kind == b"D":
            pid, target, process = text.split("\0", 2)
            self.denials.add("connect", target, int(pid), process)
        elif kind == b"P":
            self.layers["proc"] = text
        else:
            self.layers["tracer"] = f"absent: denials are unknown ({text})" if text else "tells denials"

    def _supervise(self) -> None:
        """Serve the program's calls from its first one on; many programs make none."""
        spec, listener = self.spec, self.listener
        assert listener is not None  # noqa: S101 (it has been polled)
        self.supervisor = Supervisor(
            listener,
            connect=spec.connect,
            denials=self.denials,
            listen=spec.listen,
            writable=self.writable,
            seed=spec.seed,
            on_access=spec.on_access,
            observe=spec.wanted.observe,
        )
        self.supervisor.start()

    def _confined(self) -> None:
        self.confined = True
        self.started = time.monotonic()
        self.deadline = None if self.timeout is None else self.started + self.timeout

    def _signal(self) -> bool:
        """Take note of a signal; True if the sandbox has ended."""
        number, code = kernel.read_signal(self.signals)
        if number == signal.SIGCHLD:
            if not _ended(self.init):
                return False
            self.init = 0
            return True
        if code != FROM_TERMINAL:  # else the terminal has given it to the whole group already
            self._pass_on(number)
        if number == signal.SIGTSTP:
            os.kill(os.getpid(), signal.SIGSTOP)
            self._pass_on(signal.SIGCONT)
        return False

    def _started(self, program: int) -> None:
        """Take the program's descriptor, and pass on what came before it did."""
        self.program = program
        for number in self.held_back:
            self._pass_on(number)

    def _pass_on(self, number: int) -> None:
        """Send the program a signal, or keep it until the program is known.

        The number is the user's, and may be none that Python has a name for.
        """
        if self.program is None:
            self.held_back.append(number)
        else:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.program, number)

    def _outcome(self) -> Outcome:
        if not self.confined:
            raise cannot("the child ended early", "`x07 doctor` tells what is there")
        found = self.supervisor or self.relay
        seconds = time.monotonic() - self.started
        return Outcome(
            self.status,
            self.timed_out,
            self.denials.rows(),
            found.connects if found else 0,
            self.layers,
            self.cpu_seconds,
            self.peak,
            seconds,
        )

    def end(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self.init:
            _kill(self.init)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.init, 0)
        for one in (self.control, self.theirs):
            one.close()
        if self.listener is not None and self.supervisor is None:
            os.close(self.listener)
        for handle in (self.signals, self.program, self.ruleset):
            if handle is not None:
                os.close(handle)
        if not self.alone:
            reaper.sweep(self.before)
        if self.group is not None:
            procs.remove(self.group)


def _receive(control: socket.socket) -> tuple[bytes, list[int]]:
    """Return one message of the sandbox, and descriptors that came with it."""
    data, extra, _, _ = control.recvmsg(4096, socket.CMSG_SPACE(4 * MOST_RELAYS))
    handles = array.array("i")
    for _, kind, content in extra:
        if kind == socket.SCM_RIGHTS:
            handles.frombytes(content)
    return data, list(handles)


def _ended(init: int) -> bool:
    try:
        return os.waitpid(init, os.WNOHANG)[0] == init
    except ChildProcessError:  # SIGCHLD is ignored
        return True


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _not_started(code: int) -> RunError:
    return RunError(
        "X07RUN_NOT_EXECUTABLE",
        f"the program could not be started: {os.strerror(code).lower()}",
        hint="check the path and its mode" if code != errno.EACCES else "allow it with --allow-run PATH",
    )
