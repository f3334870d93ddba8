"""Compiled files of packages: named by `verify`, refused by `run`, if they are not those of their source or wheel."""

from __future__ import annotations

import importlib.util
import marshal
import os
import py_compile
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.pkg.builders import pkg
from tests.support.installed import install, package_files
from tests.support.project import x07
from x07py.contracts.packages import verified_packages
from x07py.errors import PackageError

CODE = """NAMES = {"a", "b"}
def add(one: int, two: int = 3) -> int:
    return one + two if one in {1, 2, "x"} else two
"""
MODES = py_compile.PycInvalidationMode


@pytest.fixture
def locked(empty: Path, site: Path) -> Path:
    """A project with a package of Python, bytecode and an extension module in its lock; the package's folder."""
    files = package_files("greet", "1.0.0")
    files |= {"greet/sums.py": CODE, f"greet/fast{EXTENSION_SUFFIXES[0]}": "not really one"}
    install(site, "greet", "1.0.0", files, {"x07.packages": {"greet": "greet"}})
    pkg(empty, "add", "greet")
    return site / "greet"


def evil(source: Path, mode: MODES) -> Path:
    """Put bytecode of another program in the place of a module's, so that Python runs it."""
    other = source.with_name("other.txt")
    other.write_text(CODE.replace("one + two", "one - two"))
    cached = Path(importlib.util.cache_from_source(str(source)))
    py_compile.compile(str(other), str(cached), str(source), doraise=True, invalidation_mode=mode)
    other.unlink()
    data = bytearray(cached.read_bytes())
    if mode is MODES.TIMESTAMP:
        found = source.stat()
        data[8:16] = int(found.st_mtime).to_bytes(4, "little") + found.st_size.to_bytes(4, "little")
    elif mode is MODES.CHECKED_HASH:
        data[8:16] = importlib.util.source_hash(source.read_bytes())
    cached.write_bytes(data)
    return cached


@pytest.mark.parametrize("mode", MODES)
def test_bytecode_of_its_source_is_fine_and_that_of_another_is_refused(mode: MODES, locked: Path, empty: Path) -> None:
    source = locked / "sums.py"
    py_compile.compile(str(source), doraise=True, invalidation_mode=mode)
    for _ in range(2):
        assert "ok" in pkg(empty, "verify").stdout
        verified_packages(empty)
    cached = evil(source, mode)
    done = pkg(empty, "verify", code=20)
    assert f"greet/__pycache__/{cached.name}" in done.stdout
    (empty / "app.py").write_text("import greet.sums\nprint(greet.sums.add(1))\n")
    (locked / "__init__.py").touch()
    run = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty)
    assert (run.returncode, run.stdout) == (126, "")
    assert "error[X07PKG_TAMPERED]" in run.stderr
    cached.unlink()
    assert x07("run", "--profile", "os", "--entry", "app.py", cwd=empty).stdout == "4\n"


def test_bytecode_that_python_would_not_run_is_nobodys_business(locked: Path, empty: Path) -> None:
    cached = evil(locked / "sums.py", MODES.TIMESTAMP)
    os.utime(locked / "sums.py", (1, 1))
    assert "ok" in pkg(empty, "verify").stdout
    cached.write_bytes(b"\0" * 40)
    assert "ok" in pkg(empty, "verify").stdout


def test_bytecode_that_is_damaged_is_refused(locked: Path, empty: Path) -> None:
    cached = evil(locked / "sums.py", MODES.UNCHECKED_HASH)
    head = cached.read_bytes()[:16]
    for body in (b"", b"junk", marshal.dumps("no code")):
        cached.write_bytes(head + body)
        assert cached.name in pkg(empty, "verify", code=20).stdout


@pytest.mark.parametrize("name", [f"fast{EXTENSION_SUFFIXES[0]}", f"more{EXTENSION_SUFFIXES[-1]}", "old.pyc"])
def test_an_extension_module_is_what_its_installer_recorded(name: str, locked: Path, empty: Path) -> None:
    verified_packages(empty)
    (locked / name).write_text("evil")
    assert f"greet/{name}" in pkg(empty, "verify", code=20).stdout
    with pytest.raises(PackageError, match="X07PKG_TAMPERED"):
        verified_packages(empty)
