"""The program that is explored: found, and its modules run afresh at each start."""

from __future__ import annotations

import argparse
import asyncio
import gettext
import inspect
import shutil
import sys
from functools import lru_cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UsageError
from x07py.files import SOURCE_BYTES, read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from types import CodeType

    from x07py.explore.history import History

_find, _width = gettext.find, shutil.get_terminal_size
_FRESH = "__x07_explored__"


class _Found(NamedTuple):
    origin: str
    package: str | None
    cached: str
    code: CodeType


class _Fresh(MetaPathFinder, Loader):
    """Loads the project's own modules from code that was compiled once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._known: dict[str, _Found | None] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del target
        if fullname not in self._known:
            self._known[fullname] = self._look(fullname, path)
        found = self._known[fullname]
        if found is None:
            return None
        spec = ModuleSpec(fullname, self, origin=found.origin, is_package=found.package is not None)
        spec.has_location = True
        spec.cached = found.cached
        if found.package is not None:
            spec.submodule_search_locations = [found.package]
        return spec

    def _look(self, name: str, path: Sequence[str] | None) -> _Found | None:
        spec = PathFinder.find_spec(name, path)
        if spec is None or not spec.origin or not spec.origin.endswith(".py"):
            return None
        origin = Path(spec.origin).resolve()
        if not origin.is_relative_to(self._root) or "site-packages" in origin.parts:
            return None
        code = compile(read_file(origin, limit=SOURCE_BYTES, root=self._root), str(origin), "exec")
        package = None if spec.submodule_search_locations is None else str(origin.parent)
        return _Found(str(origin), package, cache_from_source(str(origin)), code)

    def exec_module(self, module: ModuleType) -> None:
        found = self._known[module.__name__]
        assert found is not None  # noqa: S101
        exec(found.code, module.__dict__)  # noqa: S102  (this is what importing is)

    def forget(self) -> None:
        """Take the project's modules out, so that the next import runs them."""
        for name in [name for name, one in self._known.items() if one is not None]:
            sys.modules.pop(name, None)

    def knows(self, name: str) -> bool:
        """Tell whether a module is the project's own."""
        return self._known.get(name) is not None

    def code_of(self, file: Path) -> CodeType:
        """Return the compiled code of a file that is no module by its name."""
        name = f"file {file}"
        if name not in self._known:
            code = compile(read_file(file, limit=SOURCE_BYTES), str(file), "exec")
            self._known[name] = _Found(str(file), None, "", code)
        found = self._known[name]
        assert found is not None  # noqa: S101
        return found.code


