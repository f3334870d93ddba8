"""One version of a package, from whichever source: its ``x07-package.json``, checked field by field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from x07py._version import __version__
from x07py.contracts.lockfile import is_inside
from x07py.contracts.project import NAME
from x07py.contracts.semver import Range, Version, parse_range, parse_version
from x07py.errors import PackageError
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA = "x07.package@0.1.0"
SOURCE_TOOLCHAIN = "toolchain"


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One version of a package and all that the resolver and the lock want to know of it.

    Args:
        manifest: its ``x07-package.json``.
        name: package name.
        version: its version.
        source: as in the lock.
        requires: ranges by the name of the package needed.
        requires_dists: PEP 508 requirements, sorted.
        worlds: worlds that it allows, sorted.
        compat: versions of x07py that it works with, None for all.
        module_root: folder of its modules.
        modules: dotted names, sorted.
        archive_sha256: digest of its archive, for an index.
        files: digest of every file.
        yanked: withdrawn from the index.
        advisories: advisories that were not withdrawn.
        signed_by: the public key that its signature was verified with, base64.
    """

    manifest: Mapping[str, Any]
    name: str
    version: Version
    source: str
    requires: Mapping[str, Range]
    requires_dists: tuple[str, ...]
    worlds: tuple[str, ...]
    compat: Range | None
    module_root: str
    modules: tuple[str, ...]
    archive_sha256: str | None
    files: Mapping[str, str]
    yanked: bool = False
    advisories: tuple[Mapping[str, Any], ...] = ()
    signed_by: str | None = None

    @property
    def compatible(self) -> bool:
        """Whether it works with the x07py that is running."""
        return self.compat is None or self.compat.contains(parse_version(__version__), prereleases=True)


def read_entry(
    manifest: Any,
    *,
    where: str,
    source: str,
    files: Mapping[str, str],
    archive_sha256: str | None = None,
    yanked: bool = False,
    advisories: tuple[Mapping[str, Any], ...] = (),
) -> Entry:
    """Return the entry that a package manifest states.

    Args:
        manifest: the parsed ``x07-package.json``.
        where: names the manifest in errors.
        source: as in the lock.
        files: digest of every file by path.
        archive_sha256: digest of the archive.
        yanked: withdrawn from the index.
        advisories: advisories that hold.

    Raises:
        PackageError: ``X07PKG_MANIFEST_PARSE``.
    """
    if not isinstance(manifest, dict) or manifest.get("schema_version") != SCHEMA:
        _refuse(where, f"it is not an object with schema_version {SCHEMA!r}")
    name, meta = manifest.get("name"), manifest.get("meta", {})
    if not isinstance(name, str) or not NAME.fullmatch(name):
        _refuse(where, f"name {name!r} is not a package name")
    if not isinstance(meta, dict):
        _refuse(where, "meta is not an object")
    root = manifest.get("module_root")
    if not isinstance(root, str) or (root != "." and not is_inside(root)):
        _refuse(where, f"module_root {root!r} leaves the package")
    compat = meta.get("x07py_compat")
    return Entry(
        manifest=manifest,
        name=name,
        version=_parsed(where, "version", manifest.get("version"), parse_version),
        source=source,
        requires=_requires(where, meta),
        requires_dists=_dists(where, meta),
        worlds=_worlds(where, meta),
        compat=None if compat is None else _parsed(where, "meta.x07py_compat", compat, parse_range),
        module_root=root,
        modules=_modules(where, manifest),
        archive_sha256=archive_sha256,
        files=files,
        yanked=yanked,
        advisories=advisories,
    )


def _refuse(where: str, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_MANIFEST_PARSE",
        f"the package manifest cannot be meant: {what}",
        where=where,
        hint="docs/reference/pkg.md lists the fields of x07-package.json",
    )


def _texts(where: str, table: dict[str, Any], key: str) -> tuple[str, ...]:
    rows = table.get(key, [])
    if not isinstance(rows, list) or not all(isinstance(row, str) and row for row in rows):
        _refuse(where, f"{key} is not a list of strings")
    return tuple(sorted(set(rows)))


def _dists(where: str, meta: dict[str, Any]) -> tuple[str, ...]:
    texts = _texts(where, meta, "requires_dists")
    if texts:
        from packaging.requirements import InvalidRequirement, Requirement

        for text in texts:
            try:
                Requirement(text)
            except InvalidRequirement:
                _refuse(where, f"requires_dists: {text!r} is not a requirement on a Python distribution")
    return texts


def _modules(where: str, manifest: dict[str, Any]) -> tuple[str, ...]:
    modules = _texts(where, manifest, "modules")
    for module in modules:
        if not all(part.isidentifier() for part in module.split(".")):
            _refuse(where, f"module {module!r} is not a dotted name")
    return modules


def _worlds(where: str, meta: dict[str, Any]) -> tuple[str, ...]:
    worlds = _texts(where, meta, "worlds_allowed")
    if not worlds or not set(worlds) <= WORLDS.keys():
        _refuse(where, "meta.worlds_allowed does not list worlds of " + ", ".join(WORLDS))
    return worlds


def _parsed(where: str, field: str, text: Any, parse: Any) -> Any:
    if not isinstance(text, str):
        _refuse(where, f"{field} is not a string")
    try:
        return parse(text)
    except PackageError as error:
        _refuse(where, f"{field}: {error.message}")


def _requires(where: str, meta: dict[str, Any]) -> dict[str, Range]:
    requires: dict[str, Range] = {}
    for text in _texts(where, meta, "requires_packages"):
        name, _, wanted = text.partition("@")
        if not NAME.fullmatch(name) or name in requires:
            _refuse(where, f"requires_packages: {text!r} is not NAME@RANGE, or names a package twice")
        requires[name] = _parsed(where, f"requires_packages: {text!r}", wanted, parse_range)
    return requires
