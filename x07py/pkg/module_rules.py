"""What a distribution may bring: the modules that its packages declare, under names that nobody else has."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from x07py.contracts.distributions import recorded_beside
from x07py.contracts.installed import NATIVE, OWN_MODULES, TOOLCHAIN
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
        _check_records(package, set(OWN_MODULES))
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
        _check_records(package, declared)
    _check_owners(package, declared)


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


def _check_owners(package: InstalledPackage, declared: set[str]) -> None:
    """Refuse names that Python finds elsewhere, and folders in which files of others stand."""
    own = set(package.distribution.files())
    for root in sorted({_root(package.place, module) for module in declared}):
        spec = find_spec(root.partition("/")[0])
        folders = [Path(folder).parent for folder in (spec and spec.submodule_search_locations) or ()]
        if spec is not None and spec.origin:
            places = set(folders) or {Path(spec.origin).parent}
        else:  # a folder without `__init__`, which several distributions may share
            places = {folder for folder in folders if (folder / root).is_dir() or (folder / f"{root}.py").is_file()}
        elsewhere = sorted(str(place) for place in places if place != package.place)
        others = [] if package.source else _strangers(package.place, root, own)
        if elsewhere or others:
            what = f"Python finds {root} at {elsewhere[0]}" if elsewhere else f"{others[0]} is not one of its files"
            _clash(package, root, f"another: {what}")


def _root(place: Path, module: str) -> str:
    """Return the path of the first part of a module that is not a folder without ``__init__``, or all of it."""
    parts = module.split(".")
    path = parts[0]
    for part in parts[1:]:
        if any((place / path).glob("__init__.*")):
            break
        path += f"/{part}"
    return path


def _strangers(place: Path, root: str, own: set[str]) -> list[str]:
    """Return Python files in a package's folder that its installer did not write."""
    found = ((place / root).rglob("*.py")) if (place / root).is_dir() else ()
    return sorted(name for path in found if (name := path.relative_to(place).as_posix()) not in own)


def _check_records(package: InstalledPackage, declared: set[str]) -> None:
    """Refuse modules in which another distribution has files, and files in the modules of another.

    One of the two replaced the other's files when it was installed. Folders without ``__init__`` are nobody's: many
    distributions share them, each with modules of its own.
    """
    own = {file for file in package.distribution.files() if _is_inside(file)}
    tops = {_top(file) for file in own if "/" in file or file.endswith((".py", *NATIVE))}
    for other, files in recorded_beside(package.distribution, tops) if tops else ():
        theirs = {file for file in files if _is_inside(file)}
        in_ours = [file for file in theirs if any(_lies_in(file, module) for module in declared)]
        modules = {_top(file) for file in theirs if _is_top_module(file)}
        shared = min(in_ours or [file for file in own if _top(file) in modules], default="")
        if shared:
            _clash(package, shared, f"the distribution {other.name} {other.version}")


def _is_inside(file: str) -> bool:
    """Tell whether a recorded path is below the folder on the import path, and none of metadata or bytecode."""
    first, *rest = file.split("/")
    return first not in {"", ".."} and not first.endswith((".dist-info", ".data")) and "__pycache__" not in rest


def _top(file: str) -> str:
    return file.partition("/")[0].partition(".")[0]


def _lies_in(file: str, module: str) -> bool:
    return f"{file.partition('.')[0]}/".startswith(f"{module.replace('.', '/')}/")


def _is_top_module(file: str) -> bool:
    """Tell whether a file makes its top-level name a module."""
    folder, _, name = file.rpartition("/")
    stem, _, suffix = name.partition(".")
    importable = f".{suffix}".endswith((".py", *NATIVE))
    return importable and (not folder or ("/" not in folder and stem == "__init__"))


def _clash(package: InstalledPackage, what: str, who: str) -> NoReturn:
    raise PackageError(
        "X07PKG_MODULE_CLASH",
        f"{package.name} {package.document.version} brings {what}, and so does {who}",
        where=f"{package.place}, distribution {package.distribution.name} {package.distribution.version}",
        hint="uninstall one of the two distributions, and install the other again",
    )


def _refuse(package: InstalledPackage, what: str) -> NoReturn:
    raise PackageError(
        "X07PKG_MODULES",
        f"{package.name} {package.document.version} is refused: {what}",
        where=f"distribution {package.distribution.name} {package.distribution.version}",
        hint="tell its author; uninstall it, for Python finds its modules whether x07 knows it or not",
    )
