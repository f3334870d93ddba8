"""uvloop, which connects in C: its loop is given sockets that lead to a stand-in.

Otherwise an asyncio client in it would talk to its broker past every cassette.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from x07py.wire.process.sockets import WAY

NAME = "uvloop"


class Sockets:
    """What a cassette has of uvloop: nothing but its connections, which the tapes know."""

    last_activity = None


def methods() -> tuple[tuple[type, dict[str, Any]], ...]:
    """Return what stands in place of which methods of uvloop's loop, which is loaded."""
    loop: type = sys.modules[NAME].Loop
    own: Any = loop.create_connection  # type: ignore[attr-defined]

    async def create_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if WAY.doors is None or host is None or options.get("sock") is not None:
            return await own(self, factory, host, port, **options)
        if options.get("ssl"):
            options["server_hostname"] = options.get("server_hostname") or host
        for name in ("family", "proto", "flags", "local_addr", "happy_eyeballs_delay", "interleave"):
            options.pop(name, None)
        return await own(self, factory, sock=_connected(host, port), **options)

    return ((loop, {"create_connection": create_connection}),)


def _connected(host: Any, port: Any) -> socket.socket:
    """Return a connected socket as a Unix socket if it is an end of a pair, which uvloop must know."""
    one = socket.create_connection((host, port))
    if WAY.peer(one) is None:
        return one
    one.setblocking(False)
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=one.detach())
