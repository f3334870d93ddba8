"""The parent's side: start a confined program, serve its calls, pass signals on, and let nothing survive."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import RunError
from x07py.sandbox import confine, kernel, landlock, layers, namespaces, procs, reaper
from x07py.sandbox.control import NoNamespaces, NotNotified, failure, receive
from x07py.sandbox.forwarding import FORWARDED, Forwarding
from x07py.sandbox.layers import cannot
from x07py.sandbox.namespaces import Way
from x07py.sandbox.network import endpoints
from x07py.sandbox.notifications import Denial, Denials
from x07py.sandbox.recipe import prepare
from x07py.sandbox.relay import Relay
from x07py.sandbox.supervisor import Supervisor

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.sandbox.confinement import Confinement

_HAND_OVER_SECONDS = 10.0
GRACE_SECONDS = 2.0
_LONGEST_WAIT = 86400.0
"""Seconds that one `poll` waits at most; it takes no more than 24 days."""
_ALONE = {"namespaces": layers.NAMESPACES, "proc": "own"}


class ProgramOutcome(NamedTuple):
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
        deadlock: whether all its threads waited for each other for ever, in virtual time.
        doubtful: what happened in virtual time that another run may not repeat, or nothing.
    """

    status: int
    timed_out: bool
    denials: list[Denial]
    connects: int
    layers: dict[str, str]
    cpu_seconds: float
    memory: int
    seconds: float
    deadlock: bool = False
    doubtful: str = ""


def run(
    spec: Confinement,
    *,
    timeout: float | None = None,
    on_denied: Callable[[Denial], None] | None = None,
) -> ProgramOutcome:
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
        kernel.check_reading()
    except OSError as error:
        spec = layers.without_supervisor(spec, f"memory of a child cannot be read: {error.strerror}")
    way = namespaces.first_way() if spec.namespaces else Way.NONE
    if way is Way.NONE:
        found["namespaces"] = layers.without_namespaces(spec, "not wanted")
    while True:
        try:
            return _attempt(_Running(spec, found, way, timeout, on_denied))
        except NoNamespaces as refused:
            way = namespaces.next_way(way)
            if way is Way.NONE:
                found["namespaces"] = layers.without_namespaces(spec, str(refused))
        except NotNotified as refused:
            spec = layers.without_supervisor(spec, layers.not_notified(str(refused)))
            if way is Way.NONE:
                found["namespaces"] = layers.without_namespaces(spec, found["namespaces"].removeprefix("absent: "))


