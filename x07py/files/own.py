"""The user's own folders, which no checkout can bring: state, what runs now, caches, and a key that seals data.

A folder counts only if it belongs to this user, nobody else can write to it, it is no link, and it does not lie in the
project that is worked on. Where the usual place does not do, it is one of the user's below the folder for temporary
files, which is made for this user alone.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import FileError
from x07py.files.reading import read_file
from x07py.files.writing import cannot_write, replace_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "x07"
_KEY_BYTES = 32
_SEAL_BYTES = 32
_warned: set[str] = set()


def project_id(root: Path) -> str:
    """Return what a project is called in the user's folders: a digest of its path."""
    return hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]


def state_folder(root: Path) -> Path:
    """Return the folder of what must last: ``XDG_STATE_HOME``, else ``~/.local/state``; never inside `root`.

    Raises:
        FileError: ``X07IO_WRITE`` if there is none that is safe.
    """
    return _first(root, _usual("XDG_STATE_HOME", ".local/state"))


def runtime_folder(root: Path) -> Path:
    """Return the folder of what runs now: ``XDG_RUNTIME_DIR``, else one of the user's for temporary files.

    Raises:
        FileError: ``X07IO_WRITE`` if there is none that is safe.
    """
    base = os.environ.get("XDG_RUNTIME_DIR", "")
    return _first(root, Path(base) if base.startswith("/") else None)


def cache_folder(root: Path) -> Path | None:
    """Return the folder of caches, or None if the user has none; one inside `root` is not used, with a word."""
    base = _usual("XDG_CACHE_HOME", ".cache")
    if base is None:
        return None
    if _is_inside(base, root):
        _warn(f"{base} lies in the project: nothing is kept there, and nothing in it is believed")
        return None
    return base


def seal(root: Path, data: bytes) -> bytes:
    """Return `data` behind a seal that only this user's key makes.

    Raises:
        FileError: ``X07IO_WRITE`` if there is no place for a key.
    """
    return Seal(root).on(data)


def unseal(root: Path, sealed: bytes) -> bytes | None:
    """Return what `seal` was given, or None for anything that this user has not sealed.

    Raises:
        FileError: ``X07IO_WRITE`` if there is no place for a key.
    """
    return Seal(root).off(sealed)


class Seal:
    """`seal` and `unseal` for many files, with a key that is read once.

    Args:
        root: the project.

    Raises:
        FileError: ``X07IO_WRITE`` if there is no place for a key.
    """

    def __init__(self, root: Path) -> None:
        self._key = _key(root)

    def on(self, data: bytes, purpose: bytes = b"") -> bytes:
        """Return `data` behind a seal that holds for one purpose."""
        import hmac

        return hmac.digest(self._key, purpose + data, "sha256") + data

    def off(self, sealed: bytes, purpose: bytes = b"") -> bytes | None:
        """Return what `on` was given for this purpose, or None for anything that this user has not sealed for it."""
        import hmac

        data = sealed[_SEAL_BYTES:]
        expected = hmac.digest(self._key, purpose + data, "sha256")
        return data if hmac.compare_digest(expected, sealed[:_SEAL_BYTES]) else None


def _usual(variable: str, below_home: str) -> Path | None:
    base = os.environ.get(variable, "")
    if base.startswith("/"):
        return Path(base)
    with suppress(RuntimeError):  # a user without a home
        return Path.home() / below_home
    return None


def _first(root: Path, usual: Path | None) -> Path:
    problem: FileError | None = None
    for folder in _places(usual):
        if _is_inside(folder, root):
            _warn(f"{folder} lies in the project: nothing is kept there, and nothing in it is believed")
            continue
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check(folder)
        except OSError as error:
            problem = cannot_write(folder, error, "set XDG_STATE_HOME and XDG_RUNTIME_DIR to folders of your own")
        else:
            return folder
    raise problem or FileError("X07IO_WRITE", "the user has no folder for state", where=str(root))


def _places(usual: Path | None) -> Iterator[Path]:
    """Yield a folder of ours in the usual one, then one for temporary files, which takes an import to find."""
    if usual is not None:
        yield usual / _NAME
    import tempfile

    yield Path(tempfile.gettempdir()) / f"{_NAME}-{os.getuid()}"


def _check(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise PermissionError(1, "it is not a folder of this user alone", str(folder))


def _is_inside(folder: Path, root: Path) -> bool:
    real, top = os.path.realpath(folder), os.path.realpath(root)
    return os.path.commonpath([real, top]) == top and top != os.sep


def _key(root: Path) -> bytes:
    path = state_folder(root) / "key"
    with suppress(OSError):
        key = read_file(path, limit=_KEY_BYTES)
        if len(key) == _KEY_BYTES and not path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            return key
    draft = os.urandom(_KEY_BYTES)
    replace_file(path, draft, mode=0o600)
    return draft


def _warn(text: str) -> None:
    if text not in _warned:
        _warned.add(text)
        import logging

        logging.getLogger("x07py").warning("%s", text)
