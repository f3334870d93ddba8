"""``x07.lock``: what a project's packages were when somebody looked at them. `x07 pkg` alone writes it.

One fact a line, the same on every platform. The manager's own lock (``uv.lock``, ``poetry.lock``) says what is
installed; this one says what it was.

Branches that add different packages shall merge. git refuses two insertions between the same two lines, and a lock of
few packages has few lines to insert between. So the lock always has `_SHELVES` numbered lines, and the hash of a
package's name decides below which one it stands: two names conflict only where they share a shelf with nothing between.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from x07py.contracts.journal import settle
from x07py.contracts.requirement import NAME, Need, parse_spec
from x07py.errors import PackageError
from x07py.files import CONTRACT_BYTES, cannot_read, parse_toml, read_file

if TYPE_CHECKING:
    from pathlib import Path

LOCK_NAME = "x07.lock"
LOCK_SCHEMA = "x07.lock@2.0.0"
_NUMBER = re.compile(r"x07\.lock@([0-9]+)\.[0-9]+\.[0-9]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("version", "requirement", "distribution", "distribution_version", "extra")
_LISTS = ("worlds", "modules", "capabilities", "requires")
_TABLES = ("drivers", "clients", "files")
_SHELVES = 64
_NUMBERS = [str(number) for number in range(1, _SHELVES + 1)]


class LockedPackage(NamedTuple):
    """One package of the lock.

    Args:
        name: package name.
        version: its version.
        requirement: what the manifest asks for; empty for a package that others brought in.
        distribution: normalized name of the distribution that it comes with.
        distribution_version: that one's version.
        extra: the extra of the distribution that it needs, empty for none.
        editable: whether its files are live in somebody's checkout; no hashes are held then.
        worlds: the worlds in which its modules may be imported, sorted.
        modules: dotted names of its modules, sorted.
        capabilities: ids of what it is for, sorted.
        requires: what it needs, as ``NAME@RANGE``, sorted.
        drivers: what its driver kinds are registered to.
        clients: versions of the distributions below it.
        files: SHA-256 of every file of its modules, by its path on the import path.
    """

    name: str
    version: str
    requirement: str
    distribution: str
    distribution_version: str
    extra: str
    editable: bool
    worlds: tuple[str, ...]
    modules: tuple[str, ...]
    capabilities: tuple[str, ...]
    requires: tuple[str, ...]
    drivers: dict[str, str]
    clients: dict[str, str]
    files: dict[str, str]

    @property
    def direct(self) -> bool:
        """Whether the manifest names it."""
        return bool(self.requirement)

    @property
    def needs(self) -> tuple[Need, ...]:
        """`requires`, understood."""
        return tuple(parse_spec(text) for text in self.requires)


Lock = dict[str, LockedPackage]
"""Packages by name, sorted."""


def read_lock(root: Path) -> Lock | None:
    """Finish a change that was interrupted, then return the lock as `read_settled_lock`.

    Raises:
        PackageError: ``X07PKG_LOCK_PARSE`` if it is not a lock that this x07py reads.
        FileError: ``X07IO_READ``; ``X07IO_WRITE`` if an interrupted change cannot be finished.
    """
    settle(root)
    return read_settled_lock(root)


def read_settled_lock(root: Path) -> Lock | None:
    """Return the lock of the project at `root`, or None if there is none. Time and memory are linear in its size.

    A confined program asks for it like this: it cannot write, and its runner has finished what was interrupted.

    Raises:
        PackageError: ``X07PKG_LOCK_PARSE`` if it is not a lock that this x07py reads.
        FileError: ``X07IO_READ``.
    """
    path = root / LOCK_NAME
    try:
        data = read_file(path, limit=CONTRACT_BYTES, root=root)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise cannot_read(path, error) from None
    return parse_lock(data, where=str(path))


def parse_lock(data: bytes, *, where: str) -> Lock:
    """Return the lock that the bytes `data` state; `where` names them in errors.

    Raises:
        PackageError: ``X07PKG_LOCK_PARSE``.
    """
    try:
        text = data.decode("utf-8").replace("\r\n", "\n")
        if re.search(r"^(<{7}|={7}|>{7})", text, re.MULTILINE):
            _refuse(where, "it has the marks of a merge that conflicts", "merge it, or take one side")
        document = parse_toml(text)
    except (ValueError, RecursionError) as error:
        _refuse(where, f"not valid TOML: {error}")
    if (shelves := re.findall(r"^# ([0-9]+)$", text, re.MULTILINE)) and shelves != _NUMBERS:
        _refuse(where, "numbered lines of it are missing or stand elsewhere, and packages with them")
    schema = document.get("schema_version")
    if schema != LOCK_SCHEMA:
        match = _NUMBER.fullmatch(str(schema))
        newer = match is not None and int(match[1]) > 2
        what = "a newer x07py made it" if newer else "it has another form"
        _refuse(where, f"{what}: schema_version is {schema!r}, this x07py reads {LOCK_SCHEMA!r}")
    rows = document.get("package", {})
    if not isinstance(rows, dict) or document.keys() - {"schema_version", "package"}:
        _refuse(where, "it holds more than tables of packages")
    packages = {name: _package(name, row, where) for name, row in sorted(rows.items())}
    for package in packages.values():
        if lacking := [need.name for need in package.needs if need.name not in packages]:
            _refuse(where, f"package {package.name} names {min(lacking)}, which is not in the lock")
    return packages


def _package(name: str, row: Any, where: str) -> LockedPackage:
    if not isinstance(row, dict) or not NAME.fullmatch(name):
        _refuse(where, f"{name!r} is no package")
    texts: dict[str, Any] = {key: row.get(key, "") for key in _TEXTS}
    lists: dict[str, Any] = {key: row.get(key, []) for key in _LISTS}
    tables: dict[str, Any] = {key: row.get(key, {}) for key in _TABLES}
    editable = row.get("editable", False)
    sound = (
        not row.keys() - {*_TEXTS, *_LISTS, *_TABLES, "editable"}
        and isinstance(editable, bool)
        and all(isinstance(text, str) for text in texts.values())
        and all(isinstance(items, list) and all(isinstance(one, str) for one in items) for items in lists.values())
        and all(
            isinstance(table, dict) and all(isinstance(v, str) for v in table.values()) for table in tables.values()
        )
        and all(_SHA256.fullmatch(digest) for digest in tables["files"].values())
        and all(texts[key] for key in ("version", "distribution", "distribution_version"))
    )
    if not sound:
        _refuse(where, f"package {name} has a field that is missing, unknown or of the wrong type")
    try:
        for text in lists["requires"]:
            parse_spec(text)
    except PackageError:
        _refuse(where, f"package {name} requires something that is not NAME@RANGE")
    frozen: dict[str, Any] = {key: tuple(items) for key, items in lists.items()}
    return LockedPackage(name=name, editable=editable, **texts, **frozen, **tables)


def _refuse(where: str, what: str, hint: str = "restore it from version control") -> NoReturn:
    raise PackageError(
        "X07PKG_LOCK_PARSE",
        f"the lock cannot be used: {what}",
        where=where,
        hint=f"{hint}; or remove it and make it anew with `x07 pkg lock`. Nothing was changed",
    )


def render_lock(packages: Lock) -> bytes:
    """Return the bytes of a lock."""
    shelves: list[list[LockedPackage]] = [[] for _ in range(_SHELVES)]
    for name, package in sorted(packages.items()):
        shelves[hashlib.sha256(name.encode()).digest()[0] % _SHELVES].append(package)
    lines = [
        "# Made by `x07 pkg lock`; commit it. The numbered lines keep packages apart, so that branches merge.",
        f"schema_version = {_text(LOCK_SCHEMA)}",
    ]
    for number, shelf in zip(_NUMBERS, shelves, strict=True):
        lines += [f"# {number}", *(line for package in shelf for line in _lines(package))]
    return ("\n".join(lines) + "\n").encode()


def _lines(package: LockedPackage) -> list[str]:
    lines = ["", f"[package.{package.name}]"]
    lines += [f"{key} = {_text(value)}" for key in _TEXTS if (value := getattr(package, key))]
    lines += ["editable = true"] if package.editable else []
    for key in _LISTS:
        if values := getattr(package, key):
            lines += [f"{key} = [", *(f"  {_text(one)}," for one in values), "]"]
    lines.append("")
    for key in _TABLES:
        if table := getattr(package, key):
            lines += [f"[package.{package.name}.{key}]"]
            lines += [f"{_text(one)} = {_text(value)}" for one, value in sorted(table.items())] + [""]
    return lines


def _text(value: str) -> str:
    escaped = "".join(
        f"\\u{ord(one):04x}" if one < " " or one == "\x7f" else f"\\{one}" if one in '"\\' else one for one in value
    )
    return f'"{escaped}"'
