"""Answers what the filter hands over: makes sockets, connects them, and tells virtual time.

The program never connects: the supervisor reads the address once, judges its own copy, and connects its own duplicate
of the socket. So nothing that the program writes to memory meanwhile, in whichever thread, changes where a connection
goes. No answer ever lets the kernel continue the program's own call.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.sandbox.kernel import connect, read_memory, signed, syscall_numbers
from x07py.sandbox.listener import Listener
from x07py.sandbox.listeners import owner_of_listener
from x07py.sandbox.metadata import Metadata
from x07py.sandbox.names import Resolver
from x07py.sandbox.network import MAX_SOCKADDR, Address, AddressRules, Lead, Range, parse
from x07py.sandbox.notifications import UNREADABLE, Access, Denials, Refused, SystemCall, process_name, target_of
from x07py.sandbox.observe import Observer
from x07py.sandbox.own_sockets import OwnSockets
from x07py.sandbox.priorities import Priorities
from x07py.sandbox.unix_sockets import UnixRules, UnixSockets
from x07py.sandbox.watches import Watches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from x07py.sandbox.names import Name
    from x07py.sandbox.threads import Wait
    from x07py.sandbox.turns import Turns

_ASKS_FOR_IPV6 = "[::1]:0"
_MAX_THREADS = 64
_MOST_JUDGED = 1024


class Supervisor:
    """Serves one listener until no process is left under its filter.

    Args:
        listener: the descriptor that the filter was installed with.
        connect: where connections may go.
        lead: connects each that is allowed, but for those to the program's own listeners; None for where it wants to.
        denials: where denials are noted.
        listen: what may be bound.
        unix: which Unix sockets may be connected to and bound.
        writable: folders and files, without links, in which modes and times may be changed and Unix sockets be bound.
        seed: virtual time and randomness from this seed; None for the real ones.
        schedule: what the order of its threads is drawn from; None for the fixed one.
        on_access: called with each decision, before it takes effect; if it raises, the access is refused.
        readable: folders and files, without links, in which changes may be watched.
        names: names that the program may look up; None for none that this process answers for.
        observe: let files and programs through and tell `on_access` of them; for a filter that hands them over.
        roots: where a confined program may read, write and run, to tell of what the kernel refuses it elsewhere.
        on_deadlock: called when, in virtual time, no thread can ever run again.
    """

    def __init__(
        self,
        listener: int,
        *,
        connect: AddressRules,
        denials: Denials,
        lead: Lead | None = None,
        listen: AddressRules | None = None,
        unix: UnixRules = UnixRules(),  # noqa: B008 (nothing changes it)
        writable: Iterable[str] = (),
        readable: Iterable[str] = (),
        names: Iterable[Name] | None = None,
        seed: bytes | None = None,
        schedule: int | None = None,
        on_access: Callable[[Access], None] | None = None,
        observe: bool = False,
        roots: Mapping[str, Iterable[str]] | None = None,
        on_deadlock: Callable[[], None] = lambda: None,
    ) -> None:
        self.listener: Listener = Listener(listener)
        self.connect_rules: AddressRules = connect
        self.listen_rules: AddressRules = listen or AddressRules()
        self._denials, self._lead = denials, lead
        self.on_access: Callable[[Access], None] | None = on_access
        self.connects: int = 0
        self._observes, self._chosen = observe, set[int]()
        self._judged = functools.lru_cache(_MOST_JUDGED)(self._judge)
        self._resolver = None if names is None else Resolver(names, self._deny_name, self._extend)
        self._lock = threading.Lock()
        self._receiving = threading.Lock()
        self._idle = 0
        self._threads = 0
        self._sockets = OwnSockets(self.listener)
        self._unix = UnixSockets(
            self._sockets, unix, writable, deny=self._deny, note=self._note, connect=self._connect_own
        )
        self._names = {number: name for name, number in syscall_numbers().items()}
        self._handlers: dict[str, Callable[[SystemCall], Wait | int | str | None]] = {
            "socket": self._sockets.make,
            "connect": self._connect,
            "bind": self._bind,
            "listen": self._listen,
        }
        self._handlers |= Metadata(writable, self.listener.still_waits).handlers()
        self._handlers |= Watches(self.listener, readable).handlers()
        self._handlers |= Priorities(self.listener.still_waits).handlers()
        self.turns: Turns | None = None
        if seed is not None:
            self._be_virtual(seed, schedule, on_deadlock)
        if observe:
            self._handlers |= Observer(self._note).handlers()
        elif roots is not None:
            self._roots = roots
            self._handlers |= Observer(self._tell).handlers()

    def _be_virtual(self, seed: bytes, schedule: int | None, on_deadlock: Callable[[], None]) -> None:
        """Answer time, randomness, waits and identities from `seed`, and let one thread run at a time."""
        from x07py.sandbox.clock import VirtualClock
        from x07py.sandbox.descriptors import Descriptors
        from x07py.sandbox.identity import Identity
        from x07py.sandbox.schedule import Schedule
        from x07py.sandbox.turns import Turns
        from x07py.sandbox.waits import Waits

        clock = VirtualClock(seed, self.listener.still_waits)
        waits = Waits(self.listener, clock)
        self.turns = waits.turns = Turns(clock, self._decide, self.listener.send, on_deadlock, Schedule(schedule))
        identity = Identity(self.turns)
        self._handlers |= clock.handlers() | waits.handlers() | identity.handlers()
        self._handlers |= Priorities(self.listener.still_waits, identity.thread).handlers()
        self._handlers |= Descriptors(self.listener.still_waits).handlers()

    def start(self) -> None:
        """Serve in threads of this process."""
        if self._resolver is not None:
            self._resolver.start()
        self._spawn()
        self._spawn()

    def _spawn(self) -> None:
        with self._lock:
            if self._threads >= _MAX_THREADS:
                return
            self._threads += 1
            self._idle += 1
        threading.Thread(target=self._serve, name="x07-supervisor", daemon=True).start()

    def _serve(self) -> None:
        while True:
            with self._receiving:
                call = self.listener.receive()
            if call is None:
                return
            if self.turns is not None:
                self.turns.arrive(call)
            elif isinstance(found := self._decide(call), int | str):
                self.listener.send(call, found)

    def _decide(self, call: SystemCall) -> Wait | int | str | None:
        """Return what is answered: a result, minus an error number, or why not yet; None if it has been."""
        try:
            return self._handlers[self._names[call.number]](call)
        except Refused as refused:
            return -refused.code
        except OSError as error:
            return -(error.errno or errno.EACCES)
        except Exception:  # noqa: BLE001 (whatever goes wrong here, the program gets a refusal and the service goes on)
            return -errno.EACCES

    def _sockaddr(self, kind: str, call: SystemCall) -> bytes:
        length = signed(call.args[2])
        if not 2 <= length <= MAX_SOCKADDR:
            raise Refused(errno.EINVAL)
        try:
            data = read_memory(call.pid, call.args[1], length)
        except OSError as error:
            if error.errno == errno.EFAULT:
                raise Refused(errno.EFAULT) from None
            raise Refused(self._deny(kind, UNREADABLE, call)) from None
        if len(data) != length:
            raise Refused(errno.EFAULT)
        if not self.listener.still_waits(call):
            raise Refused(errno.EINTR)
        return data

    def _connect(self, call: SystemCall) -> int:
        data = self._sockaddr("connect", call)
        inode = self._sockets.inode(call)
        if _is_unix(data):
            return self._unix.connect(call, inode, data)
        address, permitted = self._judged(data)
        resolver = self._resolver if self._lead is not None or not permitted else None
        if address is not None and resolver is not None and resolver.stands_for(address):
            return self._look_up(resolver, call, inode)
        may_be_own = self._lead is not None or not permitted
        is_own = address is not None and may_be_own and self._listens_itself(address)
        if address is None or not (permitted or is_own):
            raise Refused(self._deny("connect", target_of(data), call))
        if self.on_access is not None and not (self._observes and self._is_chosen(address)):
            self._note("connect", str(address), call)
        own = self._sockets.get(inode)
        if own.family == socket.AF_UNIX or (own.family == socket.AF_INET and not address.ipv4):
            raise Refused(errno.EAFNOSUPPORT)
        if self._lead is not None and not is_own:
            with self._busy():
                self.connects += 1
                code = self._lead(address, own, call.pid, process_name(call.pid))
            if code in {0, errno.EINPROGRESS}:
                self._sockets.settle(inode)
            return -code
        return self._connect_own(own, inode, _raw(address, own.family))

    def _is_chosen(self, address: Address) -> bool:
        """Tell whether an address is one of this machine's with a port that was free when the program asked for one."""
        return address.port in self._chosen and (address.is_loopback or not address.names_a_place)

    def _listens_itself(self, address: Address) -> bool:
        """Tell whether the program listens on an address of this machine.

        Raises:
            Refused: ``ECONNREFUSED``: it will, on a port that it was given, and nobody does yet.
        """
        owner = owner_of_listener(address)
        if owner is None and self._is_chosen(address):
            raise Refused(errno.ECONNREFUSED)
        return self._sockets.listens(owner)

    def _may_listen(self, address: Address) -> Address | None:
        """Return by which address `address` may be listened on, or None.

        A port that the program was given once is still whatever port is free: libraries look for one and bind it later.
        """
        any_port = address._replace(port=0)
        if address.port in self._chosen and self.listen_rules.permits_listening(any_port):
            return any_port
        return address if self.listen_rules.permits_listening(address) else None

    def _look_up(self, resolver: Resolver, call: SystemCall, inode: int) -> int:
        """Lead a connection that is to a name server to the one of this process."""
        own = self._sockets.get(inode)
        own.setblocking(True)
        own.connect(resolver.address.sockaddr(own.family))
        resolver.expect(own.getsockname()[1], call.pid, process_name(call.pid))
        self._sockets.settle(inode)
        return 0

    def _deny_name(self, name: str, pid: int, process: str) -> None:
        """Note that a name was asked for that no grant holds."""
        if self.on_access is not None:
            self.on_access(Access("resolve", name, False, pid, process))
        self._denials.add("resolve", name, pid, process)

    def _extend(self, found: list[Range]) -> None:
        """Allow what a name stands for from now on."""
        with self._lock:
            known = self.connect_rules
            new = tuple(one for one in found if one not in known.allow)
            self.connect_rules = known._replace(allow=(*known.allow, *new))
            self._judged.cache_clear()

    def _judge(self, data: bytes) -> tuple[Address | None, bool]:
        """Return the address that a ``struct sockaddr`` means, and whether it is allowed."""
        address = parse(data)
        return address, address is not None and self.connect_rules.permits(address)

    @contextmanager
    def _busy(self) -> Iterator[None]:
        """Let another thread receive while this one may wait.

        Raises:
            Refused: ``EAGAIN``: too many wait already.
        """
        with self._lock:
            if self._idle <= 1 and self._threads >= _MAX_THREADS:
                raise Refused(errno.EAGAIN)
            self._idle -= 1
            short = self._idle < 1
        if short:
            self._spawn()
        try:
            yield
        finally:
            with self._lock:
                self._idle += 1

    def _connect_own(self, own: socket.socket, inode: int, target: bytes) -> int:
        """Connect our duplicate."""
        with self._busy():
            self.connects += 1
            code = connect(own.fileno(), target)
        if code == 0:
            self._sockets.settle(inode)
        elif code in {errno.EINPROGRESS, errno.EALREADY}:
            self._sockets.settle_later(own)
        if code:
            raise Refused(code)
        return 0

    def _bind(self, call: SystemCall) -> int:
        data = self._sockaddr("listen", call)
        inode = self._sockets.inode(call)
        if _is_unix(data):
            return self._unix.bind(call, inode, data)
        address = parse(data)
        granted = None if address is None else self._may_listen(address)
        if address is None or granted is None:
            if address is not None and str(address) == _ASKS_FOR_IPV6:  # as libraries do: no news to the user
                raise Refused(errno.EACCES)
            raise Refused(self._deny("listen", str(address) if address else "another address family", call))
        own = self._sockets.get(inode)
        if own.family == socket.AF_UNIX:
            raise Refused(errno.EINVAL)
        self._note("listen", str(granted), call)
        self._sockets.bind_to(own, address)
        if address.port == 0:
            self._chosen.add(own.getsockname()[1])
        self._sockets.bind(inode)
        return 0

    def _listen(self, call: SystemCall) -> int:
        inode = self._sockets.inode(call)
        if not self._sockets.is_bound(inode):
            raise Refused(self._deny("listen", "a socket that is not bound", call))
        self._sockets.listen(inode, min(call.args[1] & 0xFFFFFFFF, 4096))
        return 0

    def _note(self, kind: str, target: str, call: SystemCall, *, allowed: bool = True) -> str:
        """Tell of a decision and return the name of the process that it was about."""
        if allowed and self.on_access is None:
            return ""
        process = process_name(call.pid)
        if self.on_access is not None:
            self.on_access(Access(kind, target, allowed, call.pid, process))
        return process

    def _tell(self, kind: str, path: str, call: SystemCall) -> None:
        """Tell of a file that the kernel will refuse; a path that is not there is not refused by it."""
        granted = any(path == one or path.startswith(one.rstrip("/") + "/") for one in self._roots[kind])
        if not granted and os.path.exists(path):  # noqa: PTH110
            self._deny(kind, path, call)

    def _deny(self, kind: str, target: str, call: SystemCall) -> int:
        """Note a denial and return the error number that the program gets."""
        self._denials.add(kind, target, call.pid, self._note(kind, target, call, allowed=False))
        return errno.EACCES


def _is_unix(data: bytes) -> bool:
    return int(struct.unpack_from("=H", data)[0]) == socket.AF_UNIX


@functools.lru_cache(_MOST_JUDGED)
def _raw(address: Address, family: int) -> bytes:
    """Return the ``struct sockaddr`` of an address for a socket of `family`."""
    host, port = address.sockaddr(family)
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack("!H", port) + socket.inet_aton(host) + b"\0" * 8
    raw = struct.pack("=H", family) + struct.pack("!HI", port, 0)
    return raw + socket.inet_pton(socket.AF_INET6, host) + b"\0" * 4
