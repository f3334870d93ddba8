"""What Python files are called: relative to the deepest folder of the import path that holds them.

Two members of one repository often have files of one name (``tests/conftest.py``). Such a top-level name means in each
member what stands there, so these modules are called by their paths, and an import of the name is that of the
importer's own member.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_INIT = "/__init__"


class ModuleNames:
    """The names of a project's Python files.

    Args:
        root: the project's folder.
        roots: folders below it that are on the import path; without any, ``src`` is one if it is there and no package.
        paths: all Python files of the project, so that names which stand twice are known.
    """

    def __init__(self, root: Path, roots: Iterable[str] = (), paths: Iterable[str] = ()) -> None:
        given = [one.strip("/") for one in roots]
        if not given:
            given = [] if (root / "src" / "__init__.py").exists() else ["src"]
        self._roots = sorted((f"{one}/" for one in given if one not in {"", "."}), key=len, reverse=True)
        self._twice: dict[str, set[str]] = {}
        self._find_twice(paths)

    def name(self, path: str) -> str:
        """Return the dotted name of a Python file by its path below the project's root."""
        root, name = self._placed(path)
        if self._twice and name.partition(".")[0] in self._twice:
            return self._prefix(root) + name
        return name

    def meant(self, importer: str, name: str) -> str | None:
        """Return the module that an absolute import means, None if it may be one of several.

        Args:
            importer: path of the file that imports.
            name: what it imports.
        """
        roots = self._twice.get(name.partition(".")[0])
        if roots is None:
            return name
        own = self._placed(importer)[0]
        return self._prefix(own) + name if own in roots else None

    def top(self, path: str) -> str:
        """Return the top-level name of a Python file as an import of its own member says it."""
        return self._placed(path)[1].partition(".")[0]

    def ambiguous(self) -> set[str]:
        """Return the top-level names that stand for different modules in different members."""
        return set(self._twice)

    def _placed(self, path: str) -> tuple[str, str]:
        root = next((one for one in self._roots if path.startswith(one)), "")
        return root, path[len(root) :].removesuffix(".py").removesuffix(_INIT).replace("/", ".")

    def _prefix(self, root: str) -> str:
        return root.replace("/", ".")

    def _find_twice(self, paths: Iterable[str]) -> None:
        """Find top-level names with a module that stands below two roots; parts of one package may."""
        if not self._roots:
            return
        first: dict[str, tuple[str, bool]] = {}
        places: dict[str, set[str]] = {}
        twice: set[str] = set()
        for path in paths:
            root, name = self._placed(path)
            top, package = name.partition(".")[0], path.endswith("/__init__.py")
            places.setdefault(top, set()).add(root)
            before = first.setdefault(name, (root, package))
            if before[0] != root and not (before[1] and package):
                twice.add(top)
        self._twice = {top: places[top] for top in twice}
