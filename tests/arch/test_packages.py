"""Packages of the lock: what they allow holds only while every file of them is the one that was locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from tests.pkg.builders import Packages, pkg
from tests.project import x07
from x07py.errors import PackageError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pure module that imports a package which allows its world, and a driver's package that does not."""
    monkeypatch.setenv("X07_CACHE_DIR", str(tmp_path / "cache"))
    folder = Packages(tmp_path / "made").make("greet", "1.0.0")
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    pkg(root, "add", "greet@1.0.0", "--path", str(folder), "--sync")
    return write(root, pure("greet"), {"core.py": "import greet\n"})


def pure(external: str) -> dict[str, Any]:
    externals = {"allowed_import_prefixes": [external], "allowed_exact": []}
    return manifest(node("core", "solve-pure"), externals=externals)


def module(project: Path) -> Path:
    return next((project / ".x07/deps/greet").glob("*/modules/greet.py"))


def test_a_package_that_allows_the_world(project: Path) -> None:
    assert codes(run(project)) == []


def test_a_package_that_does_not(project: Path) -> None:
    pkg(project, "add", "ext-msg-kafka-c")
    write(project, pure("x07py"), {"core.py": "import x07py.drivers.kafka\n"})
    report = run(project)
    assert codes(report) == ["E_ARCH_OS_IMPORT"]
    assert "package ext-msg-kafka-c" in report.findings[0].message


@pytest.mark.parametrize("change", ["edit", "add", "link"])
def test_a_package_that_was_tampered_with_is_refused(change: str, project: Path) -> None:
    file = module(project)
    if change == "edit":
        file.write_text("import socket\n")
    elif change == "add":
        file.with_name("more.py").write_text("")
    else:
        file.unlink()
        file.symlink_to(project / "core.py")
    with pytest.raises(PackageError) as caught:
        run(project)
    assert caught.value.code == "X07PKG_TAMPERED"
    done = x07("arch", "check", cwd=project)
    assert (done.returncode, "X07PKG_TAMPERED" in done.stderr) == (3, True)


def test_a_lock_that_claims_more_than_the_package_is_refused(project: Path) -> None:
    lock = project / "x07.lock"
    lock.write_text(lock.read_text().replace('"solve-pure"', '"solve-pure",\n  "solve-rr"'))
    with pytest.raises(PackageError) as caught:
        run(project)
    assert caught.value.code in {"X07PKG_LOCK_MISMATCH", "X07PKG_LOCK_PARSE"}


def test_a_package_that_is_not_installed_is_not_trusted(project: Path) -> None:
    module(project).parents[1].rename(project / "elsewhere")
    done = x07("arch", "check", cwd=project)
    assert (done.returncode, "x07 pkg sync" in done.stderr) == (3, True)
