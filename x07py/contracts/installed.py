"""The x07 packages of this environment: distributions with an entry point in the group ``x07.packages``.

The entry point names an import package, in whose folder the document stands. Nothing of it is imported: the folder is
found as an import would find it, so that what is looked at is what would run.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.distributions import InstalledDistribution, distributions_with, normalized
from x07py.contracts.package_document import FILE_NAME, PackageDocument, read_document
from x07py.errors import PackageError
from x07py.files import digest_file, digest_tree, load_json

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP, DRIVERS = "x07.packages", "x07.drivers"
TOOLCHAIN = "x07py"
"""The distribution that is x07 itself."""
_CORE = "ext-msg-core"
"""Its package that every driver needs; with it a lock holds all other code of x07py too."""
OWN_MODULES = (TOOLCHAIN, f"{TOOLCHAIN}_start")
"""What its distribution brings: the package, and the module that its scripts import."""
_COMPILED = "__pycache__"
NATIVE = (".so", ".pyd", ".dll", ".dylib", *EXTENSION_SUFFIXES)
"""Suffixes of files that differ by platform; a lock for all platforms cannot hold them."""


class InstalledPackage:
    """A package that is installed here.

    Args:
        document: what its author says of it.
        place: the folder that its modules' names start in, as on the import path.
        file: the document's file.
        distribution: the distribution that it came with.
        neighbours: modules of the other packages of that distribution.
    """

    def __init__(
        self,
        document: PackageDocument,
        place: Path,
        file: Path,
        distribution: InstalledDistribution,
        neighbours: tuple[str, ...],
    ) -> None:
        self.document: PackageDocument = document
        self.place: Path = place
        self.file: Path = file
        self.distribution: InstalledDistribution = distribution
        self.neighbours: tuple[str, ...] = neighbours

    @property
    def name(self) -> str:
        """Name of the package."""
        return self.document.name

    @property
    def distribution_name(self) -> str:
        """Name of the distribution, normalized."""
        return normalized(self.distribution.name)

    @cached_property
    def source(self) -> str:
        """The folder of an editable distribution, whose files are live; empty for one that was installed."""
        try:
            origin = load_json(self.distribution.metadata("direct_url.json") or "{}")
            return str(origin["url"]).removeprefix("file://") if origin["dir_info"]["editable"] else ""
        except (ValueError, KeyError, TypeError):
            return ""

    @property
    def drivers(self) -> dict[str, str]:
        """What its driver kinds are registered to, by kind; empty text for one that is not registered."""
        points = self.distribution.entry_points(DRIVERS)
        return {kind: points.get(kind, "") for kind in self.document.driver_kinds}

    def place_of_driver(self, kind: str) -> str:
        """Return where a driver kind is registered, as ``FILE:LINE``; where it should be, the file alone."""
        return self.distribution.place_of_entry(DRIVERS, kind)

    def module_files(self) -> dict[str, Path]:
        """Return the files of its modules by their path on the import path, the document first; no compiled ones."""
        found = {self.file.relative_to(self.place).as_posix(): self.file}
        beside: dict[Path, list[Path]] = {}  # a folder may hold dozens of the modules: it is listed once
        for module in self.document.modules:
            base = self.place.joinpath(*module.split("."))
            folder = base.parent
            if base.is_dir():
                whole = [path for path in base.rglob("*") if _COMPILED not in path.parts]
            else:
                if folder not in beside:
                    beside[folder] = list(folder.iterdir()) if folder.is_dir() else []
                whole = [path for path in beside[folder] if path.name.startswith(f"{base.name}.")]
            for path in sorted(whole):
                name = path.relative_to(self.place).as_posix()
                if path.is_file() and self._is_own(name):
                    found[name] = path
        return found

    def _is_own(self, name: str) -> bool:
        """Tell whether a file belongs to this package and not to a neighbour with a longer name."""
        module = name.partition(".")[0].replace("/", ".")
        owners = [own for own in (*self.document.modules, *self.neighbours) if f"{module}.".startswith(f"{own}.")]
        return bool(owners) and max(owners, key=len) in self.document.modules

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of its files; of those that the platform decides, and of links, none is there.

        The core of x07py has a digest more for each folder of x07py, named with a slash at its end, of all files there
        that belong to no package: a program runs them too, and the sandbox around it.
        """
        own = {name: digest_file(path) for name, path in self.module_files().items() if not self.is_compiled(name)}
        return own | self._folders() if self._is_core else own

    @property
    def _is_core(self) -> bool:
        return self.name == _CORE and self.distribution_name == TOOLCHAIN

    def _folders(self) -> dict[str, str]:
        folders: dict[str, list[bytes]] = {}
        for name, digest in sorted(self._rest().items()):
            folders.setdefault(_folder(name), []).append(name.encode() + b"\0" + digest)
        found = {key: hashlib.sha256(b"".join(rows)).hexdigest() for key, rows in folders.items()}
        start = f"{OWN_MODULES[1]}.py"
        return {**found, start: digest_file(self.place / start)} if (self.place / start).is_file() else found

    def _rest(self) -> dict[str, bytes]:
        """Return the digests of the files of x07py that are not a package's, by path on the import path."""
        lead = f"{TOOLCHAIN}/"
        held = {module.replace(".", "/").removeprefix(lead) for module in (*self.document.modules, *self.neighbours)}
        found = digest_tree(self.place / TOOLCHAIN, without=held)
        return {lead + name: digest for name, digest in found.items()}

    def named(self, changed: Iterable[str]) -> list[str]:
        """Return changed entries of `hashes` as files: of a folder, those that are not what the installer recorded."""
        names: list[str] = []
        recorded: dict[str, str] = {}
        rest: dict[str, bytes] = {}
        for key in changed:
            if key.endswith("/") and not rest:
                recorded, rest = self.distribution.digests(), self._rest()
            here = {name for name in rest if _folder(name) == key and recorded.get(name) != _recorded(rest[name])}
            gone = {name for name in recorded if _folder(name) == key and self._is_gone(name)}
            names += sorted(here | gone) if recorded and here | gone else [key]
        return names

    def _is_gone(self, name: str) -> bool:
        return _COMPILED not in name.split("/") and not (self.place / name).is_file()

    def is_compiled(self, name: str) -> bool:
        """Tell whether a file is one that differs by platform or version of Python."""
        return name.endswith((*NATIVE, ".pyc"))


