"""A web server on loopback that serves an index folder, remembers what it was asked, and misbehaves on request."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Misbehave = Callable[[BaseHTTPRequestHandler], bool]


class IndexServer:
    """The server; `odd` maps paths to functions that answer in its place, or return False to let it answer."""

    def __init__(self, folder: Path, tls: ssl.SSLContext | None = None) -> None:
        self.folder = folder
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.ports: set[int] = set()
        self.odd: dict[str, Misbehave] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.ports.add(self.client_address[1])
                outer.asked.append((self.path, dict(self.headers)))
                odd = outer.odd.get(self.path)
                if odd is None or not odd(self):
                    outer._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/"

    def tokens(self) -> set[str | None]:
        """Return every Authorization header that arrived."""
        return {headers.get("Authorization") for _, headers in self.asked}

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            reply(request, 404, b"")
            return
        body = path.read_bytes()
        etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
        if request.headers.get("If-None-Match") == etag:
            reply(request, 304, b"", ETag=etag)
        else:
            reply(request, 200, body, ETag=etag)

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def reply(request: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> bool:
    """Answer a request; returns True so that it can stand as a misbehaviour."""
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    if status != 304:
        request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
    return True


@contextmanager
def serving(folder: Path, tls: ssl.SSLContext | None = None) -> Iterator[IndexServer]:
    """Serve `folder` for the block, over TLS if a context is given."""
    server = IndexServer(folder, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()
