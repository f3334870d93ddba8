"""Cassette files: reading one, writing one so that a crash loses nothing, and the integrity side file.

A recording goes to ``NAME.partial`` beside the cassette, under an exclusive lock. When the session ends well, the
partial is flushed to disk, its digest is noted in ``.x07_rr/cassettes.lock.json``, and it replaces the cassette in
one rename. A process that dies leaves the old cassette as it was and the partial, which `x07 rr recover` turns into a
cassette up to its last whole entry. Appending in place would have been simpler and is what the reference does; a
crash then leaves a file that does not open. A journal would save the copy of the existing content, at the price of a
second format.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, Self

from x07py.errors import CassetteError, FileError, UsageError
from x07py.files import (
    TooLargeError,
    cannot_write,
    digest_file,
    load_json,
    open_file,
    open_folder,
    open_in,
    read_file,
    replace_file,
)
from x07py.rr.varying import Varying
from x07py.worlds import CASSETTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = CASSETTES
SIDE_FILE = "cassettes.lock.json"
_SIDE_SCHEMA = "x07.rr.cassettes.lock@0.1.0"
PARTIAL, DAMAGED = ".partial", ".damaged"
_LARGEST, _LARGEST_SIDE = 2**40, 2**26
_LARGE = 2**20


def read_cassette(path: Path, max_bytes: int | None = None) -> bytes:
    """Return the bytes of a cassette.

    Raises:
        CassetteError: 2002 if it cannot be opened or read, 2003 if it has more than `max_bytes`.
    """
    try:
        return read_file(path, limit=_LARGEST if max_bytes is None else max_bytes, root=project_of(path))
    except TooLargeError:
        raise CassetteError(
            2003,
            f"the cassette has {path.stat().st_size} bytes, {'the policy allows' if max_bytes else 'at most'} "
            f"{_LARGEST if max_bytes is None else max_bytes}",
            where=str(path),
            hint="raise max_cassette_bytes in the policy under arch/rr, or record less",
        ) from None
    except OSError as error:
        raise CassetteError(
            2002,
            f"cannot read the cassette: {error.strerror}",
            where=str(path),
            hint="check the name; record it first with mode record",
        ) from None


def project_of(cassette: Path) -> Path | None:
    """Return the project whose ``.x07_rr`` a file lies in: no folder from there on may be a link."""
    return next((one.parent for one in cassette.parents if one.name == FOLDER), None)


def _lock(file: IO[bytes], path: Path, about: Path) -> None:
    """Take the writer's lock on an open file, which must still be the one at `path`; errors are about `about`.

    Raises:
        CassetteError: 2052 if another process has it, or has just put the file away.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CassetteError(
            2052,
            "another process is recording this cassette",
            where=str(about),
            hint="wait for it, or record to another name",
        ) from None
    if not path.exists() or os.fstat(file.fileno()).st_ino != path.stat().st_ino:
        raise CassetteError(2052, "another process has just recorded it", where=str(about), hint="try again")


