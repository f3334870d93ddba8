"""Whether a pump is alive and ready, told over HTTP: ``/livez``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from x07py import metrics
from x07py.errors import PumpError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from x07py.contracts.service import Probes
    from x07py.drivers import Driver

_REQUEST_BYTES = 8192
_REQUEST_S = 5.0
_TEXT, _METRICS = "text/plain; charset=utf-8", "text/plain; version=0.0.4; charset=utf-8"


class Health:
    """What a pump is at.

    Args:
        source: what it consumes from.
        stop: set when it was asked to stop.
        stall_s: seconds without a finished message after which its handler is taken to hang.
    """

    def __init__(self, source: Driver, stop: asyncio.Event, stall_s: float) -> None:
        self._source, self._stop, self._stall_s = source, stop, stall_s
        self._moved: float | None = None

    def at_work(self) -> None:
        """Note that the handler has begun, or has finished a message."""
        self._moved = time.monotonic()

    def idle(self) -> None:
        """Note that the handler has nothing to do."""
        self._moved = None

    def hangs(self) -> str:
        """Return why the process should be started again; empty if it should not."""
        waited = 0.0 if self._moved is None else time.monotonic() - self._moved
        return f"the handler has finished nothing for {waited:.0f} s" if waited > self._stall_s else ""

    def lacks(self) -> str:
        """Return why it is not ready; empty if it is."""
        if self._stop.is_set():
            return "it was asked to stop"
        return self.hangs() or ("" if self._source.consuming() else "the broker has not let it consume yet")

    def answer(self, path: str) -> tuple[str, str, bytes]:
        """Return status, type and body for a path."""
        if path == "/metrics":
            found = metrics.exposition()
            return ("404 Not Found", _TEXT, b"no metrics\n") if found is None else ("200 OK", _METRICS, found)
        if path not in {"/livez", "/readyz"}:
            return "404 Not Found", _TEXT, b"/livez, /readyz, /metrics\n"
        wrong = self.hangs() if path == "/livez" else self.lacks()
        return "503 Service Unavailable" if wrong else "200 OK", _TEXT, f"{wrong or 'ok'}\n".encode()


@asynccontextmanager
async def told(health: Health, probes: Probes) -> AsyncIterator[None]:
    """Answer probes while the block runs, on every address of the machine.

    Raises:
        PumpError: 9905 if the port is taken.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_REQUEST_S):
                head = await reader.readuntil(b"\r\n\r\n")
                method, path, _ = head.split(b"\r\n", 1)[0].decode("ascii").split(" ")
                status, kind, body = health.answer(path.partition("?")[0])
                if method not in {"GET", "HEAD"}:
                    status, body = "405 Method Not Allowed", b""
                lines = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{lines}Connection: close\r\n\r\n".encode() + (body if method == "GET" else b""))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(answer, port=probes.port, limit=_REQUEST_BYTES)
    except OSError as error:
        hint = "give another port in probes of the service's manifest, or end what has it"
        raise PumpError(
            9905, f"probes cannot be answered: {error.strerror}", where=str(probes.port), hint=hint
        ) from None
    try:
        yield
    finally:
        server.close()
