"""Relays: how an allowlist holds where the kernel gives the supervisor no say (another one is above it, or gVisor).

The program lives in a network namespace that has a loopback device and nothing else. Each allowed address is put on
it, with a listener that the launcher serves from outside: it dials the real address and copies bytes both ways. Any
other address has no route. One thing is worse than with the supervisor: bytes are copied once more. No relay learns of
an address that is refused; `tracer` tells those.
"""

from __future__ import annotations

import fcntl
import os
import select
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from x07py.sandbox.network import LOOPBACK_IPV4, Address

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIOCSIFFLAGS, _UP_AND_RUNNING = 0x8914, 0x41
_RTM_NEWADDR, _REQUEST_ACK_CREATE, _NO_DUPLICATE_CHECK = 20, 0x0405, 0x02
_IFA_ADDRESS, _IFA_LOCAL, _LOOPBACK_INDEX, _HOST_SCOPE = 1, 2, 1, 254
_BACKLOG = 1024
_CHUNK = 1 << 16
_MAX_CONNECTIONS = 256
_FINISH_S, _TURN_S = 10.0, 0.05


def listen_inside(addresses: Sequence[Address]) -> list[socket.socket]:
    """In a new network namespace: bring the loopback device up, and listen on each of `addresses`.

    Raises:
        OSError: the kernel refused, for instance IPv6 where there is none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("=16sH14x", b"lo", _UP_AND_RUNNING))
    for host in {address.host for address in addresses}:
        _put_on_loopback(Address(host, 0))
    return [_listen(address) for address in addresses]


def _family(address: Address) -> int:
    return socket.AF_INET if address.ipv4 else socket.AF_INET6


def _put_on_loopback(address: Address) -> None:
    if address.host.startswith(LOOPBACK_IPV4) or address.host == socket.inet_pton(socket.AF_INET6, "::1"):
        return
    packed = address.host[12:] if address.ipv4 else address.host
    family, bits = _family(address), 8 * len(packed)
    rows = b"".join(struct.pack("=HH", 4 + len(packed), kind) + packed for kind in (_IFA_LOCAL, _IFA_ADDRESS))
    body = struct.pack("=BBBBI", family, bits, _NO_DUPLICATE_CHECK, _HOST_SCOPE, _LOOPBACK_INDEX) + rows
    message = struct.pack("=IHHII", 16 + len(body), _RTM_NEWADDR, _REQUEST_ACK_CREATE, 1, 0) + body
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as route:
        route.sendto(message, (0, 0))
        code = struct.unpack_from("=i", route.recv(4096), 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code), str(address))


def _listen(address: Address) -> socket.socket:
    listener = socket.socket(_family(address), socket.SOCK_STREAM)
    if not address.ipv4:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind(address.sockaddr(_family(address)))
    listener.listen(_BACKLOG)
    return listener


class Relay:
    """Serves the listeners of one sandbox from outside of it.

    Growth: two threads for each open connection, of which there are at most 256; more wait in the listeners' queues.

    Args:
        listeners: what `listen_inside` made, in the order of `targets`.
        targets: where each leads.
    """

    def __init__(self, listeners: Sequence[int], targets: Sequence[Address]) -> None:
        self.connects: int = 0
        self._free = threading.Semaphore(_MAX_CONNECTIONS)
        self._changed = threading.Condition()
        self._carrying = 0
        self._targets = {
            handle: (socket.socket(fileno=handle), to) for handle, to in zip(listeners, targets, strict=True)
        }

    def start(self) -> None:
        """Serve in threads of this process."""
        threading.Thread(target=self._serve, name="x07-relay", daemon=True).start()

    def _serve(self) -> None:
        poll = select.poll()
        for handle in self._targets:
            poll.register(handle, select.POLLIN)
        while True:
            for handle, _ in poll.poll():
                listener, target = self._targets[handle]
                self._free.acquire()
                self._carry(1)
                try:
                    inside, _ = listener.accept()
                except OSError:
                    self._carry(-1)
                    self._free.release()
                    continue
                threading.Thread(target=self._join, args=(inside, target), daemon=True).start()

    def finish(self) -> dict[str, str]:
        """When the program has ended: carry what it had sent, as the kernel does for connections of its own.

        Returns:
            What is told of connections whose targets did not take everything within ten seconds.
        """
        ends = time.monotonic() + _FINISH_S
        waiting = select.poll()
        for handle in self._targets:
            waiting.register(handle, select.POLLIN)
        with self._changed:
            while (left := self._carrying + len(waiting.poll(0))) and (rest := ends - time.monotonic()) > 0:
                self._changed.wait(min(rest, _TURN_S))
        return {"relays": f"{left} connections were cut, since their targets took nothing more"} if left else {}

    def _carry(self, change: int) -> None:
        with self._changed:
            self._carrying += change
            self._changed.notify_all()

    def _join(self, inside: socket.socket, target: Address) -> None:
        outside = socket.socket(_family(target), socket.SOCK_STREAM)
        with inside, outside:
            try:
                outside.connect(target.sockaddr(_family(target)))
            except OSError:
                inside.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))  # a reset, not an end
                self._carry(-1)
            else:
                self.connects += 1
                for one in (inside, outside):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=_copy, args=(outside, inside), daemon=True)
                back.start()
                _copy(inside, outside)
                self._carry(-1)
                back.join()
        self._free.release()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then end the sink's direction."""
    buffer = memoryview(bytearray(_CHUNK))
    try:
        while count := source.recv_into(buffer):
            sink.sendall(buffer[:count])
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
