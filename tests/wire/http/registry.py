"""A small schema registry over real HTTP: what of its interface serializers use, behind a password or a token."""

from __future__ import annotations

import base64
import json
import re
import ssl
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import trustme

from tests.support.project import REPOSITORY

USER, PASSWORD, TOKEN, CLIENT_SECRET = "schema-user", "schema-pass-1234", "issued-token-5678", "client-secret-9012"
LOGINS = (f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}", f"Bearer {TOKEN}")
_NOT_FOUND = 404


class _Registry(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.schemas: list[dict[str, Any]] = []
        self.subjects: dict[str, list[int]] = {}
        self.levels: dict[str, str] = {}
        self.lock = threading.Lock()

    def version(self, subject: str, version: int) -> dict[str, Any]:
        number = self.subjects[subject][version - 1]
        schema = self.schemas[number - 1]
        return {"subject": subject, "version": version, "id": number, "guid": _guid(schema), **schema}

    def register(self, subject: str, schema: dict[str, Any]) -> dict[str, Any]:
        if schema not in self.schemas:
            self.schemas.append(schema)
        number, versions = self.schemas.index(schema) + 1, self.subjects.setdefault(subject, [])
        if number not in versions:
            versions.append(number)
        return self.version(subject, versions.index(number) + 1)

    def breaks(self, subject: str, schema: dict[str, Any]) -> bool:
        """Tell whether a record has another name than the one before, the one rule that this registry has."""
        versions = self.subjects.get(subject, [])
        texts = [json.loads(schema["schema"])] if schema.get("schemaType", "AVRO") == "AVRO" else []
        texts += [json.loads(self.schemas[versions[-1] - 1]["schema"])] if versions and texts else []
        return len({one["name"] for one in texts if isinstance(one, dict) and "name" in one}) > 1

    def found(self, subject: str, schema: dict[str, Any]) -> dict[str, Any] | None:
        versions = self.subjects.get(subject, [])
        return next(
            (self.version(subject, n) for n, one in enumerate(versions, 1) if self.schemas[one - 1] == schema), None
        )


def _guid(schema: dict[str, Any]) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(schema)))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Registry

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _say(self, said: Any, status: int = 200) -> None:
        status = status if said is not None else _NOT_FOUND
        body = json.dumps(said if said is not None else {"error_code": 40403, "message": "Schema not found"}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _may(self) -> bool:
        if self.headers.get("Authorization") in LOGINS:
            return True
        self.send_response(401)
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self._say({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
            return
        if not self._may():
            return
        body, place = json.loads(raw), re.match(r"/subjects/([^/?]+)(/versions)?(?:\?.*)?$", self.path)
        schema = {name: body[name] for name in ("schema", "schemaType", "references") if body.get(name)}
        with self.server.lock:
            if place is None:
                self._say(None)
            elif place[2] and self.server.breaks(unquote(place[1]), schema):
                self._say({"error_code": 409, "message": "Schema being registered is incompatible"}, 409)
            elif place[2]:
                self._say(self.server.register(unquote(place[1]), schema))
            else:
                self._say(self.server.found(unquote(place[1]), schema))

    def do_PUT(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._may():
            self.server.levels[unquote(self.path.removeprefix("/config").lstrip("/"))] = body["compatibility"]
            self._say(body)

    def do_GET(self) -> None:
        if not self._may():
            return
        path, server = self.path.partition("?")[0], self.server
        with server.lock:
            if by_id := re.match(r"/schemas/ids/(\d+)$", path):
                number = int(by_id[1])
                self._say(server.schemas[number - 1] if number <= len(server.schemas) else None)
            elif by_guid := re.match(r"/schemas/guids/([0-9a-f-]+)$", path):
                self._say(next((one for one in server.schemas if _guid(one) == by_guid[1]), None))
            elif found := re.match(r"/subjects/([^/]+)/versions$", path):
                versions = server.subjects.get(unquote(found[1]))
                self._say(versions and list(range(1, len(versions) + 1)))
            elif found := re.match(r"/config(?:/([^/]+))?$", path):
                level = server.levels.get(unquote(found[1] or ""))
                self._say(level and {"compatibilityLevel": level})
            elif one := re.match(r"/subjects/([^/]+)/versions/(latest|\d+)$", path):
                last = len(server.subjects.get(unquote(one[1]), []))
                version = last if one[2] == "latest" else int(one[2])
                self._say(server.version(unquote(one[1]), version) if 0 < version <= last else None)
            else:
                self._say(None)


def serve(folder: Path) -> None:
    """Serve a registry at a port in clear and one over TLS, and print both ports; the authority goes into a folder."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    plain, over_tls = _Registry(), _Registry()
    over_tls.schemas, over_tls.subjects = plain.schemas, plain.subjects
    over_tls.socket = context.wrap_socket(over_tls.socket, server_side=True)
    threading.Thread(target=over_tls.serve_forever, daemon=True).start()
    sys.stdout.write(f"{plain.server_address[1]} {over_tls.server_address[1]}\n")
    sys.stdout.flush()
    plain.serve_forever()


class Running(NamedTuple):
    """A registry in a process of its own: its two ports, and the folder that it wrote its authority to."""

    port: int
    tls_port: int
    folder: Path

    @property
    def url(self) -> str:
        """Where it is in clear."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def url_over_tls(self) -> str:
        """Where it is over TLS."""
        return f"https://localhost:{self.tls_port}"


@contextmanager
def running(folder: Path) -> Iterator[Running]:
    """Run a registry in a process of its own, because connections within a process are no use of the network."""
    command = [sys.executable, "-m", "tests.wire.http.registry", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as started:
        assert started.stdout is not None
        port, tls_port = (int(port) for port in started.stdout.readline().split())
        try:
            yield Running(port, tls_port, folder)
        finally:
            started.kill()


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
