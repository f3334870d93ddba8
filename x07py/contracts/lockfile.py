"""``x07.lock``: what a project was resolved to. Everybody reads it here; `x07 pkg` alone writes it."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from x07py._version import __version__
from x07py.contracts.journal import settle
from x07py.contracts.project import NAME
from x07py.contracts.semver import parse_range, parse_version
from x07py.errors import FileError, PackageError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME = "x07.lock"
LOCK_SCHEMA = "x07.lock@1.0.0"
DEPS_FOLDER = ".x07/deps"
MANIFEST_NAME = "x07-package.json"
_PLAIN = r'"([^"\\\x00-\x1f\x7f]*)"'
_FACT = re.compile(rf"(?:([A-Za-z0-9_-]+)|{_PLAIN}) = (?:{_PLAIN}|(true)|(\[))")
_ITEM = re.compile(rf"  {_PLAIN},")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package of the lock.

    Args:
        name: package name.
        version: the one version chosen.
        source: ``toolchain``, ``index+URL`` or ``path+FOLDER`` (relative to the project).
        direct: whether the manifest names it.
        patched: whether the manifest's ``patch`` chose it.
        required_by: names of the locked packages that need it, sorted.
        requires: what it needs, as ``NAME@RANGE``, sorted.
        requires_dists: Python distributions that it needs, PEP 508, sorted.
        x07py_compat: versions of x07py that it works with, None for all.
        worlds: the worlds in which its modules may be imported.
        module_root: folder of its modules, relative to the package, ``/`` separated.
        modules: dotted names of its modules, sorted.
        archive_sha256: digest of the archive, for packages of an index.
        signed_by: the public key that its index entry was verified with, base64, where the manifest names keys.
        files: SHA-256 of every file of the package by its path; of the manifest alone for ``toolchain``.
        yanked: whether the index had withdrawn the version when it was locked.
        advisories: ids of advisories about it that were not withdrawn, sorted.
    """

    name: str
    version: str
    source: str
    direct: bool
    patched: bool
    required_by: tuple[str, ...]
    requires: tuple[str, ...]
    requires_dists: tuple[str, ...]
    x07py_compat: str | None
    worlds: tuple[str, ...]
    module_root: str
    modules: tuple[str, ...]
    archive_sha256: str | None
    signed_by: str | None
    files: dict[str, str]
    yanked: bool
    advisories: tuple[str, ...]

    @property
    def compatible(self) -> bool:
        """Whether it works with the x07py that is running."""
        wanted = None if self.x07py_compat is None else parse_range(self.x07py_compat)
        return wanted is None or wanted.contains(parse_version(__version__), prereleases=True)

    def folder(self, root: Path) -> Path:
        """Return where the package is hydrated in the project at `root`; ``toolchain`` packages never are."""
        return root / DEPS_FOLDER / self.name / self.version


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file: the x07py version that wrote it and its packages by name."""

    toolchain: str
    packages: dict[str, LockedPackage]


def read_lock(root: Path) -> Lock | None:
    """Return the lock of the project at `root`, or None if there is none. Time and memory are linear in its size.

    Raises:
        PackageError: ``X07PKG_LOCK_PARSE`` if it is not a lock that x07 wrote.
        FileError: ``X07IO_READ``; ``X07IO_WRITE`` if an interrupted change cannot be finished.
    """
    settle(root)
    path = root / LOCK_NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(
            "X07IO_READ", f"cannot read: {error.strerror}", where=str(path), hint="check the file"
        ) from None
    return parse_lock(data, where=str(path))


def parse_lock(data: bytes, *, where: str) -> Lock:
    """Return the lock that the bytes `data` state; `where` names them in errors.

    Raises:
        PackageError: ``X07PKG_LOCK_PARSE``.
    """
    try:
        text = data.decode("utf-8")
        document = _as_written(text) or tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        _refuse(where, f"not valid TOML: {error}")
    if document.get("schema_version") != LOCK_SCHEMA:
        _refuse(where, f"schema_version is {document.get('schema_version')!r}, this x07py reads {LOCK_SCHEMA!r}")
    rows = document.get("package", [])
    if not isinstance(document.get("toolchain"), str) or not isinstance(rows, list):
        _refuse(where, "toolchain or the list of packages is missing")
    packages = {package.name: package for package in (_package(row, where) for row in rows)}
    if len(packages) != len(rows):
        _refuse(where, "a package is listed twice")
    for package in packages.values():
        named = (*package.required_by, *(text.partition("@")[0] for text in package.requires))
        if lacking := [name for name in named if name not in packages]:
            _refuse(where, f"package {package.name} names {min(lacking)}, which is not in the lock")
    return Lock(document["toolchain"], packages)


def _as_written(text: str) -> dict[str, Any] | None:
    """Return what tomllib would of a lock in the very form in which x07 writes it, else None; several times as fast."""
    document: dict[str, Any] = {}
    table: dict[str, Any] = document
    rows: list[str] | None = None
    for line in text.split("\n"):
        if rows is not None:
            item = _ITEM.fullmatch(line)
            if item is not None:
                rows.append(item[1])
            elif line == "]":
                rows = None
            else:
                return None
        elif line == "[[package]]":
            table = {}
            document.setdefault("package", []).append(table)
        elif line == "[package.files]" and "package" in document and "files" not in document["package"][-1]:
            table = document["package"][-1]["files"] = {}
        elif (fact := _FACT.fullmatch(line)) is not None:
            plain, quoted, value, true, _ = fact.groups()
            key = quoted if plain is None else plain
            if key in table:
                return None
            if value is None and true is None:
                rows = []
            table[key] = value if value is not None else True if true else rows
        elif line and not (line[0] == "#" and line.isprintable()):
            return None
    return None if rows is not None else document


def _refuse(where: str, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_LOCK_PARSE",
        f"the lock cannot be used: {what}",
        where=where,
        hint="restore it from version control, or make it again with `x07 pkg lock`",
    )


def _package(row: Any, where: str) -> LockedPackage:
    name, version = (row.get("name"), row.get("version")) if isinstance(row, dict) else (None, None)
    if not (isinstance(name, str) and NAME.fullmatch(name) and isinstance(version, str) and _is_version(version)):
        _refuse(where, "a package has no proper name and version")
    files, digest = row.get("files", {}), row.get("archive_sha256")
    options: dict[str, Any] = {key: row.get(key) for key in ("x07py_compat", "signed_by")}
    texts: dict[str, Any] = {key: row.get(key) for key in ("source", "module_root")}
    flags: dict[str, Any] = {key: row.get(key, False) for key in ("direct", "patched", "yanked")}
    lists = {
        key: row.get(key, [])
        for key in ("required_by", "requires", "requires_dists", "worlds", "modules", "advisories")
    }
    sound = (
        all(isinstance(text, str) for text in texts.values())
        and all(text is None or isinstance(text, str) for text in options.values())
        and all(isinstance(flag, bool) for flag in flags.values())
        and all(isinstance(rows, list) and all(isinstance(item, str) for item in rows) for rows in lists.values())
        and isinstance(files, dict)
        and all(isinstance(value, str) and _SHA256.fullmatch(value) for value in files.values())
        and (digest is None or (isinstance(digest, str) and _SHA256.fullmatch(digest) is not None))
        and all(is_inside(path) for path in files)
        and (texts["module_root"] == "." or is_inside(texts["module_root"]))
    )
    if not sound:
        _refuse(where, f"package {name} has a field of the wrong type or a path that leaves it")
    ranges = [text.partition("@")[::2] for text in lists["requires"]]
    ranges += [] if options["x07py_compat"] is None else [(name, options["x07py_compat"])]
    if not all(NAME.fullmatch(other) and _is_range(wanted) for other, wanted in ranges):
        _refuse(where, f"package {name} requires something that is not NAME@RANGE")
    frozen: dict[str, Any] = {key: tuple(rows) for key, rows in lists.items()}
    return LockedPackage(
        name=name, version=version, archive_sha256=digest, files=files, **options, **texts, **flags, **frozen
    )


def _is_version(text: str) -> bool:
    try:
        return bool(parse_version(text))
    except PackageError:
        return False


def _is_range(text: str) -> bool:
    try:
        return bool(parse_range(text))
    except PackageError:
        return False


def is_inside(path: Any) -> bool:
    """Tell whether `path` is a plain relative path: no ``..``, no root, no backslash, nothing that changes its form."""
    if not isinstance(path, str) or not path or "\\" in path or "\0" in path:
        return False
    return not {"", ".", ".."}.intersection(path.split("/"))
