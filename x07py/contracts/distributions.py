"""Installed distributions as installers leave them: folders ``NAME-VERSION.dist-info`` on the import path.

`importlib.metadata` says the same, and importing it takes half as long as all of `x07 pkg lock --check`. So what every
run needs is read here: names, versions, entry points, records of files.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.files import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_INFO = (".dist-info", ".egg-info")
_ENTRY_POINTS = "entry_points.txt"
_HEAD_BYTES = 65536
_MOST_BYTES = 1 << 26


class InstalledDistribution(NamedTuple):
    """A distribution that is installed here.

    Args:
        name: as its metadata writes it.
        version: its version.
        info: the folder of its metadata.
    """

    name: str
    version: str
    info: Path

    def metadata(self, name: str) -> str | None:
        """Return a file of its metadata, None if there is none."""
        return _text(self.info / name)

    def entry_points(self, group: str) -> dict[str, str]:
        """Return what it registers in a group of entry points, by name."""
        return {name: value for name, (value, _) in self._entries(group).items()}

    def place_of_entry(self, group: str, name: str) -> str:
        """Return where an entry point stands, as ``FILE:LINE``; the file alone if it is not there."""
        file = f"{self.info.name}/{_ENTRY_POINTS}"
        entries = self._entries(group)
        return f"{file}:{entries[name][1]}" if name in entries else file

    def _entries(self, group: str) -> dict[str, tuple[str, int]]:
        return _entries(self.metadata(_ENTRY_POINTS) or "", group)

    def files(self) -> list[str]:
        """Return the paths of its files as its installer recorded them, none if unknown, from `info`'s folder."""
        return [row[0] for row in self._record()]

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of its files as its installer recorded them, in the form of RECORD, by path."""
        return {row[0]: row[1].removeprefix("sha256=") for row in self._record() if len(row) > 1}

    def _record(self) -> list[list[str]]:
        import csv

        return [row for row in csv.reader((self.metadata("RECORD") or "").splitlines()) if row]


def recorded_beside(
    one: InstalledDistribution, tops: Iterable[str]
) -> Iterator[tuple[InstalledDistribution, set[str]]]:
    """Yield the other distributions in the folder of one that have files under given top-level names, with all files.

    Args:
        one: the distribution whose neighbours are looked at; another version of it is none.
        tops: names of modules and folders.
    """
    under = re.compile(rf'^"?(?:{"|".join(map(re.escape, sorted(tops)))})[/.]', re.MULTILINE)
    place = one.info.parent
    for entry in sorted(_listed(str(place))):
        info = place / entry
        if entry.endswith(_INFO) and info != one.info and under.search(_text(info / "RECORD") or ""):
            other = _described(info)
            if other is not None and normalized(other.name) != normalized(one.name):
                yield other, set(other.files())


def distributions_with(group: str) -> Iterator[InstalledDistribution]:
    """Yield each distribution that registers something in a group; the first on the path counts."""
    seen: set[str] = set()
    for info in _infos(None, _ENTRY_POINTS):
        text = _text(info / _ENTRY_POINTS)
        if not text or f"[{group}]" not in text.replace(" ", ""):
            continue
        found = _described(info)
        if found is not None and normalized(found.name) not in seen:
            seen.add(normalized(found.name))
            yield found


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution, None if it is not installed; the first on the path counts."""
    wanted = normalized(name)
    for info in _infos(wanted):
        found = _described(info)
        if found is not None and normalized(found.name) == wanted:
            return found.version
    return None


def installed_versions() -> dict[str, str]:
    """Return the version of every installed distribution by its normalized name; the first on the path counts."""
    found: dict[str, str] = {}
    for info in _infos(None):
        one = _described(info)
        if one is not None:
            found.setdefault(normalized(one.name), one.version)
    return found


def normalized(name: str) -> str:
    """Return the name of a distribution as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _infos(name: str | None, file: str = "") -> Iterator[Path]:
    """Yield the folders of metadata on the import path, all or those that are called like a distribution.

    Args:
        name: the distribution, normalized; None for all.
        file: what the folder has to hold.
    """
    for place in dict.fromkeys(sys.path):
        for entry in sorted(_listed(place or ".")):
            stem = entry.rpartition(".")[0].partition("-")[0]
            fits = entry.endswith(_INFO) and (name is None or normalized(stem) == name)
            if fits and (not file or os.path.lexists(f"{place or '.'}/{entry}/{file}")):
                yield Path(place or ".", entry)


def _listed(place: str) -> list[str]:
    try:
        with os.scandir(place) as rows:
            return [one.name for one in rows]
    except OSError:  # an archive, or a folder that is not there
        return []


def _described(info: Path) -> InstalledDistribution | None:
    """Return what the head of the metadata says; None for metadata that names nothing."""
    files = (info / "METADATA", info / "PKG-INFO", info)
    text = next((text for file in files if (text := _text(file)) is not None), "")
    head = text[:_HEAD_BYTES].replace("\r\n", "\n").partition("\n\n")[0].splitlines()
    name, version = (_field(head, key) for key in ("Name:", "Version:"))
    return InstalledDistribution(name, version, info) if name and version else None


def _field(head: list[str], key: str) -> str:
    return next((line[len(key) :].strip() for line in head if line.startswith(key)), "")


def _text(file: Path) -> str | None:
    try:
        return read_file(file, limit=_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _entries(text: str, group: str) -> dict[str, tuple[str, int]]:
    """Return the values of a group of entry points with their lines, 1-based, by name."""
    found: dict[str, tuple[str, int]] = {}
    within = False
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        name, equals, value = line.partition("=")
        if line.startswith("["):
            within = line.strip("[] ") == group
        elif within and equals and line[0] not in "#;":
            found[name.strip()] = value.partition("[")[0].replace(" ", ""), number
    return found
