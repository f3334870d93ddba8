"""Programs and the packages of their lock: verified before use, and refused where the world does not allow them."""

from __future__ import annotations

from pathlib import Path

from tests.pkg.builders import Packages
from tests.pkg.conftest import empty, packages
from tests.project import x07

__all__ = ["empty", "packages"]


def add(project: Path, package: Path) -> None:
    added = x07("pkg", "add", "greet", "--path", str(package), "--sync", cwd=project)
    assert added.returncode == 0, added.stderr
    (project / "app.py").write_text("import greet\nprint(greet.VERSION)\n")


def test_a_program_uses_what_is_locked_and_nothing_else(empty: Path, packages: Packages) -> None:
    add(empty, packages.make("greet", "1.0.0", worlds_allowed=["run-os-sandboxed", "solve-rr"]))
    for profile in ("sandbox", "replay"):
        assert x07("run", "--profile", profile, "--entry", "app.py", cwd=empty).stdout == "1.0.0\n"
    module = empty / ".x07/deps/greet/1.0.0/modules/greet.py"
    module.write_text("VERSION = 'evil'\n")
    for profile in ("sandbox", "replay"):
        done = x07("run", "--profile", profile, "--entry", "app.py", cwd=empty)
        assert (done.returncode, done.stdout) == (126, "")
        assert "error[X07PKG_TAMPERED]" in done.stderr


def test_a_missing_distribution_is_named_with_the_command(empty: Path, packages: Packages) -> None:
    add(empty, packages.make("greet", "1.0.0", requires_dists=["no-such-distribution>=1"]))
    done = x07("run", "--profile", "sandbox", "--entry", "app.py", cwd=empty)
    assert (done.returncode, done.stdout) == (126, "")
    assert "python -m pip install 'no-such-distribution>=1'" in done.stderr


def test_a_package_that_the_world_does_not_allow_is_refused_with_the_reason(empty: Path, packages: Packages) -> None:
    add(empty, packages.make("greet", "1.0.0", worlds_allowed=["run-os", "solve-pure"]))
    assert x07("run", "--world", "solve-pure", "--entry", "app.py", cwd=empty).stdout == "1.0.0\n"
    done = x07("run", "--world", "solve-rr", "--entry", "app.py", cwd=empty)
    assert (done.returncode, done.stdout) == (126, "")
    assert "error[X07PKG_WORLD_REFUSED]: greet 1.0.0 may not be used in world solve-rr" in done.stderr
    assert "it allows run-os, solve-pure" in done.stderr
