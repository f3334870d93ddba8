"""What a distribution may bring: the modules that its packages declare, under names that nobody else has."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from x07py.contracts.installed import NATIVE, TOOLCHAIN
from x07py.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from x07py.contracts.installed import InstalledPackage

_PYTHON_STARTS = frozenset({"sitecustomize", "usercustomize"})


def check_modules(package: InstalledPackage, here: Mapping[str, InstalledPackage]) -> None:
    """Refuse a package whose distribution brings more than it declares; x07py itself is more than its packages.

    Raises:
        PackageError: ``X07PKG_MODULES`` for modules that are not declared or not there, names of the standard library,
            and files that run code when Python starts; ``X07PKG_MODULE_CLASH`` for names of other distributions.
    """
    lacking = [kind for kind, value in package.drivers.items() if not value]
    if lacking:
        _refuse(package, f"it declares the driver {lacking[0]!r}, which no entry point registers")
    if package.distribution_name == TOOLCHAIN:
        return
    packages = [one for one in here.values() if one.distribution_name == package.distribution_name]
    declared = {module for one in packages for module in one.document.modules}
    tops = sorted({module.partition(".")[0] for module in declared})
    for top in tops:
        if top in sys.stdlib_module_names or top in _PYTHON_STARTS:
            _refuse(package, f"it declares {top}, a name of the standard library")
    for module in sorted(declared):
        base = package.place.joinpath(*module.split("."))
        if not base.is_dir() and not any(base.parent.glob(f"{base.name}.*")):
            _refuse(package, f"it declares the module {module}, which is not at {package.place}")
    if not package.source:
        _check_files(package, declared)
    _check_owners(package, tops)


def _check_files(package: InstalledPackage, declared: set[str]) -> None:
    """Look at every file that the installer wrote; one that can be imported must belong to a declared module."""
    for module, path in _importable(package):
        if path.endswith(".pth"):
            _refuse(package, f"its file {path} runs code when Python starts")
        if any(f"{module}.".startswith(f"{own}.") for own in declared):
            continue
        parent = path.endswith("__init__.py") and any(own.startswith(f"{module}.") for own in declared)
        if not parent:
            _refuse(package, f"it brings the module {module}, which it does not declare")


def _importable(package: InstalledPackage) -> Iterator[tuple[str, str]]:
    """Yield the dotted name and the path of each file that an import could run."""
    for file in package.distribution.files():
        path = PurePosixPath(file)
        outside = path.parts[0] in {"..", "/"} or path.parts[0].endswith((".dist-info", ".data"))
        if outside or "__pycache__" in path.parts or not path.name.endswith((".py", ".pth", *NATIVE)):
            continue
        stem = path.name.partition(".")[0]
        parts = path.parts[:-1] if stem == "__init__" else (*path.parts[:-1], stem)
        yield ".".join(parts), str(path)


def _check_owners(package: InstalledPackage, tops: list[str]) -> None:
    """Refuse names that Python finds elsewhere, and folders in which files of others stand."""
    own = set(package.distribution.files())
    for top in tops:
        spec = find_spec(top)
        places = {Path(folder).parent for folder in (spec and spec.submodule_search_locations) or ()}
        places |= {Path(spec.origin).parent} if spec and spec.origin and not places else set()
        elsewhere = sorted(str(place) for place in places if place != package.place)
        others = [] if package.source else _strangers(package.place, top, own)
        if elsewhere or others:
            what = f"Python finds {top} at {elsewhere[0]}" if elsewhere else f"{others[0]} is not one of its files"
            raise PackageError(
                "X07PKG_MODULE_CLASH",
                f"{package.name} {package.document.version} brings {top}, and so does another: {what}",
                where=str(package.place),
                hint="use one of the two distributions, or install it again",
            )


def _strangers(place: Path, top: str, own: set[str]) -> list[str]:
    """Return Python files in a package's folder that its installer did not write."""
    found = ((place / top).rglob("*.py")) if (place / top).is_dir() else ()
    return sorted(name for path in found if (name := path.relative_to(place).as_posix()) not in own)


def _refuse(package: InstalledPackage, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_MODULES",
        f"{package.name} {package.document.version} is refused: {what}",
        where=f"distribution {package.distribution.name} {package.distribution.version}",
        hint="tell its author; uninstall it, for Python finds its modules whether x07 knows it or not",
    )
