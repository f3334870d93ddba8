"""Files and grants that x07 handles for a user, where a program that it ran before may have laid a link."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.errors import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITABLE_BY_OTHERS = 0o022


def laid_link(path: Path, root: Path) -> Path | None:
    """Return the first link on the way to `path` that a program could have laid, or None.

    A link is trusted if it lies outside of the project and of the user's home, in a folder of the administrator's that
    nobody else may change: ``/bin``, ``/var/run``.

    Args:
        path: an absolute path; its last part is looked at as well.
        root: the project.
    """
    return next((part for part in _parts(path) if part.is_symlink() and not _is_trusted(part, root)), None)


def _parts(path: Path) -> Iterator[Path]:
    yield from reversed([one for one in path.parents if one != Path(path.anchor)])
    yield path


def _is_trusted(link: Path, root: Path) -> bool:
    folder = link.parent
    if any(folder.resolve().is_relative_to(one) for one in (root.resolve(), Path.home())):
        return False
    found = folder.stat()
    return found.st_uid == 0 and not stat.S_IMODE(found.st_mode) & _WRITABLE_BY_OTHERS


def check_own_file(path: Path, root: Path, option: str) -> Path:
    """Return the absolute path of a file that x07 shall write, by which no link leads anywhere else.

    Args:
        path: as it was given.
        root: the project.
        option: what it was given for.

    Raises:
        RunError: ``X07RUN_FILE`` for a link on the way.
    """
    whole = Path(os.path.abspath(path))  # noqa: PTH100 (a link is not to be followed)
    link = laid_link(whole, root)
    if link is not None:
        raise RunError(
            "X07RUN_FILE",
            f"cannot write: {link} is a link to {link.readlink()}, and nothing is written through one",
            where=str(path),
            hint=f"remove the link if you did not lay it, or name the place that it leads to with {option}",
        )
    return whole


def check_grant(text: str, root: Path, source: str) -> Path:
    """Return the path of a grant, without links that a program could have laid since it was written.

    Args:
        text: the path, below `root` if it is relative.
        root: the project.
        source: what grants it.

    Raises:
        RunError: ``X07RUN_PATH`` for such a link, and for a path that does not exist.
    """
    whole = _without_laid_links(text, root, source)
    if not whole.exists():
        raise RunError("X07RUN_PATH", f"{text!r} does not exist", where=source, hint="make it first, or check the path")
    return Path(os.path.realpath(whole))


def check_unix_grant(text: str, root: Path, source: str) -> str:
    """Return the path of a Unix socket, which may not be there yet, or of a folder of them; ``@NAME`` stays.

    Args:
        text: the path, below `root` if it is relative, or the abstract name.
        root: the project.
        source: what grants it.

    Raises:
        RunError: ``X07RUN_PATH`` for a link that a program could have laid, for a path in no folder, for another file.
    """
    if text.startswith("@"):
        return text
    whole = _without_laid_links(text, root, source)
    if not whole.parent.is_dir():
        hint = "make the folder first, or check the path"
        raise RunError("X07RUN_PATH", f"there is no folder {str(whole.parent)!r}", where=source, hint=hint)
    if whole.exists() and not whole.is_socket() and not whole.is_dir():
        hint = "name a socket or a folder of sockets; --allow-read and --allow-write grant files"
        raise RunError("X07RUN_PATH", f"{text!r} is no socket", where=source, hint=hint)
    return os.path.realpath(whole)


def _without_laid_links(text: str, root: Path, source: str) -> Path:
    whole = Path(os.path.abspath(root / text))  # noqa: PTH100
    link = laid_link(whole, root)
    if link is not None:
        raise RunError(
            "X07RUN_PATH",
            f"{text!r} goes through the link {link} to {link.readlink()}, which a program may have laid",
            where=source,
            hint=f"remove the link, or grant the place that you mean: {os.path.realpath(whole)}",
        )
    return whole
