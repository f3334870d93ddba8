"""Noticing that a client library is imported while a cassette is in use, so that none has to be loaded in advance.

A library that is loaded already is patched at once (`x07py.testing.patching`); loading all that are installed, because
the program might want them, took longer than most tests.
"""

from __future__ import annotations

import sys
from importlib.machinery import BuiltinImporter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class Arrivals:
    """A finder that finds nothing by itself: it tells when one of some packages has been loaded.

    Args:
        packages: names of top-level packages.
        tell: called with the name of a package once its module has run, before whoever imports it goes on.
    """

    def __init__(self, packages: Iterable[str], tell: Callable[[str], None]) -> None:
        self._packages = frozenset(packages)
        self._tell = tell

    def watch(self) -> None:
        """Begin to look, behind finders that refuse imports and before those that load files."""
        first = next((n for n, one in enumerate(sys.meta_path) if one is BuiltinImporter), len(sys.meta_path))
        sys.meta_path.insert(first, self)

    def end(self) -> None:
        """Look no more."""
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return what the finders after this one find, with a loader that tells."""
        if name not in self._packages:
            return None
        later = sys.meta_path[sys.meta_path.index(self) + 1 :]
        spec = next((found for one in later if (found := one.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_tell(module: ModuleType) -> None:
                load(module)
                self._tell(name)

            spec.loader.exec_module = load_and_tell  # type: ignore[method-assign]
        return spec
