"""The filter's listener: calls come from it, and answers and descriptors go to the program through it."""

from __future__ import annotations

import errno
import fcntl
import select
import struct
from contextlib import suppress

from x07py.sandbox.notifications import SystemCall

GO_ON = "go on"
"""The answer that has the kernel carry a call out itself: never for what the filter is there to judge."""
_RECV, _SEND, _ID_VALID, _ADDFD, _SET_FLAGS = 0xC0502100, 0xC0182101, 0x40082102, 0x40182103, 0x40082104
_SYNC_WAKE_UP = 1
_ADDFD_FLAG_SEND = 2
_CONTINUE = 1
_NOTIFICATION = struct.Struct("=QIIiIQ6Q")


class Listener:
    """Wraps the descriptor that a filter was installed with."""

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._poll = select.poll()
        self._poll.register(handle, select.POLLIN)
        with suppress(OSError):  # before Linux 6.6
            fcntl.ioctl(handle, _SET_FLAGS, _SYNC_WAKE_UP)

    def receive(self) -> SystemCall | None:
        """Return the next call, or None when no process is left."""
        while True:
            buffer = bytearray(_NOTIFICATION.size)
            for _, event in self._poll.poll():
                if not event & select.POLLIN:
                    return None
            try:
                fcntl.ioctl(self.handle, _RECV, buffer)
            except OSError as error:
                if error.errno in {errno.EINTR, errno.ENOENT}:  # the caller died, or the last process did
                    continue
                return None
            ident, pid, _, number, _, _, *args = _NOTIFICATION.unpack(buffer)
            return SystemCall(ident, pid, number, tuple(args))

    def send(self, call: SystemCall, answer: int | str) -> None:
        """Answer with a result, minus an error number, or `GO_ON`; a caller that is gone gets none."""
        with suppress(OSError):
            if isinstance(answer, str):
                order = struct.pack("=QqiI", call.id, 0, 0, _CONTINUE)
            else:
                order = struct.pack("=QqiI", call.id, max(answer, 0), min(answer, 0), 0)
            fcntl.ioctl(self.handle, _SEND, order)

    def still_waits(self, call: SystemCall) -> bool:
        """Tell whether the caller is still the same process, waiting for this answer."""
        try:
            fcntl.ioctl(self.handle, _ID_VALID, struct.pack("=Q", call.id))
        except OSError:
            return False
        return True

    def give(self, call: SystemCall, descriptor: int, flags: int) -> int:
        """Put a copy of a descriptor into the program, answer the call with its number there, and return that.

        Raises:
            OSError: the caller is gone, or may open no more.
        """
        order = bytearray(struct.pack("=QIIII", call.id, _ADDFD_FLAG_SEND, descriptor, 0, flags))
        number: int = fcntl.ioctl(self.handle, _ADDFD, order)
        return number
