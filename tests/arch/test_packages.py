"""Packages of the lock: what they allow holds only while every file of them is the one that was locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from tests.pkg.builders import pkg
from tests.support.installed import install_package, site
from tests.support.project import x07
from x07py.errors import PackageError

__all__ = ["site"]


@pytest.fixture
def project(tmp_path: Path, site: Path) -> Path:
    """A pure module that imports a package which allows its world."""
    install_package(site, "greet", "1.0.0")
    root = tmp_path / "project"
    root.mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    pkg(root, "add", "greet")
    return write(root, pure("greet"), {"core.py": "import greet\n"})


def pure(external: str) -> dict[str, Any]:
    externals = {"allowed_import_prefixes": [external], "allowed_exact": []}
    return manifest(node("core", "solve-pure"), externals=externals)


def adapter() -> dict[str, Any]:
    externals = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
    return manifest(node("core", "run-os"), externals=externals)


OPENS = "from x07py import open_driver\n\nKIND = 'kafka'\nopened = open_driver(KIND, profile='x')\n"


def test_a_package_that_allows_the_world(project: Path) -> None:
    assert codes(run(project)) == []


def test_a_package_that_does_not(project: Path) -> None:
    pkg(project, "add", "ext-msg-kafka-c")
    write(project, pure("x07py"), {"core.py": "import x07py.drivers.kafka\n"})
    report = run(project)
    assert "E_ARCH_OS_IMPORT" in codes(report)
    assert "package ext-msg-kafka-c" in report.findings[0].message


def test_a_package_that_the_lock_lacks(project: Path, site: Path) -> None:
    install_package(site, "other", "1.0.0")
    write(project, pure("other"), {"core.py": "import other\n"})
    assert "E_ARCH_PACKAGE_NOT_LOCKED" in codes(run(project))


def test_a_driver_that_is_opened_must_be_locked(project: Path) -> None:
    write(project, adapter(), {"core.py": OPENS})
    report = run(project)
    assert codes(report) == ["E_ARCH_PACKAGE_NOT_LOCKED"]
    assert "opens the driver 'kafka'" in report.findings[0].message
    pkg(project, "add", "kafka")
    assert codes(run(project)) == []


def test_a_project_without_a_lock_has_declared_nothing(project: Path) -> None:
    (project / "x07.lock").unlink()
    (project / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    write(project, adapter(), {"core.py": OPENS})
    assert codes(run(project)) == []


def test_a_locked_driver_that_nothing_opens_is_a_warning(project: Path) -> None:
    pkg(project, "add", "kafka")
    report = run(project)
    assert codes(report) == ["W_ARCH_PACKAGE_UNUSED"]
    assert report.findings[0].severity == "warning"


@pytest.mark.parametrize("change", ["edit", "add", "gone"])
def test_a_package_that_was_tampered_with_is_refused(change: str, project: Path, site: Path) -> None:
    assert x07("arch", "check", cwd=project).returncode == 0
    if change == "edit":
        (site / "greet/__init__.py").write_text("import socket\n")
    elif change == "add":
        (site / "greet/more.py").write_text("")
    else:
        (site / "greet/__init__.py").unlink()
    with pytest.raises(PackageError) as caught:
        run(project)
    assert caught.value.code == "X07PKG_TAMPERED"
    done = x07("arch", "check", cwd=project)
    assert (done.returncode, "X07PKG_TAMPERED" in done.stderr) == (3, True)


def test_a_lock_that_claims_more_than_the_package_is_refused(project: Path) -> None:
    lock = project / "x07.lock"
    lock.write_text(lock.read_text().replace('"solve-pure"', '"solve-full",\n  "solve-pure"'))
    with pytest.raises(PackageError) as caught:
        run(project)
    assert caught.value.code == "X07PKG_SOURCE_CHANGED"


def test_a_package_that_is_not_installed_is_not_trusted(project: Path, site: Path) -> None:
    (site / "greet-1.0.0.dist-info").rename(site / "elsewhere")
    done = x07("arch", "check", cwd=project)
    assert (done.returncode, "x07 pkg sync" in done.stderr) == (3, True)
