"""What earlier runs found, in the user's cache folder and never in a checkout.

A file's summary is kept by the hash of its content, so projects share it; a whole answer by everything that it was made
from: every file that was read and every folder that was looked through, with their facts. What is damaged, or was
written by another version, counts as not there. The folder can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py._version import __version__
from x07py.effects.elf import Bound, bound_of
from x07py.effects.facts import facts_of
from x07py.effects.lower import summarize
from x07py.effects.summary import VERSION, Summary, from_plain, plain
from x07py.errors import FileError
from x07py.files import SOURCE_BYTES, read_file, source_text
from x07py.files.own import Seal, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.effects.facts import Facts

ANSWERS, CLOSURES = "answers/", "closures/"
"""What starts the names of what this whole room made; all else comes from `lower` alone."""
_MOST_BYTES = 2**28


def _salt(name: str) -> bytes:
    return _made_by("*" if name.startswith((ANSWERS, CLOSURES)) else "lower*")


@cache
def _made_by(pattern: str) -> bytes:
    """Return what makes caches of other versions of x07py, its tables and Python others.

    Args:
        pattern: which files of this room make what is kept.
    """
    seal = hashlib.sha256(f"{__version__} {VERSION} {sys.version}".encode())
    for file in sorted(Path(__file__).parent.glob(pattern)):
        if file.suffix in {".py", ".toml"}:
            seal.update(file.read_bytes())
    return seal.digest()


class Store:
    """What this user's earlier questions found, in the user's cache folder, behind a seal of the user's key.

    A folder inside the project is not used: a summary that a checkout brings could hide what code reaches.

    Args:
        root: the project; None for one that has no folder, for which nothing is kept.
    """

    def __init__(self, root: Path | None) -> None:
        base = None if root is None else cache_folder(root)
        self.folder: Path | None = None
        with contextlib.suppress(FileError):  # a user without a place for a key keeps nothing
            if root is not None and base is not None:
                self._seal = Seal(root)
                self.folder = base / "x07" / "effects"

    def load(self, name: str) -> Any:
        """Return the value that this version kept under a name, or None."""
        if self.folder is None:
            return None
        try:
            data = self._seal.off(read_file(self.folder / name, limit=_MOST_BYTES), _salt(name) + name.encode())
        except OSError:
            return None
        return None if data is None else marshal.loads(data)  # noqa: S302 (sealed by this user's key)

    def keep(self, name: str, value: Any) -> None:
        """Keep a value of plain tuples, lists, dicts, texts and numbers; a folder that refuses it costs time only."""
        if self.folder is None:
            return
        file = self.folder / name
        temporary = file.with_name(f"{file.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(self._seal.on(marshal.dumps(value), _salt(name) + name.encode()))
            temporary.replace(file)

    def limit(self, kind: str, most: int) -> None:
        """Take away the oldest values whose names start alike, down to so many."""
        with contextlib.suppress(OSError):
            files = [] if self.folder is None else list((self.folder / kind).iterdir())
            for file in sorted(files, key=lambda one: one.stat().st_mtime_ns)[: max(len(files) - most, 0)]:
                file.unlink(missing_ok=True)


class Summaries:
    """Reads files to summaries through a store, each once, and remembers which files it read.

    Args:
        store: what is known from earlier.
        checkout: what tells the folder that a file must lie in, links followed; None for files of the environment.
    """

    def __init__(self, store: Store, checkout: Callable[[str], Path | None]) -> None:
        self._store = store
        self.checkout = checkout
        self.read: dict[str, tuple[Facts | None, str]] = {}
        """Of each file: its facts before it was read, and a digest of its content, empty for what could not be read."""
        self._known: dict[str, Summary | str] = {}

    def content(self, path: str, limit: int) -> bytes:
        """Return what a file holds.

        Raises:
            OSError: if it cannot be read.
        """
        known, facts = self.read.get(path, (None, ""))[1], facts_of(path)
        self.read[path] = facts, ""
        data = read_file(Path(path), limit=limit, root=self.checkout(path))
        digest = hashlib.sha256(data).hexdigest()
        self.read[path] = facts, digest
        if known not in {"", digest}:
            raise OSError(0, "it changed meanwhile")
        return data

    def digest(self, path: str) -> str:
        """Return the digest of a file's content as it is now. Raises as `content`."""
        return hashlib.sha256(read_file(Path(path), limit=_MOST_BYTES, root=self.checkout(path))).hexdigest()

    def native(self, path: str) -> Bound | None:
        """Return what an extension module may call, or None if its file does not tell."""
        try:
            return bound_of(self.content(path, _MOST_BYTES))
        except OSError:
            return None

    def __call__(self, path: str) -> Summary | str:
        """Return the summary of a file, or why it has none."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._summary(path)
        return found

    def _summary(self, path: str) -> Summary | str:
        try:
            data = self.content(path, SOURCE_BYTES)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
        _, name = self.read[path]
        place = f"{VERSION}/{name[:2]}/{name[2:]}"
        known = self._store.load(place)
        if known is not None:
            return from_plain(known)
        try:
            summary = summarize(source_text(path, data))
        except (SyntaxError, ValueError, RecursionError) as error:
            return f"is not Python: {error.msg if isinstance(error, SyntaxError) else error}"
        self._store.keep(place, plain(summary))
        return summary