class _Captured(BaseException):
    """Leaves a program's synchronous part with the coroutine that it wanted to run."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        super().__init__()
        self.coroutine = coroutine


class Program:
    """A program of the project.

    Args:
        root: the project's folder.
        entry: ``module``, ``module:function`` or a file.
        args: its arguments.
        call: keyword arguments of the function, where it is a test.
    """

    def __init__(self, root: Path, entry: str, args: Sequence[str], call: Mapping[str, Any] | None = None) -> None:
        self.root: Path = root.resolve()
        self.entry: str = entry
        self.args: list[str] = list(args)
        self._call = dict(call or {})
        self._fresh = _Fresh(self.root)
        self._module, _, self._function = entry.partition(":") if not entry.endswith(".py") else (entry, "", "")
        if ".py:" in entry:
            self._module, _, self._function = entry.rpartition(":")

    def install(self) -> None:
        """Make the project's modules importable, from here on in this process."""
        paths = [str(self.root / "src"), str(self.root)]
        if self._module.endswith(".py"):
            paths.insert(0, str((self.root / self._module).resolve().parent))
        sys.path[:0] = [path for path in paths if path not in sys.path]
        if self._fresh not in sys.meta_path:
            sys.meta_path.insert(0, self._fresh)
        # argparse asks for a translation of each of its words, and for the width of the terminal for each of its
        # arguments, at each start of the program
        gettext.find = lru_cache(maxsize=256)(_find)  # type: ignore[assignment]
        argparse._ = lru_cache(maxsize=256)(gettext.gettext)  # type: ignore[attr-defined]
        shutil.get_terminal_size = lru_cache(maxsize=1)(_width)

    def remove(self) -> None:
        """Undo `install`, but for the path."""
        if self._fresh in sys.meta_path:
            sys.meta_path.remove(self._fresh)
        self._fresh.forget()
        gettext.find, shutil.get_terminal_size = _find, _width
        argparse._ = gettext.gettext  # type: ignore[attr-defined]

    def start(self) -> Coroutine[Any, Any, Any]:
        """Run the program's modules and return what it would give to ``asyncio.run``.

        Raises:
            UsageError: ``X07EXPLORE_ENTRY`` if there is no such program, or it runs no coroutine.
        """
        self._fresh.forget()
        argv, sys.argv = sys.argv, [self._module, *self.args]
        run, runner = asyncio.run, asyncio.Runner.run
        asyncio.run = _capture  # type: ignore[assignment]
        asyncio.Runner.run = lambda _, coro, **more: _capture(coro, **more)  # type: ignore[method-assign]
        try:
            found = self._enter()
        except _Captured as captured:
            return captured.coroutine
        except SystemExit:
            found = None
        finally:
            sys.argv = argv
            asyncio.run, asyncio.Runner.run = run, runner  # type: ignore[method-assign]
        if not inspect.iscoroutine(found):
            raise UsageError(
                "X07EXPLORE_ENTRY",
                f"{self.entry} has no coroutine function main and runs nothing with asyncio.run",
                hint="name the program: x07 explore INPUTS -- module, module:function or file.py, and its arguments",
            )
        return found

    def _enter(self) -> object:
        if self._module.endswith(".py"):
            file = (self.root / self._module).resolve()
            if not file.is_file() or not file.is_relative_to(self.root):
                raise self._missing(f"the project has no file {self._module}")
            module = ModuleType(_FRESH if self._function or self._has_main(file) else "__main__")
            module.__file__ = str(file)
            exec(self._fresh.code_of(file), module.__dict__)  # noqa: S102  (the program that the user named)
            return self._main_of(module.__dict__)
        module = self._import(self._module, self._missing)
        if not self._function and hasattr(module, "__path__"):
            module = self._import(f"{self._module}.__main__", self._missing)
        return self._main_of(module.__dict__)

    def _import(self, name: str, missing: Callable[[str], UsageError]) -> ModuleType:
        try:
            __import__(name)
        except ModuleNotFoundError as error:
            if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
                raise missing(f"there is no module {name}") from None
            raise
        if not self._fresh.knows(name):
            raise missing(f"{name} is no module of the project")
        return sys.modules[name]

    def invariant(self, name: str) -> Callable[[History], object]:
        """Return a function of the project, ``module:function``, that is called with histories; it is not run afresh.

        Raises:
            UsageError: ``X07EXPLORE_INVARIANT``.
        """

        def missing(what: str) -> UsageError:
            hint = "write module:function of the project, which is called with each history"
            return UsageError("X07EXPLORE_INVARIANT", f"no invariant {name}: {what}", where=str(self.root), hint=hint)

        found = self._named(name, missing)
        if not callable(found):
            raise missing("it is no function")
        made: Callable[[History], object] = found
        return made

    def named(self, name: str) -> object:
        """Return what a module of the project has by a name, ``module:name``; the module is not run afresh.

        Raises:
            UsageError: ``X07EXPLORE_ENTRY``.
        """
        return self._named(name, self._missing)

    def _named(self, name: str, missing: Callable[[str], UsageError]) -> object:
        module, _, attribute = name.partition(":")
        found: object = getattr(self._import(module, missing), attribute, None)
        if found is None:
            raise missing(f"{module} has no {attribute}" if attribute else "it is the name of a module alone")
        return found

    def _has_main(self, file: Path) -> bool:
        return "main" in self._fresh.code_of(file).co_names

    def _main_of(self, names: Mapping[str, Any]) -> object:
        function = names.get(self._function or "main")
        if function is None:
            raise self._missing(f"it has no function {self._function or 'main'}")
        return function(**self._call)

    def _missing(self, what: str) -> UsageError:
        return UsageError(
            "X07EXPLORE_ENTRY",
            f"cannot run {self.entry}: {what}",
            where=str(self.root),
            hint="name the program: x07 explore INPUTS -- module, module:function or file.py, and its arguments",
        )


def _capture(coroutine: Coroutine[Any, Any, Any], **_: object) -> Any:
    raise _Captured(coroutine)
