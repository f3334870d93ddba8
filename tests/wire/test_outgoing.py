"""What goes out on a connection: everything once and in order, whoever puts it there while others send."""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import Any

from x07py.wire.outgoing import Outgoing


def test_what_is_put_while_another_thread_sends_goes_out_once_and_in_order() -> None:
    near, far = socket.socketpair()
    outgoing = Outgoing(far, lambda: None)
    late = threading.Thread(target=outgoing.put, args=(b"late",))

    class Interrupted(deque[Any]):
        """A queue that another thread comes to in the middle of a flush."""

        def clear(self) -> None:
            if late.ident is None:
                late.start()
                late.join(0.3)
            super().clear()

    outgoing._waiting = Interrupted()
    with near, far:
        outgoing.put(b"one ")
        outgoing.put(b"two ")
        outgoing.flush()
        late.join()
        outgoing.end()
        got = b""
        while data := near.recv(100):
            got += data
    assert got == b"one two late"
