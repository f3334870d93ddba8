"""Files of a project change together or not at all, whatever kills the process that changes them.

Manifest and lock of the package manager, or the JSON files that a repair of the architecture check changes.

The new files are written beside the old ones; a journal names them; each is renamed into place; the journal goes. The
journal stands in the user's state folder, sealed: one that somebody committed would replace files unseen. Until it
stands, nothing has happened. Once it stands, whoever reads the project next finishes the renames. Writing
the old content back after a crash would need it to be kept; going forward needs only what is there anyway.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from x07py.errors import FileError
from x07py.files import (
    LinkError,
    NotAFileError,
    cannot_write,
    digest_file,
    load_json,
    read_file,
    refuse_link,
    replace_file,
)
from x07py.files.own import project_id, seal, state_folder, unseal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ".x07"
_MOST_BYTES = 2**20
_GUARD = "guard"
_NAMES = frozenset({"pyproject.toml", "x07.toml", "x07.lock"})
_SUFFIX = ".x07new"


def make_own_folder(root: Path) -> None:
    """Make the project's ``.x07``, which git passes over; raises OSError, and FileError where it is a link."""
    folder = root / FOLDER
    refuse_link(folder)
    folder.mkdir(exist_ok=True)
    ignore = folder / ".gitignore"
    if not os.path.lexists(ignore):
        ignore.write_text("*\n", encoding="utf-8")


@contextmanager
def project_lock(root: Path) -> Iterator[None]:
    """Hold the project for this process alone; waits for the one that holds it, and finishes what a crash left.

    Raises:
        FileError: ``X07IO_WRITE`` if the project's folder cannot be written.
    """
    guard = root / FOLDER / _GUARD
    try:
        make_own_folder(root)
        fd = os.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise cannot_write(guard, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        _finish(root)
        yield
    finally:
        os.close(fd)


def settle(root: Path) -> None:
    """Finish a change that a crash interrupted, so that manifest and lock belong together; usually there is none.

    Raises:
        FileError: ``X07IO_WRITE`` if there is one and the folder cannot be written.
    """
    if _journal(root).exists():
        with project_lock(root):
            pass


def change_together(root: Path, files: Mapping[str, bytes]) -> None:
    """Replace `files` (paths below `root`) as one change; the caller holds `project_lock`.

    Raises:
        FileError: ``X07IO_WRITE``, also if one of them is a link; nothing has changed then.
        ValueError: for a name that `settle` would not finish.
    """
    if unknown := [name for name in files if not _is_ours(name)]:
        raise ValueError(f"not a file that changes together with others: {min(unknown)}")
    for name in files:
        for path in (root / name, *(root / name).parents):
            if path == root:
                break
            refuse_link(path)
    staged: list[Path] = []
    journal = _journal(root)
    try:
        for name, data in files.items():
            target, new = root / name, _staged(root, name)
            staged.append(new)
            new.unlink(missing_ok=True)
            replace_file(new, data, root=root, mode=target.stat().st_mode & 0o777 if target.exists() else 0o644)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        for folder in {(root / name).parent for name in files}:
            _sync(folder)
        replace_file(journal, seal(root, json.dumps(digests).encode()), mode=0o600)
    except (OSError, FileError) as error:
        for path in staged:
            path.unlink(missing_ok=True)
        raise (cannot_write(root, error) if isinstance(error, OSError) else error) from None
    _finish(root)


def _staged(root: Path, name: str) -> Path:
    return (root / name).with_name(f".{(root / name).name}{_SUFFIX}")


def _is_ours(name: str) -> bool:
    """Tell whether `settle` would finish a change of this file: no other may be named by a journal."""
    parts = name.split("/")
    return name in _NAMES or (name.endswith(".json") and not {"", ".", "..", FOLDER}.intersection(parts))


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _finish(root: Path) -> None:
    """Rename what the journal names; without a journal, drop what a crash before it left."""
    journal = _journal(root)
    try:
        planned = _planned(root, journal)
        for name in sorted(_NAMES | {name for name in planned if _is_ours(name)}):
            new = _staged(root, name)
            if not new.exists():
                continue
            if planned.get(name, "") == _digest(new, root):
                new.replace(root / name)
                _sync(new.parent)
            else:
                new.unlink()
        journal.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(root, error) from None


def _digest(file: Path, root: Path) -> str | None:
    with suppress(NotAFileError, LinkError):
        return digest_file(file, root=root)
    return None


def _planned(root: Path, journal: Path) -> dict[str, object]:
    """Return the digests that the journal names; a file that is no journal of this user names none."""
    try:
        planned = load_json(unseal(root, read_file(journal, limit=_MOST_BYTES)) or b"{}")
    except (FileNotFoundError, NotAFileError, ValueError):
        return {}
    return planned if isinstance(planned, dict) else {}


def _journal(root: Path) -> Path:
    """Return the journal of a project: the user's, so that it finishes only what this machine began."""
    return state_folder(root) / f"journal-{project_id(root)}"
