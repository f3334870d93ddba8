"""The user's cache of archives and index files: shared by all projects, deletable at any time."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path

from x07py.errors import PackageError


def cache_folder() -> Path:
    """Return the cache: ``X07_CACHE_DIR``, else ``x07py`` below ``XDG_CACHE_HOME`` or ``~/.cache``."""
    own = os.environ.get("X07_CACHE_DIR")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "x07py"


class Cache:
    """Reads and writes cached bytes. What cannot be written is simply not cached; what is damaged is not believed."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use `folder`, by default the user's."""
        self.folder = folder or cache_folder()

    def archive(self, sha256: str) -> bytes | None:
        """Return the archive with that digest, or None; a file with another digest is removed."""
        path = self._archive_path(sha256)
        try:
            data = path.read_bytes()
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != sha256:
            path.unlink(missing_ok=True)
            return None
        return data

    def keep_archive(self, sha256: str, data: bytes) -> None:
        """Keep an archive whose digest was checked."""
        self._write(self._archive_path(sha256), data)

    def _archive_path(self, sha256: str) -> Path:
        return self.folder / "archives" / sha256[:2] / f"{sha256}.x07pkg"

    def page(self, url: str) -> tuple[str | None, bytes] | None:
        """Return the etag and the content that `url` had when it was last fetched, or None."""
        try:
            head, _, body = self._page_path(url).read_bytes().partition(b"\n")
            facts = json.loads(head)
            if facts["url"] != url or facts["sha256"] != hashlib.sha256(body).hexdigest():
                return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return facts.get("etag"), body

    def keep_page(self, url: str, etag: str | None, body: bytes) -> None:
        """Keep what `url` holds now."""
        facts = {"url": url, "etag": etag, "sha256": hashlib.sha256(body).hexdigest()}
        self._write(self._page_path(url), json.dumps(facts).encode() + b"\n" + body)

    def _page_path(self, url: str) -> Path:
        digest = hashlib.sha256(url.encode()).hexdigest()
        return self.folder / "pages" / digest[:2] / digest

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
            draft.unlink(missing_ok=True)


def not_cached(what: str) -> PackageError:
    """Return the error for something that is needed offline and was never fetched."""
    return PackageError(
        "X07PKG_OFFLINE_MISSING_DEP",
        "it was never fetched, and --offline forbids fetching it",
        where=what,
        hint="run the command once without --offline and X07_OFFLINE",
    )