def _recorded(digest: bytes) -> str:
    """Return a digest as RECORD writes it."""
    import base64

    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _folder(name: str) -> str:
    """Return the key that a lock has for a file of x07py: the folder in the package, or the package."""
    return "/".join(name.split("/")[:2][: name.count("/")]) + "/"


def installed_here() -> dict[str, InstalledPackage]:
    """Return the packages of this environment by name.

    Raises:
        PackageError: ``X07PKG_MANIFEST_PARSE`` for a document that cannot be used, ``X07PKG_MODULE_CLASH`` if two
            distributions hold one package.
    """
    found: dict[str, InstalledPackage] = {}
    for distribution in distributions_with(GROUP):
        places = [
            _place(value, distribution.place_of_entry(GROUP, name))
            for name, value in distribution.entry_points(GROUP).items()
        ]
        documents = [read_document(file) for _, file in places]
        for (place, file), document in zip(places, documents, strict=True):
            others = tuple(module for one in documents if one is not document for module in one.modules)
            if document.name in found:
                raise _twice(document.name, distribution, found[document.name].distribution)
            found[document.name] = InstalledPackage(document, place, file, distribution, others)
    return found


def _place(value: str, registered: str) -> tuple[Path, Path]:
    """Return the folder on the import path that an entry point's package stands in, and the document's file.

    Args:
        value: the import package that the entry point names.
        registered: where it does.
    """
    top, *rest = value.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    file = Path(folders[0], *rest, FILE_NAME) if folders else None
    if file is None or not file.is_file():
        what = f"which has no {FILE_NAME}" if folders else f"and there is no import package {top!r}"
        raise PackageError(
            "X07PKG_MANIFEST_PARSE",
            f"the entry point names {value!r}, {what}",
            where=registered,
            hint="install the distribution again",
        )
    return Path(folders[0]).parent, file


def _twice(name: str, one: InstalledDistribution, other: InstalledDistribution) -> PackageError:
    return PackageError(
        "X07PKG_MODULE_CLASH",
        f"package {name} is in two distributions",
        where=f"{one.name} and {other.name}",
        hint="uninstall one of them",
    )
