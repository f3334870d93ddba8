"""Programs and the packages of their lock: compared before use, and refused where the world does not allow them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pkg.builders import pkg
from tests.pkg.conftest import empty
from tests.support.installed import install, install_package, package_files, site
from tests.support.project import EXAMPLE, x07

__all__ = ["empty", "site"]
APP = "import greet\nprint(greet.VERSION)\n"


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("greet/__init__.py", "X07PKG_TAMPERED"),
        ("greet/x07-package.json", "X07PKG_TAMPERED"),
        ("greet-1.0.0.dist-info/entry_points.txt", "X07PKG_TAMPERED"),
        ("client-3.0.dist-info/METADATA", "X07PKG_SOURCE_CHANGED"),
    ],
)
def test_a_program_uses_what_is_locked_and_nothing_else(file: str, code: str, empty: Path, site: Path) -> None:
    points = {"x07.packages": {"greet": "greet"}, "x07.drivers": {"spool": "greet:DRIVER"}}
    more = package_files("greet", "1.0.0", driver_kinds=["spool"], clients=["client"])
    install(site, "client", "3.0", {"client.py": ""})
    install(site, "greet", "1.0.0", more, points)
    pkg(empty, "add", "greet")
    (empty / "app.py").write_text(APP)
    assert x07("run", "--profile", "os", "--entry", "app.py", cwd=empty).stdout == "1.0.0\n"
    text = (site / file).read_text()
    (site / file).write_text(text.replace("greet:DRIVER", "evil:DRIVER").replace("Version: 3.0", "Version: 4.0") + "\n")
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty)
    assert (done.returncode, done.stdout) == (126, "")
    assert f"error[{code}]" in done.stderr


def test_a_missing_client_is_named_with_the_command(empty: Path, site: Path) -> None:
    info = install(site, "client", "3.0", {"client.py": ""})
    install_package(site, "greet", "1.0.0", clients=["client"])
    pkg(empty, "add", "greet")
    (empty / "app.py").write_text(APP)
    info.rename(site / "gone")
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty)
    assert (done.returncode, done.stdout) == (126, "")
    assert "needs the distribution client" in done.stderr
    assert "x07 pkg sync" in done.stderr


def test_a_package_that_the_world_does_not_allow_is_refused_with_the_reason(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0", worlds_allowed=["run-os-sandboxed"])
    pkg(empty, "add", "greet")
    (empty / "app.py").write_text(APP)
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty)
    assert done.returncode != 0
    assert "greet 1.0.0 may not be used in world run-os" in done.stderr


def test_a_driver_that_is_not_declared_is_refused(empty: Path) -> None:
    shutil.copytree(EXAMPLE / "arch", empty / "arch")
    (empty / "app.py").write_text(
        "import asyncio\nfrom x07py import open_driver\n"
        "async def main():\n"
        "    async with open_driver('kafka', profile='local_dev_v1') as driver:\n"
        "        print(driver.kind)\n"
        "asyncio.run(main())\n"
    )
    assert x07("run", "--profile", "os", "--entry", "app.py", cwd=empty).stdout == "kafka\n"
    pkg(empty, "add", "amqp")
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty)
    assert "X07PKG_KIND_UNDECLARED" in done.stderr
    assert "no package of the project provides the driver 'kafka'" in done.stderr
    pkg(empty, "add", "kafka")
    assert x07("run", "--profile", "os", "--entry", "app.py", cwd=empty).stdout == "kafka\n"


def test_nothing_of_a_package_stands_before_the_standard_library(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    pkg(empty, "add", "greet")
    (site / "json.py").write_text("raise RuntimeError\n")
    (empty / "app.py").write_text("import json, greet\nprint(json.dumps(greet.VERSION))\n")
    env = {"PYTHONPATH": ""}
    (empty / "src").mkdir()
    done = x07("run", "--profile", "os", "--entry", "app.py", cwd=empty, **env)
    assert "X07PKG_NOT_SYNCED" in done.stderr
