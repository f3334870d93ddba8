"""Where ``*_secret_id`` of a broker profile is looked up, in this order.

1. the environment: ``X07_SECRET_<ID>``, the id in upper case, other characters than letters and digits as ``_``;
2. a folder with one file a secret, named by ``X07_SECRETS_DIR``: ``<ID>``, a final line break is not part of the value;
   a file that everybody may write is refused, one that everybody may read is not: so orchestrators mount secrets;
3. the system's keyring, service ``x07``, if the distribution ``keyring`` is installed.

Every value that was looked up is registered with the record/replay guard, so that no cassette can hold it.
"""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.cleartext import other_machines
from x07py.errors import DriverError, SecretMissingError
from x07py.files import read_file
from x07py.rr.guard import register_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

_log = logging.getLogger("x07py")
FOLDER_VARIABLE = "X07_SECRETS_DIR"
_KEYRING_SERVICE = "x07"
_MOST_BYTES = 2**20
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def secret_variable(secret_id: str) -> str:
    """Return the name of the environment variable that a secret is looked up in."""
    return "X07_SECRET_" + re.sub(r"[^A-Z0-9]", "_", secret_id.upper())


def resolve_secret(secret_id: str) -> str:
    """Return the value of a secret.

    Raises:
        DriverError: 9631 if no source has it, or its id is malformed.
    """
    if not _ID.fullmatch(secret_id):
        raise SecretMissingError(
            9631, f"{secret_id!r} is no id of a secret", hint="use letters, digits, dot, hyphen, _"
        )
    variable = secret_variable(secret_id)
    value = os.environ.get(variable)
    if value is None:
        value = _from_folder(secret_id)
    if value is None:
        value = _from_keyring(secret_id)
    if value is None:
        raise SecretMissingError(
            9631,
            f"the secret {secret_id!r} is nowhere to be found",
            hint=f"set {variable}, or put it in a file {secret_id!r} of the folder that {FOLDER_VARIABLE} names",
        )
    if not value:
        raise SecretMissingError(
            9631, f"the secret {secret_id!r} is empty", hint="give it a value; brokers have no empty ones"
        )
    register_secret(secret_id, value)
    return value


def warn_of_cleartext(profile_id: str, hosts: Sequence[str]) -> None:
    """Warn if credentials go to another machine without TLS."""
    others = other_machines(hosts)
    if others:
        _log.warning(
            "profile %r logs in at %s without TLS: everybody between reads along; set tls in the profile",
            profile_id,
            ", ".join(others),
        )


def _from_folder(secret_id: str) -> str | None:
    folder = os.environ.get(FOLDER_VARIABLE)
    if not folder:
        return None
    if not Path(folder).is_dir():
        raise _unreadable(secret_id, "the folder is not there", folder, f"correct {FOLDER_VARIABLE}")
    file = Path(folder) / secret_id
    try:
        if file.stat().st_mode & stat.S_IWOTH:
            raise _unreadable(secret_id, "everybody may write it", str(file), f"chmod o-w {file}")
        text = read_file(file, limit=_MOST_BYTES).decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = str(error.strerror) if isinstance(error, OSError) else "not UTF-8"
        raise _unreadable(secret_id, reason, str(file), "correct the file") from None
    return text.removesuffix("\n").removesuffix("\r")


def _from_keyring(secret_id: str) -> str | None:
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None
    try:
        found: str | None = keyring.get_password(_KEYRING_SERVICE, secret_id)
    except NoKeyringError:
        return None
    except KeyringError as error:
        reason = f"the keyring does not give it ({type(error).__name__})"
        raise _unreadable(secret_id, reason, f"service {_KEYRING_SERVICE!r}", "unlock the keyring") from None
    return found


def _unreadable(secret_id: str, reason: str, where: str, hint: str) -> DriverError:
    return SecretMissingError(9631, f"the secret {secret_id!r} cannot be read: {reason}", where=where, hint=hint)
