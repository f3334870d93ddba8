"""Commands run no code of the checkout that they are used in.

The checkout's folder may be on the import path: an editable installation puts it there, ``PYTHONPATH`` may, and so does
``python -m``. A change could then bring a ``yaml.py`` that is imported in place of a missing library, or metadata of a
distribution that names a driver. What lies in the checkout and was not installed is found, so that packages in
development can be looked at, but never run. Programs that a user starts run in processes of their own.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from functools import cached_property
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_USUAL: tuple[Any, ...] = (BuiltinImporter, FrozenImporter, PathFinder)
_OWN = os.path.realpath(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120


@contextmanager
def nothing_of_it_runs() -> Iterator[None]:
    """Refuse, for the block, to run modules that lie in the checkout of the working directory."""
    try:
        checkout = checkout_of(os.getcwd())  # noqa: PTH109 (pathlib is not imported yet)
    except OSError:  # the folder is gone
        yield
        return
    watched = [path for path in sys.path if _is_below(os.path.realpath(path or "."), checkout)]
    if not watched and all(finder in _USUAL for finder in sys.meta_path):
        yield
        return
    finder = _Finder(checkout)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def checkout_of(folder: str) -> str:
    """Return the repository that a folder lies in, else its project, else the folder itself."""
    here = os.path.realpath(folder)
    above = here
    while not os.path.lexists(os.path.join(above, ".git")):  # noqa: PTH118
        parent = os.path.dirname(above)  # noqa: PTH120
        if parent == above:
            from x07py.contracts.loader import find_root

            return str(find_root())
        above = parent
    return above


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


class _Finder:
    """Finds what the others find, with a loader that refuses for what lies in the checkout.

    A `MetaPathFinder` by what it has: the class would bring in a dozen modules, as would `sysconfig` at once.
    """

    def __init__(self, checkout: str) -> None:
        self._checkout = checkout
        self._folders: dict[str, str] = {}

    @cached_property
    def _installed(self) -> list[str]:
        import site

        places = [*site.getsitepackages(), site.getusersitepackages(), _OWN]
        return [os.path.realpath(place) for place in places]

    @cached_property
    def _rest(self) -> list[str]:
        """Return where else Python installs, which takes long to find out and is seldom asked."""
        import sysconfig

        paths = sysconfig.get_paths()
        return [os.path.realpath(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib")]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.has_location and spec.origin and self._is_of_checkout(self._real(spec.origin)):
                    return self._installed_spec(fullname, path) or _refusing(spec)
                return spec
        return None

    def _installed_spec(self, name: str, path: Sequence[str] | None) -> ModuleSpec | None:
        """Return what the name means without the checkout, which may stand before the libraries on the path."""
        return PathFinder.find_spec(
            name, [one for one in path or sys.path if not self._is_of_checkout(os.path.realpath(one or "."))]
        )

    def _is_of_checkout(self, path: str) -> bool:
        if not _is_below(path, self._checkout) or any(_is_below(path, place) for place in self._installed):
            return False
        return not any(_is_below(path, place) for place in self._rest)

    def _real(self, file: str) -> str:
        """Return the path of a file without links; a folder is looked up once, as many modules lie in it."""
        if os.path.islink(file):  # noqa: PTH114
            return os.path.realpath(file)
        folder, name = os.path.split(file)
        if folder not in self._folders:
            self._folders[folder] = os.path.realpath(folder)
        return os.path.join(self._folders[folder], name)  # noqa: PTH118


def _refusing(spec: ModuleSpec) -> ModuleSpec:
    loader: Any = _NotRun()
    spec.loader = loader
    return spec


class _NotRun:
    """The loader of a module that is not run."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave it to Python to make the module."""

    def exec_module(self, module: ModuleType) -> None:
        """Refuse.

        Raises:
            ImportError: always.
        """
        name = module.__name__
        raise ImportError(f"{name} lies in this checkout, whose code x07 does not run: install it to have it used")
