"""`x07 run` imports packages from where the lock says, and nothing that is not what was locked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg
from tests.project import x07


def started(project: Path) -> tuple[int, str, str]:
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=project)
    return done.returncode, done.stdout, done.stderr


def test_a_program_uses_a_package_until_it_is_tampered_with(empty: Path, packages: Packages) -> None:
    pkg(empty, "add", "greet", "--path", str(packages.make("greet", "1.0.0")), "--sync")
    (empty / "app.py").write_text("import greet\nprint(greet.VERSION)\n", encoding="utf-8")
    for _ in range(2):
        assert started(empty)[:2] == (0, "1.0.0\n")
    module = empty / ".x07" / "deps" / "greet" / "1.0.0" / "modules" / "greet.py"
    module.write_text('VERSION = "evil"\n', encoding="utf-8")
    code, out, err = started(empty)
    assert (code, out) == (126, "")
    assert "X07PKG_TAMPERED" in err
    assert "x07 pkg sync" in err
    pkg(empty, "sync")
    assert started(empty)[:2] == (0, "1.0.0\n")


@pytest.mark.parametrize("profile", ["os", "sandbox"])
def test_a_package_that_the_world_does_not_allow_says_so(empty: Path, packages: Packages, profile: str) -> None:
    folder = packages.make("greet", "1.0.0", worlds_allowed=["solve-pure"])
    pkg(empty, "add", "greet", "--path", str(folder), "--sync")
    (empty / "app.py").write_text("import greet\n", encoding="utf-8")
    done = x07("run", "--profile", profile, "--entry", "app.py", cwd=empty)
    assert done.returncode == 1
    assert "greet 1.0.0 may not be used in world run-os" in done.stderr
    assert "it allows solve-pure" in done.stderr
    assert "X07PKG_WORLD_REFUSED" in done.stderr


def test_a_module_of_that_name_elsewhere_is_not_hidden(empty: Path, packages: Packages) -> None:
    folder = packages.make("greet", "1.0.0", worlds_allowed=["solve-pure"])
    pkg(empty, "add", "greet", "--path", str(folder), "--sync")
    (empty / "greet.py").write_text("VERSION = 'own'\n", encoding="utf-8")
    (empty / "app.py").write_text("import greet\nprint(greet.VERSION)\n", encoding="utf-8")
    assert started(empty)[:2] == (0, "own\n")


def test_a_missing_distribution_is_named_before_the_program_starts(empty: Path, packages: Packages) -> None:
    folder = packages.make("greet", "1.0.0", requires_dists=["no-such-distribution>=1"])
    assert (
        "python -m pip install 'no-such-distribution>=1'"
        in pkg(empty, "add", "greet", "--path", str(folder), "--sync").stderr
    )
    (empty / "app.py").write_text("print('started')\n", encoding="utf-8")
    code, out, err = started(empty)
    assert (code, out) == (126, "")
    assert "python -m pip install 'no-such-distribution>=1'" in err
