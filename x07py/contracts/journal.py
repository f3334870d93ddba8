"""Files of a project change together or not at all, whatever kills the process that changes them.

Manifest and lock of the package manager, or the JSON files that a repair of the architecture check changes.

The new files are written beside the old ones; a journal names them; each is renamed into place; the journal goes. Until
the journal stands, nothing has happened. Once it stands, whoever reads the project next finishes the renames. Writing
the old content back after a crash would need it to be kept; going forward needs only what is there anyway.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FOLDER = ".x07"
_JOURNAL = "journal.json"
_GUARD = "guard"
_NAMES = frozenset({"pyproject.toml", "x07.toml", "x07.lock"})
_SUFFIX = ".x07new"


@contextmanager
def project_lock(root: Path) -> Iterator[None]:
    """Hold the project for this process alone; waits for the one that holds it, and finishes what a crash left.

    Raises:
        FileError: ``X07IO_WRITE`` if the project's folder cannot be written.
    """
    guard = root / FOLDER / _GUARD
    refuse_link(guard.parent)
    try:
        guard.parent.mkdir(exist_ok=True)
        ignore = guard.with_name(".gitignore")
        if not os.path.lexists(ignore):
            ignore.write_text("*\n", encoding="utf-8")
        fd = os.open(guard, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    except OSError as error:
        raise _cannot_write(guard, error) from None
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
    if (root / FOLDER / _JOURNAL).exists():
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
    journal = root / FOLDER / _JOURNAL
    try:
        for name, data in files.items():
            target, new = root / name, _staged(root, name)
            staged.append(new)
            _write(new, data, target.stat().st_mode & 0o777 if target.exists() else 0o644)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        draft = journal.with_suffix(".draft")
        staged.append(draft)
        _write(draft, json.dumps(digests).encode(), 0o644)
        for folder in {(root / name).parent for name in files}:
            _sync(folder)
        draft.replace(journal)
        _sync(journal.parent)
    except OSError as error:
        for path in staged:
            path.unlink(missing_ok=True)
        raise _cannot_write(root, error) from None
    _finish(root)


def refuse_link(path: Path) -> None:
    """Refuse to write to or below `path` if it is a symbolic link, which may lead out of the project.

    Raises:
        FileError: ``X07IO_WRITE``.
    """
    if path.is_symlink():
        raise FileError(
            "X07IO_WRITE",
            "it is a symbolic link, and nothing is written through one",
            where=str(path),
            hint="put the file or folder itself in the link's place, then run the command again",
        )


def _staged(root: Path, name: str) -> Path:
    return (root / name).with_name(f".{(root / name).name}{_SUFFIX}")


def _is_ours(name: str) -> bool:
    """Tell whether `settle` would finish a change of this file: no other may be named by a journal."""
    parts = name.split("/")
    return name in _NAMES or (name.endswith(".json") and not {"", ".", "..", FOLDER}.intersection(parts))


def _write(path: Path, data: bytes, mode: int) -> None:
    path.unlink(missing_ok=True)  # a link here would lead elsewhere
    with path.open("xb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _finish(root: Path) -> None:
    """Rename what the journal names; without a journal, drop what a crash before it left."""
    journal = root / FOLDER / _JOURNAL
    try:
        planned = _planned(journal)
        for name in sorted(_NAMES | {name for name in planned if _is_ours(name)}):
            new = _staged(root, name)
            if not new.exists():
                continue
            if planned.get(name) == hashlib.sha256(new.read_bytes()).hexdigest():
                new.replace(root / name)
                _sync(new.parent)
            else:
                new.unlink()
        journal.unlink(missing_ok=True)
        journal.with_suffix(".draft").unlink(missing_ok=True)
    except OSError as error:
        raise _cannot_write(root, error) from None


def _planned(journal: Path) -> dict[str, object]:
    """Return the digests that the journal names; a file that is no journal names none."""
    try:
        planned = json.loads(journal.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return planned if isinstance(planned, dict) else {}


def _cannot_write(path: Path, error: OSError) -> FileError:
    return FileError(
        "X07IO_WRITE",
        f"cannot write: {error.strerror}",
        where=str(path),
        hint="make room or choose a folder that can be written, then run the command again",
    )
