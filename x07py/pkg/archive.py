"""Package archives (``.x07pkg``): uncompressed ustar, the same bytes for the same content, and a strict reader.

The reader accepts what the writer makes and nothing else. `tarfile` accepts links, devices, sparse files, extended
headers and trailing data, each of which has been a hole in some unpacker; here there is no branch that could.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from x07py.contracts.lockfile import is_inside
from x07py.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping

BLOCK = 512
MAX_ARCHIVE = 64 * 1024 * 1024
"""Most bytes of an archive, and so of all its files, since nothing is compressed."""
MAX_FILES = 4096
_REGULAR = b"0"
_END = bytes(2 * BLOCK)


def pack(contents: Mapping[str, bytes], *, where: str) -> bytes:
    """Return the archive of `contents` (bytes by path); it depends on nothing else.

    Raises:
        PackageError: ``X07PKG_PACK_FAILED`` if the content does not fit an archive.
    """
    parts = []
    for path in sorted(contents, key=str.encode):
        data = contents[path]
        header = _header(path, len(data)) if is_inside(path) else None
        if header is None:
            raise _cannot_pack(
                where, f"{path!r} cannot stand in an archive: use at most 100 bytes below 155 of folders"
            )
        parts += [header, data, bytes(-len(data) % BLOCK)]
    archive = b"".join([*parts, _END])
    if len(archive) > MAX_ARCHIVE or len(contents) > MAX_FILES:
        raise _cannot_pack(where, f"more than {MAX_ARCHIVE >> 20} MiB or {MAX_FILES} files")
    return archive


def _cannot_pack(where: str, what: str) -> PackageError:
    return PackageError("X07PKG_PACK_FAILED", what, where=where, hint="shorten the path, or split the package")


def _header(path: str, size: int) -> bytes | None:
    name, prefix = path.encode(), b""
    if len(name) > 100:
        cut = name.rfind(b"/", 0, 156)
        prefix, name = name[:cut], name[cut + 1 :]
        if cut <= 0 or len(name) > 100:
            return None
    fields = [
        name.ljust(100, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % size,
        b"%011o\0" % 0,
        b" " * 8,
        _REGULAR,
        bytes(100),
        b"ustar\x0000",
        bytes(64),
        b"0000000\0" * 2,
        prefix.ljust(155, b"\0"),
        bytes(12),
    ]
    raw = b"".join(fields)
    return raw[:148] + b"%06o\0 " % sum(raw) + raw[156:]


def unpack(archive: bytes, *, where: str) -> dict[str, bytes]:
    """Return the files of an archive by path, in the archive's order.

    Args:
        archive: its bytes, their digest already checked.
        where: names the archive in errors.

    Raises:
        PackageError: ``X07PKG_ARCHIVE_UNSAFE`` if it holds anything but plain files with plain relative paths, each
            once and none below another, or is not as `pack` writes it.
    """
    if len(archive) > MAX_ARCHIVE:
        _refuse(where, f"more than {MAX_ARCHIVE >> 20} MiB")
    files: dict[str, bytes] = {}
    at = 0
    while archive[at : at + BLOCK].strip(b"\0"):
        path, size = _entry(archive[at : at + BLOCK], where)
        start, end = at + BLOCK, at + BLOCK + size
        if path in files:
            _refuse(where, f"{path} stands twice")
        if end > len(archive):
            _refuse(where, f"{path} is cut off")
        files[path] = archive[start:end]
        at = end + -size % BLOCK
        if archive[end:at].strip(b"\0") or len(files) > MAX_FILES:
            _refuse(where, f"padding of {path} is not empty, or there are more than {MAX_FILES} files")
    if archive[at:] != _END:
        _refuse(where, "it does not end as an archive does")
    folders = {path[:cut] for path in files for cut in range(len(path)) if path[cut] == "/"}
    if both := folders & files.keys():
        _refuse(where, f"{min(both)} is a file and a folder")
    return files


def _entry(header: bytes, where: str) -> tuple[str, int]:
    try:
        name = header[:100].rstrip(b"\0").decode()
        prefix = header[345:500].rstrip(b"\0").decode()
        size = int(header[124:135], 8)
    except ValueError:
        _refuse(where, "a header is broken")
    if size < 0:
        _refuse(where, "a file has a negative size")
    path = f"{prefix}/{name}" if prefix else name
    if header[156:157] != _REGULAR:
        _refuse(where, f"{path!r} is not a regular file (type {header[156:157]!r})")
    if not is_inside(path):
        _refuse(where, f"path {path!r} leaves the package")
    if _header(path, size) != header:
        _refuse(where, f"the header of {path!r} is not in the one form that is allowed")
    return path, size


def _refuse(where: str, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_ARCHIVE_UNSAFE",
        f"the archive cannot be unpacked: {what}",
        where=where,
        hint="nothing was written; tell whoever published it, and pack it with `x07 pkg pack`",
    )
