"""What the guard is told of by itself: secrets in settings of clients, logins, addresses, the environment and folders.

Only values that are long enough to be meant, and that no manual prints, are guarded: a recording may say ``guest``.
"""

from __future__ import annotations

import base64
import os
import re
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from x07py.files import read_file
from x07py.rr.guard import register_secret
from x07py.rr.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FOLDERS = ("/run/secrets", "/var/run/secrets/kubernetes.io/serviceaccount")
"""Where orchestrators mount secrets, beside the folder that ``X07_SECRETS_DIR`` names."""
_LEAST = 8
_MOST_FILES, _MOST_BYTES = 1000, 2**16
_FILE = "_FILE"
_URL = re.compile(r"://([^/\s:@]{0,256}):([^/\s@]{1,4096})@")
_JAAS = re.compile(r"""\b(?:password|clientSecret)\s{0,8}=\s{0,8}["']([^"']{1,4096})["']""")
_PRINTED = frozenset({"changeme", "changeit", "password", "password1", "postgres", "rabbitmq", "passw0rd", "12345678"})


def register_known(what: str, value: object, *, user: str = "") -> None:
    """Guard a value that stands where secrets stand, unless it is short, a path, or one that manuals print."""
    text = value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value
    if not isinstance(text, str):
        return
    text = text.strip()
    if len(text) >= _LEAST and text.lower() not in _PRINTED and text != user and not text.startswith(("/", "./")):
        register_secret(what, text)


def register_settings(settings: Mapping[str, Any]) -> None:
    """Guard the secrets in settings of a client, by the names of the settings, and the passwords in its addresses."""
    user = str(settings.get("sasl.username") or settings.get("sasl_plain_username") or "")
    for name, value in settings.items():
        if is_secret_name(name):
            register_known(f"setting {name}", value, user=user)
        if isinstance(value, str):
            _register_inside(f"setting {name}", value)


def register_login(mechanism: str, answer: bytes | str) -> None:
    """Guard the password or token with which a client logs in; SCRAM and GSSAPI show none.

    Args:
        mechanism: name of SASL: ``PLAIN``, ``OAUTHBEARER``, and RabbitMQ's ``AMQPLAIN``.
        answer: what the client sends.
    """
    if isinstance(answer, str):
        answer = answer.encode("utf-8", "surrogateescape")
    if mechanism == "PLAIN":
        _, _, rest = answer.partition(b"\0")
        user, _, password = rest.partition(b"\0")
        register_known("login", password, user=user.decode("utf-8", "replace"))
    elif mechanism == "OAUTHBEARER":
        found = re.search(rb"auth=Bearer ([^\x01]{1,65536})", answer)
        register_known("login", found[1] if found else b"")
    elif mechanism == "AMQPLAIN":
        found = re.search(rb"\x08PASSWORDS(.{4})", answer, re.DOTALL)
        if found:
            register_known("login", answer[found.end() : found.end() + int.from_bytes(found[1], "big")])


def register_http_login(name: str, value: str) -> None:
    """Guard what a header of HTTP logs in with: a password, a token, or the value of a header that is named so."""
    if not is_secret_name(name):
        return
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except ValueError:
            return
        register_known("login", password, user=user)
        register_known("login", rest)
    else:
        register_known("login", rest or scheme)


def register_surroundings() -> None:
    """Guard what variables of the environment and files of secret folders hold."""
    for name, value in os.environ.items():
        if is_secret_name(name):
            register_known(f"variable {name}", value)
        elif name.endswith(_FILE) and is_secret_name(name.removesuffix(_FILE)):
            _register_file(f"variable {name}", Path(value))
        _register_inside(f"variable {name}", value)
    for folder in (os.environ.get("X07_SECRETS_DIR", ""), *FOLDERS):
        for file in islice(_files(folder), _MOST_FILES):
            _register_file(f"file {file}", file)


def _register_inside(what: str, text: str) -> None:
    """Guard the passwords in an address and in a line of JAAS."""
    for user, password in _URL.findall(text):
        register_known(what, unquote(password), user=unquote(user))
    for password in _JAAS.findall(text):
        register_known(what, password)


def _files(folder: str) -> Iterator[Path]:
    try:
        if folder:
            yield from sorted(Path(folder).iterdir())
    except OSError:
        return


def _register_file(what: str, file: Path) -> None:
    try:
        register_known(what, read_file(file, limit=_MOST_BYTES))
    except (OSError, ValueError):
        return  # what cannot be read cannot be given to a client
