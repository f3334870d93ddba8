"""Tokens for indexes, by origin (scheme, host and port): a token is sent to its origin and to nobody else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from x07py.errors import FileError, PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMA = "x07.credentials@0.1.0"
_PORTS = {"https": 443, "http": 80}


def origin_of(url: str) -> str:
    """Return ``scheme://host:port`` of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}:{parts.port or _PORTS.get(parts.scheme, 0)}"


def credentials_path() -> Path:
    """Return the credentials file: below ``X07_PKG_HOME``, else ``~/.x07``."""
    return Path(os.environ.get("X07_PKG_HOME") or Path.home() / ".x07") / "credentials.json"


def read_tokens() -> Mapping[str, str]:
    """Return the tokens by origin.

    Raises:
        PackageError: ``X07PKG_CREDENTIALS`` if the file can be read by others, or is not what `store_token` writes.
    """
    path = credentials_path()
    try:
        if path.stat().st_mode & 0o077:
            raise _unusable(path, "others can read it", f"chmod 600 {path}")
        document = json.loads(path.read_bytes())
        tokens = document["tokens"]
        if document["schema_version"] != _SCHEMA or not all(isinstance(token, str) for token in tokens.values()):
            raise ValueError
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError, OSError):
        raise _unusable(path, "it is not a credentials file", "store the tokens again with `x07 pkg login`") from None
    return dict(tokens)


def _unusable(path: Path, what: str, hint: str) -> PackageError:
    return PackageError("X07PKG_CREDENTIALS", f"the tokens cannot be used: {what}", where=str(path), hint=hint)


def store_token(url: str, token: str) -> Path:
    """Store the token of the origin of `url`; the file can be read by its owner alone.

    Raises:
        PackageError: ``X07PKG_LOGIN_TOKEN`` for a token that no header can carry; ``X07PKG_CREDENTIALS``.
        FileError: ``X07IO_WRITE``.
    """
    if not token or not all(33 <= ord(sign) <= 126 for sign in token):
        raise PackageError(
            "X07PKG_LOGIN_TOKEN", "the token is empty or has a space or control character", hint="paste it whole"
        )
    path = credentials_path()
    tokens = {**read_tokens(), origin_of(url): token}
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            json.dump({"schema_version": _SCHEMA, "tokens": tokens}, file, indent=2, sort_keys=True)
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise FileError(
            "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(path), hint="set X07_PKG_HOME to another folder"
        ) from None
    return path
