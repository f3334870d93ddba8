"""Where the ``x07`` command starts: outside of the package, to tell in one line that the package does not import.

What a damaged ``x07py/__init__.py`` raises is raised before any module of the package can run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import ModuleType


def main() -> NoReturn:
    """Run one ``x07`` command line and exit with its code."""
    try:
        from x07py.cli.start import main as run
    except Exception as error:  # noqa: BLE001 (what a damaged module raises is anybody's guess)
        _damage().end(error)
    run()


def _damage() -> ModuleType:
    """Return `x07py.damage`, from its file: it needs nothing of the package."""
    from importlib.util import find_spec, module_from_spec, spec_from_file_location
    from pathlib import Path

    package = find_spec("x07py")
    places = package.submodule_search_locations if package else None
    if not places:
        raise SystemExit("error: x07py is not installed; pip install x07py")
    spec = spec_from_file_location("x07py_damage", Path(places[0]) / "damage.py")
    assert spec is not None  # noqa: S101 (a path that ends in .py has one)
    assert spec.loader is not None  # noqa: S101
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
