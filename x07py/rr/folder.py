"""The project's folder of cassettes: what is in it, and which file a name means."""

from __future__ import annotations

from pathlib import Path

from x07py.contracts.loader import find_root
from x07py.errors import FileError
from x07py.files import LinkError, cannot_read, is_inside
from x07py.rr.cassette_files import FOLDER, PARTIAL, project_of


def locate(name: str) -> Path:
    """Return the file that `name` means: the path itself if it exists, else the cassette of that name in the project.

    Raises:
        FileError: ``X07IO_MISSING`` if neither exists; the hint lists what there is.
    """
    for path in (Path(name), find_root() / FOLDER / name):
        if path.is_file():
            return path
    folder = find_root() / FOLDER
    known = [path.relative_to(folder).as_posix() for path in cassettes_in(folder)]
    raise FileError(
        "X07IO_MISSING",
        f"no cassette {name!r}",
        where=str(folder),
        hint=f"there are: {', '.join(known[:10])}" if known else "record one first; x07 rr list shows what there is",
    )


def cassettes_in(folder: Path) -> list[Path]:
    """Return the cassettes and interrupted recordings below `folder`, sorted.

    Raises:
        FileError: ``X07IO_READ`` if the project's folder of cassettes is a link that leads out of it.
    """
    root = project_of(folder / PARTIAL)
    if root is not None and not is_inside(folder, root):
        error = LinkError(folder, "a symbolic link leads out of the project, where nothing is read")
        raise cannot_read(folder, error, "put the folder itself in the link's place")
    endings = (".x07rr.bin", ".rrbin", PARTIAL)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name.endswith(endings))
