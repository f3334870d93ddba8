"""The broker's side of SCRAM (RFC 5802) in a replay: a client lets itself in only where its server knows the password.

Nothing of a login is recorded, so the password is the one that the client of this process was given; a program of
another process cannot log in by SCRAM to a cassette.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from x07py.errors import UnsupportedError

_HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MECHANISMS = tuple(_HASHES)
_ROUNDS = 4096
_passwords: dict[str, str] = {}


def learn_password(user: object, password: object) -> None:
    """Take note of what a client of this process logs in with; what are no texts is left out."""
    if isinstance(user, str) and isinstance(password, str):
        _passwords[user] = password


class Exchange:
    """One login.

    Args:
        mechanism: one of `MECHANISMS`.
    """

    def __init__(self, mechanism: str) -> None:
        self._mechanism, self._hash = mechanism, _HASHES[mechanism]
        self._password = ""
        self._said: list[bytes] = []

    def answer(self, message: bytes) -> bytes:
        """Return the answer to the client's next message; the client is not checked, it is the program's own.

        Raises:
            UnsupportedError: 9641 if the password of its user is not known here.
        """
        fields = dict(part.split("=", 1) for part in message.decode("utf-8", "replace").split(",") if "=" in part)
        if not self._said:
            user = fields.get("n", "").replace("=2C", ",").replace("=3D", "=")
            self._password = _known(self._mechanism, user)
            salt = base64.b64encode(secrets.token_bytes(16)).decode()
            first = f"r={fields.get('r', '')}{secrets.token_hex(12)},s={salt},i={_ROUNDS}".encode()
            self._said = [message.partition(b",,")[2], first]
            return first
        bare, _, _ = message.partition(b",p=")
        salt_text = self._said[1].decode().split(",")[1][2:]
        salted = hashlib.pbkdf2_hmac(self._hash, self._password.encode(), base64.b64decode(salt_text), _ROUNDS)
        key = hmac.digest(salted, b"Server Key", self._hash)
        return b"v=" + base64.b64encode(hmac.digest(key, b",".join([*self._said, bare]), self._hash))


def _known(mechanism: str, user: str) -> str:
    password = _passwords.get(user)
    if password is None:
        raise UnsupportedError(
            9641,
            f"a client logs in by {mechanism}, whose server has to know the password, and a cassette holds none",
            hint="let it log in by PLAIN or not at all where it replays, or replay it in its process, by use_cassette",
        )
    return password
