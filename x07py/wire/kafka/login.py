"""TLS and SASL with a broker, by librdkafka's settings: what a recording does for a client.

Nothing of it passes through the recording.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import ssl
import struct
from typing import TYPE_CHECKING, Any

from x07py.errors import LoginRefusedError, UnsupportedError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

    from x07py.wire.stand_in import Address, Connection

_HANDSHAKE, _AUTHENTICATE = 17, 36
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")
_CLIENT = b"x07py"


class Login:
    """How a client logs in.

    Args:
        settings: its settings, as librdkafka names them.

    Raises:
        UnsupportedError: 9641 for a mechanism or a form of key that Python cannot stand in for.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = {name: value for name, value in settings.items() if value is not None}
        protocol = str(self._settings.get("security.protocol", "plaintext")).lower()
        self._tls, self._sasl = protocol.endswith("ssl"), protocol.startswith("sasl")
        self._mechanism = str(self._text("sasl.mechanism") or self._text("sasl.mechanisms") or "GSSAPI").upper()
        if self._sasl and self._mechanism not in _MECHANISMS:
            raise _unsupported(f"sasl.mechanism {self._mechanism}")
        for name in ("ssl.keystore.location", "ssl.engine.location", "ssl.key.pem", "ssl.certificate.pem"):
            if self._tls and name in self._settings:
                raise _unsupported(name)

    def _text(self, name: str) -> str:
        return str(self._settings.get(name, ""))

    def on(self, connection: socket.socket, address: Address) -> Connection:
        """Return a connection that has been logged in.

        Raises:
            OSError: TLS does not come about.
            LoginRefusedError: 9758 if the broker refuses the client.
        """
        secured = self._context().wrap_socket(connection, server_hostname=address.host) if self._tls else connection
        if self._sasl:
            self._authenticate(secured)
        if isinstance(secured, ssl.SSLSocket):
            from x07py.wire.process.tls import Stream

            return Stream(secured)
        return secured

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            cafile=self._text("ssl.ca.location") or None, cadata=self._text("ssl.ca.pem") or None
        )
        if self._text("ssl.endpoint.identification.algorithm").lower() == "none":
            context.check_hostname = False
        if self._text("enable.ssl.certificate.verification").lower() == "false":
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._text("ssl.certificate.location"):
            key = self._text("ssl.key.location") or None
            context.load_cert_chain(self._text("ssl.certificate.location"), key, self._text("ssl.key.password") or None)
        return context

    def _authenticate(self, connection: socket.socket) -> None:
        mechanism = self._mechanism.encode()
        code, _ = _ask(connection, _HANDSHAKE, 1, struct.pack(">h", len(mechanism)) + mechanism)
        if code:
            raise self._refused(f"it does not know {self._mechanism}")
        user, password = self._text("sasl.username"), self._text("sasl.password")
        if self._mechanism == "PLAIN":
            self._send(connection, f"\0{user}\0{password}".encode())
        elif self._mechanism == "OAUTHBEARER":
            token = self._token()
            self._send(connection, f"n,,\x01auth=Bearer {token}\x01\x01".encode())
        else:
            _scram(self._mechanism.removeprefix("SCRAM-"), user, password, lambda data: self._send(connection, data))

    def _token(self) -> str:
        call: Callable[[str], tuple[Any, ...]] | None = self._settings.get("oauth_cb")
        if call is None:
            raise _unsupported("OAUTHBEARER without oauth_cb")
        return str(call(self._text("sasl.oauthbearer.config"))[0])

    def _send(self, connection: socket.socket, data: bytes) -> bytes:
        code, rest = _ask(connection, _AUTHENTICATE, 0, struct.pack(">i", len(data)) + data)
        text, rest = _string(rest)
        if code:
            raise self._refused(text.decode("utf-8", "replace") or f"error {code}")
        size = struct.unpack_from(">i", rest)[0]
        return rest[4 : 4 + max(size, 0)]

    def _refused(self, why: str) -> LoginRefusedError:
        return LoginRefusedError(9758, f"the broker refuses the login: {why}", hint="x07 explain 9758")


def _scram(name: str, user: str, password: str, send: Callable[[bytes], bytes]) -> None:
    """Log in by SCRAM, RFC 5802; the server proves itself too."""
    kind = name.replace("-", "").lower()
    nonce = base64.b64encode(os.urandom(18)).decode()
    first = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={nonce}"
    answer = send(f"n,,{first}".encode()).decode()
    found = dict(part.split("=", 1) for part in answer.split(","))
    if not found["r"].startswith(nonce):
        raise LoginRefusedError(9758, "the broker answered another login", hint="x07 explain 9758")
    salted = hashlib.pbkdf2_hmac(kind, password.encode(), base64.b64decode(found["s"]), int(found["i"]))
    last = f"c=biws,r={found['r']}"
    message = f"{first},{answer},{last}".encode()
    client_key = hmac.digest(salted, b"Client Key", kind)
    signature = hmac.digest(hashlib.new(kind, client_key).digest(), message, kind)
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    final = send(f"{last},p={base64.b64encode(proof).decode()}".encode()).decode()
    expected = hmac.digest(hmac.digest(salted, b"Server Key", kind), message, kind)
    if final.partition("v=")[2] != base64.b64encode(expected).decode():
        raise LoginRefusedError(9758, "the broker does not know the password either", hint="x07 explain 9758")


def _ask(connection: socket.socket, key: int, version: int, body: bytes) -> tuple[int, bytes]:
    """Send one request and return the error and what follows it in the answer."""
    frame = struct.pack(">hhih", key, version, 0, len(_CLIENT)) + _CLIENT + body
    connection.sendall(struct.pack(">i", len(frame)) + frame)
    size = struct.unpack(">i", _exactly(connection, 4))[0]
    answer = _exactly(connection, size)
    return struct.unpack_from(">h", answer, 4)[0], answer[6:]


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise ConnectionResetError("the broker closed the connection during the login")
        data += more
    return data


def _string(data: bytes) -> tuple[bytes, bytes]:
    size = struct.unpack_from(">h", data)[0]
    return data[2 : 2 + max(size, 0)], data[2 + max(size, 0) :]


def _unsupported(what: str) -> UnsupportedError:
    return UnsupportedError(
        9641,
        f"a client that logs in with {what} cannot be recorded",
        hint="for the recording, let it log in another way, or connect in clear",
    )
