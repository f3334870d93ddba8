"""The packages of x07.lock in tests: verified before the first test, on the import path, refused where a world forbids.

A test that names a world may not use a package that does not allow it, neither by an import while it runs nor by one
of its own module. Imports that other modules have done before are not traced: `x07 arch check` does that.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import read_lock
from x07py.contracts.packages import Installed, check_dists, installed_packages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from x07py.contracts.lockfile import LockedPackage

_WORLD = "run-os"


def add_packages(root: Path, *, verify: bool) -> list[str]:
    """Put the modules of the project's packages on the import path.

    Args:
        root: the project's folder.
        verify: whether to compare every file with the lock first. One process of a run does; others would see the
            compiled files that the first one's imports write.

    Returns:
        The folders that were put there.

    Raises:
        PackageError: as `x07py.contracts.packages.installed_packages`.
    """
    if verify:
        installed_packages(root, _WORLD)
    packages = [package for package in _locked(root) if package.source != "toolchain"]
    folders = [str(package.folder(root) / package.module_root) for package in packages]
    sys.path[:0] = folders
    return folders


def _locked(root: Path) -> list[LockedPackage]:
    lock = read_lock(root)
    return [lock.packages[name] for name in sorted(lock.packages)] if lock else []


class _Refusal:
    """Refuses imports of packages that a world does not allow; first among the finders while it stands."""

    def __init__(self, installed: Installed) -> None:
        self._installed = installed

    def find_spec(self, name: str, *_: object) -> None:
        """Leave every module that may be imported to the finders behind this one.

        Raises:
            PackageError: ``X07PKG_WORLD_REFUSED``.
        """
        self._installed.check_import(name)


@contextmanager
def world_packages(root: Path, world: str, module: ModuleType | None) -> Iterator[None]:
    """Hold a test to the packages that its world allows.

    Args:
        root: the project's folder.
        world: the test's world.
        module: the test's module.

    Raises:
        PackageError: ``X07PKG_WORLD_REFUSED`` if `module` has imported another one; as `add_packages`.
    """
    packages = _locked(root)
    allowed = tuple(package for package in packages if world in package.worlds)
    check_dists(allowed)
    refused = tuple(package for package in packages if world not in package.worlds)
    installed = Installed(world, (), allowed, refused)
    for value in vars(module).values() if module else ():
        name = getattr(value, "__module__", None) or getattr(value, "__name__", None)
        if isinstance(name, str):
            installed.check_import(name)
    names = [own for package in refused for own in package.modules]
    taken = [loaded for loaded in sys.modules if any(loaded == own or loaded.startswith(f"{own}.") for own in names)]
    hidden = {loaded: sys.modules.pop(loaded) for loaded in taken}
    finder = _Refusal(installed)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(hidden)
