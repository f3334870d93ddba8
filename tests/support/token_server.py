"""A server that gives tokens for OAuth's client credentials, unsigned ones, as a Kafka without other settings takes."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CLIENT, SECRET = "orders-service", "orders-secret-0815"


def token(subject: str = CLIENT, lasts_s: float = 300) -> str:
    """Return a token that nobody has signed."""
    now = int(time.time())
    claims = {"sub": subject, "iat": now, "exp": now + lasts_s}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "none"}, claims)]
    return b".".join([*parts, b""]).decode()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        right = self.headers.get("authorization") == f"Basic {known}"
        answer = {"access_token": token(), "expires_in": 300, "token_type": "Bearer"}
        body = json.dumps(answer if right else {"error": "invalid_client"}).encode()
        self.send_response(200 if right else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def token_server() -> Iterator[str]:
    """Serve tokens for the time of the block at the URL that is given."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()
        serving.join()
