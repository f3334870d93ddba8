"""Packages of the lock: what they allow holds only while every file of them is the one that was locked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from tests.pkg.builders import pkg
from tests.support.installed import install, install_package, package_files, site
from tests.support.project import x07
from x07py.errors import PackageError
from x07py.worlds import WORLDS

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


IN_A_FUNCTION = """from x07py import open_driver


async def work(kind):
    async with open_driver({kind}, profile="x") as driver:
        await driver.ack()


async def main():
    await work("kafka")
"""


WAYS = {"a": OPENS, "b": IN_A_FUNCTION.format(kind='"kafka"'), "c": IN_A_FUNCTION.format(kind="kind")}
EVERYWHERE = {f"{world.replace('-', '_')}_{way}": world for world in WORLDS for way in WAYS}
REFUSED = {name for name, world in EVERYWHERE.items() if world in {"solve-pure", "solve-fs", "solve-kv"}}


def begin(project: Path, *, locked: bool) -> None:
    """Leave a project without modules, whose lock holds the Kafka driver or which has no lock."""
    if locked:
        pkg(project, "add", "kafka")
    else:
        (project / "x07.lock").unlink()
        (project / "pyproject.toml").write_text('[project]\nname = "shop"\n')
    (project / "core.py").unlink()


@pytest.mark.parametrize("locked", [True, False])
def test_a_driver_in_a_world_without_network_and_cassettes(locked: bool, project: Path) -> None:
    begin(project, locked=locked)
    nodes = [node(name, world) for name, world in EVERYWHERE.items()]
    externals = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
    modules = {f"{name}.py": WAYS[name[-1]] for name in EVERYWHERE}
    write(project, manifest(*nodes, externals=externals), modules)
    found = [one for one in run(project).findings if one.code == "E_ARCH_DRIVER_WORLD"]
    assert {one.data["module_id"]: one.data["world"] for one in found} == {name: EVERYWHERE[name] for name in REFUSED}
    assert {one.line for one in found if one.data["module_id"].endswith("_b")} == {5}


ADAPTER = """from x07py import open_driver


class Client:
    def start(self):
        return open_driver("kafka", profile="x")


def fetch():
    return Client().start()
"""
CALLS = {
    "by_name": "from adapter import fetch\n\n\ndef work():\n    return fetch()\n",
    "by_class": "import adapter\n\n\ndef work():\n    return adapter.Client().start()\n",
    "over_two": "from middle import fetched\n\n\ndef work():\n    return fetched()\n",
    "by_alias": "import x07py\n\nopener = getattr(x07py, 'open_driver')\n\n\ndef work():\n    return opener('kafka')\n",
    "excused": "from adapter import fetch\n\n\ndef work():\n    return fetch()  # x07: allow driver -- never here\n",
    "innocent": "import adapter\n\n\ndef work():\n    return adapter.__name__\n",
}


@pytest.mark.parametrize(
    ("below", "said", "locked"), [("solve-rr", True, True), ("run-os", True, False), ("solve-pure", False, False)]
)
def test_a_call_over_nodes_that_ends_in_a_driver(below: str, said: bool, locked: bool, project: Path) -> None:
    """Told where the chain starts, unless the function that opens stands in such a node itself."""
    begin(project, locked=locked)
    worlds = {**dict.fromkeys(CALLS, "solve-pure"), "adapter": below, "middle": "run-os"}
    rules = [{"id": "all", "kind": "deps_v1", "from": name, "to": list(worlds), "mode": "allow"} for name in worlds]
    externals = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
    document = manifest(*(node(*row) for row in worlds.items()), externals=externals, rules=rules)
    middle = "from adapter import fetch\n\n\ndef fetched():\n    return fetch()\n"
    write(project, document, {"adapter.py": ADAPTER, "middle.py": middle, **{f"{k}.py": v for k, v in CALLS.items()}})
    found = [row for row in run(project).findings if row.code == "E_ARCH_DRIVER_WORLD"]
    through = {"by_name", "by_class", "over_two"} if said else {"adapter"}
    assert {row.data["module_id"] for row in found} == {"by_alias", *through}
    for row in found:
        if row.data["module_id"] in {"by_name", "over_two"}:
            assert row.data["chain"][-1] == "x07py.open_driver"
            assert row.line == 5
            assert any("adapter.py:6 reaches x07py.open_driver" in note for note in row.notes)


def test_a_live_driver_needs_a_package_for_its_world(project: Path, site: Path) -> None:
    points = {"x07.packages": {"shelf": "shelf"}, "x07.drivers": {"shelf": "shelf:DRIVER"}}
    files = package_files("shelf", "1.0.0", worlds_allowed=["run-os"], driver_kinds=["shelf"])
    install(site, "shelf", "1.0.0", {**files, "shelf/__init__.py": "DRIVER = None\n"}, points)
    pkg(project, "add", "shelf")
    (project / "core.py").unlink()
    names = {"a": "run-os", "b": "run-os-sandboxed", "c": "solve-rr", "d": "solve-pure"}
    externals = {"allowed_import_prefixes": ["x07py"], "allowed_exact": []}
    text = "from x07py import open_driver\n\nopened = open_driver('shelf', profile='x')\n"
    document = manifest(*(node(*row) for row in names.items()), externals=externals)
    write(project, document, {f"{name}.py": text for name in names})
    found = [row.data["module_id"] for row in run(project).findings if row.code == "E_ARCH_DRIVER_WORLD"]
    assert found == ["b", "d"]


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