def _attempt(running: _Running) -> ProgramOutcome:
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    kernel.leave_memory_out_of_dumps()
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
        way: Way,
        timeout: float | None,
        on_denied: Callable[[Denial], None] | None,
    ) -> None:
        self.spec, self.timeout, self.denials = spec, timeout, Denials(on_denied)
        granted = (path for path, rights in spec.paths if rights & landlock.WRITE == landlock.WRITE)
        self.writable = [*map(os.path.realpath, granted), *(["/dev/shm"] if spec.shm else [])]  # noqa: S108
        self.readable = [os.path.realpath(path) for path, rights in spec.paths if rights & landlock.LIST]
        self.init = 0
        self.ruleset: int | None = None
        self.forwarding = Forwarding(self._interrupt)
        self.way, self.alone = way, way is not Way.NONE
        self.confined = self.timed_out = self.deadlock = False
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
        recipe = prepare(self.spec, mask, alone=self.alone)
        self.ruleset = recipe.ruleset
        if not self.alone:
            if self.spec.limits.processes is not None and self.group is None:
                raise cannot("a bound on processes needs namespaces or a pids control group", "allow user namespaces")
            self.before = reaper.children(os.getpid())
        try:
            self.init = namespaces.fork(self.way)
        except OSError as error:
            if self.alone:
                raise NoNamespaces(f"clone: {error.strerror}") from None
            raise
        if self.init == 0:
            self.control.close()
            confine.enter(recipe, self.theirs, way=self.way, group=self.group)
        self.layers |= _ALONE if self.alone else {"processes": "subreaper"}
        if self.spec.relay:
            self.layers["supervisor"] = f"absent: {'relays' if self.alone else 'allowed ports on any host (accepted)'}"
        self.theirs.close()

    def serve(self) -> ProgramOutcome:
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
            self.forwarding.send(signal.SIGTERM)
            self.timed_out, self.deadline = True, time.monotonic() + GRACE_SECONDS

    def _read(self) -> bool:
        """Take the messages of the sandbox that are there; False if none will come any more."""
        while True:
            try:
                data, handles = receive(self.control)
            except BlockingIOError:
                return True
            if not data:
                return False
            self._heed(data[:1], data[1:], handles)

    def _heed(self, kind: bytes, content: bytes, handles: list[int]) -> None:
        """Take note of one message of the sandbox; raises what ends this attempt."""
        match kind:
            case b"L":
                self.listener = handles[0]
                self.poll.register(self.listener, select.POLLIN)
                self._confined()
            case b"R":
                self.relay = Relay(handles, endpoints(self.spec.connect) or ())
                self.relay.start()
            case b"F":
                self._confined()
            case b"B":
                if self.spec.on_program is not None:
                    self.spec.on_program(handles[0])
                self.forwarding.started(handles[0])
            case b"S":
                raw, user, system, peak = reaper.STATUS.unpack(content)
                self.status, self.cpu_seconds, self.peak = os.waitstatus_to_exitcode(raw), user + system, peak * 1024
            case b"D" | b"P" | b"T" | b"Y" | b"M":
                self._note(kind, content.decode())
            case _:
                raise failure(kind, content)

    def _note(self, kind: bytes, text: str) -> None:
        if kind == b"D":
            pid, target, process = text.split("\0", 2)
            self.denials.add("connect", target, int(pid), process)
        elif kind in {b"P", b"M"}:
            self.layers["proc" if kind == b"P" else "shm"] = text
        elif kind == b"Y":
            self.layers["layout"] = f"absent: {text}: what depends on addresses (id, sets of objects) may differ"
        else:
            self.layers["tracer"] = f"absent: denials are unknown ({text})" if text else "tells denials"

    def _supervise(self) -> None:
        """Serve the program's calls from its first one on; many programs make none."""
        spec, listener = self.spec, self.listener
        assert listener is not None  # noqa: S101 (it has been polled)
        self.supervisor = Supervisor(
            listener,
            connect=spec.connect,
            lead=spec.lead,
            denials=self.denials,
            listen=spec.listen,
            unix=spec.unix,
            writable=self.writable,
            readable=self.readable,
            names=spec.names if spec.wanted.network else None,
            seed=spec.seed,
            schedule=spec.schedule,
            on_access=spec.on_access,
            observe=spec.wanted.observe,
            roots=landlock.roots(spec.paths, shm=spec.shm) if spec.wanted.tell else None,
            on_deadlock=self._deadlock,
        )
        self.supervisor.start()

    def _deadlock(self) -> None:
        """End a program that can never go on; its handler shows where each thread is."""
        self.deadlock = True
        self.forwarding.send_now(signal.SIGQUIT)

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
        self.forwarding.pass_on(number, code)
        return False

    def _interrupt(self) -> None:
        """Let the program look at a signal that it was sent, also where its threads take turns."""
        if self.supervisor is not None and self.supervisor.turns is not None:
            self.supervisor.turns.interrupt()

    def _outcome(self) -> ProgramOutcome:
        if not self.confined:
            raise cannot("the child ended early", "`x07 doctor` tells what is there")
        found = self.supervisor or self.relay
        if self.relay is not None:
            self.layers |= self.relay.finish()
        return ProgramOutcome(
            self.status,
            self.timed_out,
            self.denials.rows(),
            found.connects if found else 0,
            self.layers,
            self.cpu_seconds,
            self.peak,
            time.monotonic() - self.started,
            self.deadlock,
            "" if self.supervisor is None or self.supervisor.turns is None else self.supervisor.turns.doubtful,
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
        self.forwarding.close()
        for handle in (self.signals, self.ruleset):
            if handle is not None:
                os.close(handle)
        if not self.alone:
            reaper.sweep(self.before)
        if self.group is not None:
            procs.remove(self.group)


def _ended(init: int) -> bool:
    try:
        return os.waitpid(init, os.WNOHANG)[0] == init
    except ChildProcessError:  # SIGCHLD is ignored
        return True


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
