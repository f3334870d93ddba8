"""Publishing into a folder that any static web server can serve, and withdrawing what was published."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from x07py.contracts.semver import parse_version
from x07py.errors import FileError, PackageError
from x07py.pkg.archive import pack
from x07py.pkg.layout import ENTRY_SCHEMA, page_path
from x07py.pkg.local import read_folder, toolchain_packages
from x07py.pkg.signing import sign_entry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.pkg.entry import Entry

_REQUIRED = ("description", "docs", "license")


def pack_folder(folder: Path) -> tuple[Entry, bytes]:
    """Return the package in `folder` and its archive, the same bytes for the same content.

    Raises:
        PackageError: ``X07PKG_PACK_FAILED`` if it lacks what a published package needs; what `read_folder` raises.
    """
    entry, contents = read_folder(folder, source="path+.")
    lacking = [key for key in _REQUIRED if not str(entry.manifest.get(key) or "").strip()]
    if lacking or not entry.modules:
        raise PackageError(
            "X07PKG_PACK_FAILED",
            f"the package manifest lacks {', '.join(lacking) or 'modules'}",
            where=str(folder),
            hint="say it in x07-package.json; users read it before they add the package",
        )
    return entry, pack(contents, where=str(folder))


def publish(folder: Path, index: Path, key: Path | None) -> dict[str, Any]:
    """Publish the package in `folder` into the index folder `index`; the same package again changes nothing.

    Args:
        folder: the package.
        index: the folder of the index; made if it does not exist.
        key: private key to sign the entry with; its file's stem is the key's id.

    Returns:
        The index entry.

    Raises:
        PackageError: ``X07PKG_PUBLISH_EXISTS`` if that version was published with other content, or its name is
            reserved; ``X07PKG_PACK_FAILED``; what `sign_entry` raises.
        FileError: ``X07IO_WRITE``.
    """
    entry, archive = pack_folder(folder)
    if entry.name in toolchain_packages():
        raise _exists(entry, "its name is that of a package of x07py")
    row: dict[str, Any] = {
        "schema_version": ENTRY_SCHEMA,
        "cksum": hashlib.sha256(archive).hexdigest(),
        "yanked": False,
        "files": dict(entry.files),
        "package": dict(entry.manifest),
    }
    if key is not None:
        row["signature"] = sign_entry(row, key)
    with _held(index):
        rows = _rows(index, entry.name)
        known = _names(index)
        same = next((old for old in rows if old["package"]["version"] == entry.version.text), None)
        twin = next((old["package"]["version"] for old in rows if old is not same and _is_twin(old, entry)), None)
        if twin is not None:
            raise _exists(entry, f"{twin} was, and a pin cannot tell the two apart")
        if same is not None and same["cksum"] != row["cksum"]:
            raise _exists(entry, "that version was published with other content")
        if same is not None and ("signature" in same or key is None):
            return same
        _write(index / "dl" / entry.name / entry.version.text / "download", archive)
        _write_rows(index, entry.name, [old for old in rows if old is not same] + [row])
        _write(index / "names.json", json.dumps(sorted({*known, entry.name})).encode())
        if not (index / "config.json").exists():
            _write(index / "config.json", b'{"dl": "dl/"}\n')
    return row


def _is_twin(old: dict[str, Any], entry: Entry) -> bool:
    """Tell whether two versions differ in their build metadata alone, which does not order them."""
    return parse_version(old["package"]["version"]).key == entry.version.key


def _names(index: Path) -> list[str]:
    path = index / "names.json"
    try:
        names = json.loads(path.read_bytes()) if path.exists() else []
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise PackageError(
            "X07PKG_INDEX_PARSE",
            "the list of names cannot be used",
            where=str(path),
            hint="restore it from a backup; it is a JSON list of the names of all packages",
        )
    return names


def _exists(entry: Entry, what: str) -> PackageError:
    return PackageError(
        "X07PKG_PUBLISH_EXISTS",
        f"{entry.name} {entry.version.text} cannot be published: {what}",
        hint="publish under a new version or name; a published version never changes",
    )


def yank(index: Path, name: str, version: str, *, undo: bool) -> None:
    """Withdraw a published version: it is chosen for nobody who does not have it locked or pinned. Its archive stays.

    Raises:
        PackageError: ``X07PKG_INDEX_NO_MATCH`` if the index folder does not list it.
        FileError: ``X07IO_WRITE``.
    """
    with _held(index):
        rows = _rows(index, name)
        row = next((row for row in rows if row["package"]["version"] == version), None)
        if row is None:
            raise PackageError(
                "X07PKG_INDEX_NO_MATCH",
                f"the index does not list {name} {version}",
                where=str(index),
                hint="give NAME@VERSION as it was published",
            )
        row["yanked"] = not undo
        _write_rows(index, name, rows)


@contextmanager
def _held(index: Path) -> Iterator[None]:
    try:
        index.mkdir(parents=True, exist_ok=True)
        fd = os.open(index, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _cannot_write(index, error) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    except OSError as error:
        raise _cannot_write(index, error) from None
    finally:
        os.close(fd)


def _cannot_write(index: Path, error: OSError) -> FileError:
    return FileError(
        "X07IO_WRITE", f"cannot write: {error.strerror}", where=str(index), hint="name a folder that can be written"
    )


def _rows(index: Path, name: str) -> list[dict[str, Any]]:
    page = index / page_path(name)
    if not page.exists():
        return []
    try:
        rows = [json.loads(line) for line in page.read_bytes().splitlines() if line.strip()]
        if all(row["schema_version"] == ENTRY_SCHEMA and row["package"]["version"] and row["cksum"] for row in rows):
            return rows
    except (ValueError, KeyError, TypeError):
        pass
    raise PackageError(
        "X07PKG_INDEX_PARSE", "the index page cannot be used", where=str(page), hint="restore it from a backup"
    )


def _write_rows(index: Path, name: str, rows: list[dict[str, Any]]) -> None:
    ordered = sorted(rows, key=lambda row: str(row["package"]["version"]))
    lines = [json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for row in ordered]
    _write(index / page_path(name), ("\n".join(lines) + "\n").encode())


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
