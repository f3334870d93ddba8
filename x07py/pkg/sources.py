"""Where packages come from, as one answer to the resolver: path and patch first, then the toolchain, then the index.

The names of toolchain packages are reserved: an index cannot offer a package of that name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from x07py.contracts.semver import parse_range
from x07py.errors import PackageError
from x07py.pkg.local import read_folder, toolchain_packages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from x07py.contracts.lockfile import Lock, LockedPackage
    from x07py.contracts.project import Dependency, Project
    from x07py.contracts.semver import Range, Version
    from x07py.pkg.entry import Entry


class Index(Protocol):
    """What `Sources` asks of an index."""

    def entries(self, name: str) -> Sequence[Entry]:
        """Return every version that the index lists, none if it does not know the name."""

    def names(self) -> Sequence[str]:
        """Return the names of all packages, as far as the index tells."""

    def prefetch(self, names: Iterable[str]) -> None:
        """Fetch these packages, and what their newest versions need, side by side."""

    def archive(self, package: LockedPackage) -> bytes:
        """Return the archive that the lock names, its digest checked."""


@dataclass(slots=True)
class Sources:
    """The provider of the resolver for one project.

    Args:
        project: the project as it shall be.
        lock: what was chosen before; those versions are preferred.
        index: where other packages come from, or None.
        upgrade: names whose locked version counts for nothing, or True for all.
    """

    project: Project
    lock: Lock | None
    index: Index | None
    upgrade: frozenset[str] | bool = False
    excluded: dict[str, list[tuple[Version, str]]] = field(init=False, default_factory=dict)
    _entries: dict[str, dict[Version, Entry]] = field(init=False, default_factory=dict)
    _versions: dict[str, list[Version]] = field(init=False, default_factory=dict)
    _asked: dict[str, bool] = field(init=False, default_factory=dict)
    _by_path: dict[str, Dependency] = field(init=False)
    _patch: dict[str, Range] = field(init=False)

    def __post_init__(self) -> None:
        rows = (*self.project.dependencies, *self.project.patch)
        self._by_path = {row.name: row for row in rows if row.path is not None}
        self._patch = {row.name: parse_range(row.requirement) for row in self.project.patch}
        for row in rows:
            asked = parse_range(row.requirement).prerelease
            self._asked[row.name] = self._asked.get(row.name, False) or asked

    def roots(self) -> dict[str, Range]:
        """Return what the manifest asks for, by name."""
        return {row.name: parse_range(row.requirement) for row in self.project.dependencies}

    def is_patched(self, name: str) -> bool:
        """Tell whether the manifest overrides `name` for the whole graph."""
        return name in self._patch

    def offered(self, name: str) -> Mapping[Version, Entry]:
        """Return every version that exists, also those that may not be chosen."""
        found = self._entries.get(name)
        if found is None:
            found = self._entries[name] = {entry.version: entry for entry in self._lookup(name)}
        return found

    def _lookup(self, name: str) -> Sequence[Entry]:
        local = self._by_path.get(name)
        if local is not None and local.path is not None:
            entry, _ = read_folder(self.project.root / local.path, source=f"path+{local.path}")
            if entry.name != name:
                raise PackageError(
                    "X07PKG_LOCAL_MISSING_DEP",
                    f"the folder holds package {entry.name}, not {name}",
                    where=local.path,
                    hint="name the package as its manifest does",
                )
            return [entry]
        if name in toolchain_packages():
            return [toolchain_packages()[name]]
        return self.index.entries(name) if self.index is not None else []

    def entry(self, name: str, version: Version) -> Entry:
        """Return one entry."""
        return self.offered(name)[version]

    def locked_version(self, name: str) -> str | None:
        """Return the version that the lock holds and the resolver shall prefer."""
        ignored = self.upgrade if isinstance(self.upgrade, bool) else name in self.upgrade
        if ignored or self.lock is None or name not in self.lock.packages:
            return None
        return self.lock.packages[name].version

    def versions(self, name: str) -> Sequence[Version]:
        """Return the versions that may be chosen, ascending."""
        chosen = self._versions.get(name)
        if chosen is None:
            chosen = self._versions[name] = sorted(
                version for version, entry in self.offered(name).items() if self._may_be_chosen(entry)
            )
        return chosen

    def _may_be_chosen(self, entry: Entry) -> bool:
        why = None
        patch = self._patch.get(entry.name)
        if not entry.compatible and entry.compat is not None:
            why = f"it needs x07py {entry.compat.text}"
        elif entry.yanked and not self._wanted_by_name(entry):
            why = "it was yanked"
        elif patch is not None and not patch.contains(entry.version, prereleases=self._asked[entry.name]):
            why = f"the project's patch wants {patch.text}"
        if why is not None:
            self.excluded.setdefault(entry.name, []).append((entry.version, why))
        return why is None

    def _wanted_by_name(self, entry: Entry) -> bool:
        """Tell whether a yanked version is locked already, or pinned by the user in so many words."""
        if self.locked_version(entry.name) == entry.version.text:
            return True
        rows = (*self.project.dependencies, *self.project.patch)
        pins = [parse_range(row.requirement) for row in rows if row.name == entry.name]
        return any(pin.exact and pin.contains(entry.version, prereleases=True) for pin in pins)

    def requires(self, name: str, version: Version) -> Mapping[str, Range]:
        """Return what one version needs."""
        return self.entry(name, version).requires

    def admits(self, name: str, wanted: Range, version: Version) -> bool:
        """Tell whether `version` is in the range; a patched package is in every range."""
        return name in self._patch or wanted.contains(version, prereleases=self._asked.get(name, False))

    def preference(self, name: str) -> Sequence[int]:
        """Return positions in ``versions(name)``: the locked one, then the newest, those with advisories last."""
        versions, locked = self.versions(name), self.locked_version(name)
        entries = self.offered(name)
        return sorted(
            range(len(versions)),
            key=lambda at: (versions[at].text != locked, bool(entries[versions[at]].advisories), -at),
        )
