"""The user's cache of archives and index files: shared by all projects, deletable at any time."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from x07py.errors import PackageError
from x07py.pkg.layout import cache_folder

if TYPE_CHECKING:
    from pathlib import Path


_PAGES = "pages.sqlite3"


class Cache:
    """Reads and writes cached bytes. Archives are files; pages, small and many, are rows of one file.

    What cannot be written is simply not cached; what is damaged is not believed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder`, by default the user's."""
        self.folder = folder or cache_folder()
        self._guard = threading.Lock()
        self._pages: sqlite3.Connection | None = None

    def archive(self, sha256: str) -> bytes | None:
        """Return the archive with that digest, or None; a file with another digest is removed."""
        path = self._archive_path(sha256)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            with suppress(OSError):
                path.unlink()
            return None
        return data

    def keep_archive(self, sha256: str, data: bytes) -> None:
        """Keep an archive whose digest was checked."""
        self._write(self._archive_path(sha256), data)

    def _archive_path(self, sha256: str) -> Path:
        return self.folder / "archives" / sha256[:2] / f"{sha256}.x07pkg"

    def page(self, url: str) -> tuple[str | None, bytes] | None:
        """Return the etag and the content that `url` had when it was last fetched, or None."""
        rows = self._query("SELECT etag, sha256, body FROM pages WHERE url = ?", url)
        if not rows or hashlib.sha256(rows[0][2]).hexdigest() != rows[0][1]:
            return None
        return rows[0][0], rows[0][2]

    def keep_page(self, url: str, etag: str | None, body: bytes) -> None:
        """Keep what `url` holds now."""
        digest = hashlib.sha256(body).hexdigest()
        self._query("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?)", url, etag, digest, body)

    def close(self) -> None:
        """Close the file of pages."""
        with self._guard:
            if self._pages is not None:
                self._pages.close()
                self._pages = None

    def _query(self, statement: str, *values: object) -> list[Any]:
        """Run a statement on the pages; a damaged file is made anew, one that cannot be used answers nothing."""
        with self._guard:
            for _ in range(2):
                try:
                    if self._pages is None:
                        self._pages = self._connect()
                    return self._pages.execute(statement, values).fetchall()
                except sqlite3.OperationalError:
                    return []
                except (sqlite3.DatabaseError, OSError):
                    self._pages = None
                    with suppress(OSError):
                        (self.folder / _PAGES).unlink()
            return []

    def _connect(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        # Each page is its own transaction: an open one would make other processes wait.
        pages = sqlite3.connect(self.folder / _PAGES, timeout=10, check_same_thread=False, isolation_level=None)
        try:
            pages.execute("PRAGMA synchronous = OFF")
            pages.execute("CREATE TABLE IF NOT EXISTS pages (url TEXT PRIMARY KEY, etag TEXT, sha256 TEXT, body BLOB)")
        except sqlite3.Error:
            pages.close()
            raise
        return pages

    def _write(self, path: Path, data: bytes) -> None:
        draft = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            try:
                file = draft.open("wb")
            except FileNotFoundError:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = draft.open("wb")
            with file:
                file.write(data)
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()


def not_cached(what: str) -> PackageError:
    """Return the error for something that is needed offline and was never fetched."""
    return PackageError(
        "X07PKG_OFFLINE_MISSING_DEP",
        "it was never fetched, and --offline forbids fetching it",
        where=what,
        hint="run the command once without --offline and X07_OFFLINE",
    )