class PartialFile:
    """The file that a recording grows in until it replaces the cassette; holds the writer's lock.

    Until then this user alone can read it. Every `write` is handed to the operating system at once, so a killed process
    loses nothing that was written.
    """

    def __init__(self, cassette: Path, *, replace: bool = False) -> None:
        """Open the empty partial file of `cassette`.

        Args:
            cassette: the file that the recording shall become.
            replace: whether what an interrupted recording left is emptied first.

        Raises:
            CassetteError: 2052 if another process records it now, 2053 if an interrupted recording is left over.
            FileError: ``X07IO_WRITE``.
        """
        self.cassette = cassette
        self.path: Path = cassette.with_name(cassette.name + PARTIAL)
        try:
            root = project_of(cassette)
            folder = open_folder(cassette.parent, root=root, create=True)
            try:
                found = open_in(folder, self.path.name, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            finally:
                os.close(folder)
            self._file: IO[bytes] = os.fdopen(found, "ab", buffering=0)
            self._mode = (cassette if cassette.is_file() else self.path).stat().st_mode & 0o777
            os.fchmod(found, 0o600)  # what was not published yet is nobody else's
        except OSError as error:
            raise cannot_write(self.path, error) from None
        self.size: int = 0
        try:
            self._claim(replace=replace)
        except BaseException:
            self._file.close()
            raise

    def _claim(self, *, replace: bool) -> None:
        _lock(self._file, self.path, self.cassette)
        if replace:
            self._file.truncate(0)
        elif os.fstat(self._file.fileno()).st_size:
            raise CassetteError(
                2053,
                "an interrupted recording is left over",
                where=str(self.path),
                hint=f"`x07 rr recover {self.cassette.name}` keeps it; with --discard it is deleted",
            )

    def fileno(self) -> int:
        """Return the file's descriptor."""
        return self._file.fileno()

    def write(self, *pieces: bytes) -> None:
        """Append whole frames, in pieces; large ones are not copied.

        Raises:
            FileError: ``X07IO_WRITE``; a frame that did not fit is taken back, so the partial stays whole.
        """
        size = sum(map(len, pieces))
        try:
            for part in pieces if size > _LARGE else (b"".join(pieces),):
                view = memoryview(part)
                while view:
                    view = view[self._file.write(view) or 0 :]
        except OSError as error:
            os.ftruncate(self._file.fileno(), self.size)
            raise cannot_write(self.path, error) from None
        self.size += size

    def publish(self, entries: int, varying: Varying) -> None:
        """Make the partial the cassette: to disk, digest and what may differ noted, renamed.

        Raises:
            FileError: ``X07IO_WRITE``; the old cassette is untouched and the partial is kept.
        """
        try:
            os.fsync(self._file.fileno())
            with SideFile(self.cassette) as side:
                side.expect(digest_file(self.path), self.size, entries, varying)
                self._rename()
                side.settle()
        except OSError as error:
            raise cannot_write(self.cassette, error) from None
        finally:
            self._file.close()

    def _rename(self) -> None:
        folder = open_folder(self.cassette.parent, root=project_of(self.cassette))
        try:
            os.fchmod(self._file.fileno(), self._mode)
            os.replace(self.path.name, self.cassette.name, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)
        finally:
            os.close(folder)

    def leave(self) -> None:
        """Stop recording and keep what was written for `x07 rr recover`; an empty partial is removed."""
        if self.size == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def drop(self) -> None:
        """Stop recording and remove the partial."""
        self.path.unlink(missing_ok=True)
        self._file.close()


@contextmanager
def claimed(source: Path) -> Iterator[None]:
    """Hold the writer's lock on a cassette or interrupted recording for the block.

    Raises:
        CassetteError: 2002 if it cannot be opened, 2052 if it is being recorded.
    """
    try:
        file = open_file(source)
    except OSError as error:
        raise CassetteError(
            2002, f"cannot read the cassette: {error.strerror}", where=str(source), hint="check the name"
        ) from None
    with file:
        _lock(file, source, source)
        yield


def publish_recovered(source: Path, target: Path, data: bytes, entries: int) -> Path | None:
    """Write a recovered cassette, note its digest, and put away the file that it came from.

    An interrupted recording is removed; a damaged cassette that is replaced stays beside it as ``NAME.damaged``, whose
    path is returned.

    Raises:
        FileError: ``X07IO_WRITE``; `source` is untouched then. ``X07IO_EXISTS`` if there is a ``NAME.damaged`` already.
    """
    kept = source.with_name(source.name + DAMAGED) if source == target else None
    try:
        if kept is not None:
            kept.hardlink_to(source)
        with SideFile(target) as side:
            side.expect(hashlib.sha256(data).hexdigest(), len(data), entries)
            replace_file(target, data, root=project_of(target))
            side.settle()
        if source.name == target.name + PARTIAL:
            source.unlink()
    except FileExistsError:
        raise FileError(
            "X07IO_EXISTS", "the file exists", where=str(kept), hint="move it away, or recover with --output"
        ) from None
    except OSError as error:
        raise cannot_write(target, error) from None
    return kept


class SideFile:
    """``cassettes.lock.json``: digest, size and entry count of every cassette recorded here.

    A replacement is noted as ``pending`` before the rename and becomes ``sha256`` after it, so that a crash between the
    two leaves a file that accepts the cassette before and after.
    """

    def __init__(self, cassette: Path) -> None:
        self._cassette = cassette.absolute()
        folder = next((one for one in self._cassette.parents if one.name == FOLDER), self._cassette.parent)
        self.path: Path = folder / SIDE_FILE
        self.name: str = self._cassette.relative_to(folder).as_posix()

    def __enter__(self) -> Self:
        self._guard = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._guard, fcntl.LOCK_EX)
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._guard)

    def read(self) -> dict[str, Any]:
        """Return the document, empty if there is none yet.

        Raises:
            CassetteError: 2054 if the file is not a side file.
        """
        try:
            document = load_json(read_file(self.path, limit=_LARGEST_SIDE, root=project_of(self.path)))
            if document["schema_version"] != _SIDE_SCHEMA or not isinstance(document["cassettes"], dict):
                raise ValueError
        except FileNotFoundError:
            return {"schema_version": _SIDE_SCHEMA, "cassettes": {}}
        except (ValueError, KeyError, TypeError, OSError):
            raise CassetteError(
                2054,
                "the integrity file cannot be read",
                where=str(self.path),
                hint="restore it from version control, or delete it and run `x07 rr verify --write`",
            ) from None
        return document  # type: ignore[no-any-return]

    def expect(self, sha256: str, size: int, entries: int, varying: Varying | None = None) -> None:
        """Note that the cassette is about to become the one with these facts.

        Args:
            sha256: its digest.
            size: its bytes.
            entries: how many it has.
            varying: what of its messages may differ; what was noted before if it is None.
        """
        document = self.read()
        now = digest_file(self._cassette) if self._cassette.is_file() else sha256
        row = document["cassettes"].setdefault(self.name, {"sha256": now})
        row["pending"] = {"sha256": sha256, "bytes": size, "entries": entries}
        varies = row.get("varying") if varying is None else varying.document()
        if varies:
            row["pending"]["varying"] = varies
        self._write(document)

    def settle(self) -> None:
        """Note that what was expected has happened."""
        document = self.read()
        document["cassettes"][self.name] = document["cassettes"][self.name]["pending"]
        self._write(document)

    def _write(self, document: dict[str, Any]) -> None:
        replace_file(
            self.path, json.dumps(document, indent=2, sort_keys=True).encode() + b"\n", root=project_of(self.path)
        )

    def varying(self) -> Varying:
        """Return what of the cassette's messages may differ, as was declared when it was recorded.

        Raises:
            CassetteError: 2054 if the file is not a side file.
        """
        row = self.read()["cassettes"].get(self.name)
        try:
            return Varying.from_document(row.get("varying", {}) if isinstance(row, dict) else {})
        except UsageError as error:
            raise CassetteError(2054, error.message, where=str(self.path), hint=error.hint) from None

    def verify(self, data: bytes) -> bool:
        """Check `data` against the noted digest; return False if the cassette is not listed.

        Raises:
            CassetteError: 2055 if it is another file than the one that was recorded.
        """
        row = self.read()["cassettes"].get(self.name)
        if row is None:
            return False
        actual = hashlib.sha256(data).hexdigest()
        if actual not in (row.get("sha256"), row.get("pending", {}).get("sha256")):
            raise CassetteError(
                2055,
                "the cassette is not the one that was recorded here",
                where=self.name,
                hint=f"restore it or record again; if the change is meant: x07 rr verify --write {self.name}",
            )
        return True
