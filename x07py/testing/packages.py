"""The packages of x07.lock in tests: compared before the first test, refused where a world forbids them.

A test that names a world may not use a package that does not allow it, neither by an import while it runs nor by one
of its own module. Imports that other modules have done before are not traced: `x07 arch check` does that.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.contracts.lockfile import read_lock
from x07py.contracts.packages import ProjectPackages, sorted_by_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType


class _Refusal:
    """Refuses imports of packages that a world does not allow; first among the finders while it stands."""

    def __init__(self, packages: ProjectPackages) -> None:
        self._packages = packages

    def find_spec(self, name: str, *_: object) -> None:
        """Leave every module that may be imported to the finders behind this one.

        Raises:
            PackageError: ``X07PKG_WORLD_REFUSED``.
        """
        self._packages.check_import(name)


@contextmanager
def world_packages(root: Path, world: str, module: ModuleType | None) -> Iterator[None]:
    """Hold a test to the packages that its world allows.

    Args:
        root: the project's folder.
        world: the test's world.
        module: the test's module.

    Raises:
        PackageError: ``X07PKG_WORLD_REFUSED`` if `module` has imported another one.
    """
    packages = sorted_by_world(read_lock(root) or {}, world)
    for value in vars(module).values() if module else ():
        name = getattr(value, "__module__", None) or getattr(value, "__name__", None)
        if isinstance(name, str):
            packages.check_import(name)
    names = [own for package in packages.refused for own in package.modules]
    taken = [loaded for loaded in sys.modules if any(loaded == own or loaded.startswith(f"{own}.") for own in names)]
    hidden = {loaded: sys.modules.pop(loaded) for loaded in taken}
    finder = _Refusal(packages)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        sys.modules.update(hidden)
