"""Files as they come: encodings, line ends, packages without ``__init__``, links, environments, what cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from x07py.arch.init import first_manifest
from x07py.arch.scan.module_files import Scan, module_files

DENY = {"kind": "deps_v1", "id": "r", "from": "a", "to": ["b"], "mode": "deny"}


@pytest.fixture(params=["run-os", "solve-pure"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A rule between two nodes, in a world that needs no syntax tree and in one that does."""
    world = request.param
    return write(tmp_path, manifest(node("a", world), node("b", world), rules=[DENY]), {"b.py": ""})


READABLE = {
    "plain": b"import b\n",
    "byte order mark": b"\xef\xbb\xbfimport b\n",
    "latin-1": b"# -*- coding: latin-1 -*-\nx = '\xe9'\nimport b\n",
    "cookie in line 2": b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\nimport b\n",
    "cookie without an end of line": b"# coding: utf-8\nimport b",
    "no cookie, in line 3": "\n\n# coding: latin-1\nx = 'é'\nimport b\n".encode(),
    "dos": b"x = 1\r\nimport b\r\n",
    "old mac": b"x = 1\rimport b\r",
    "other letters": "é = 'ü'; import b\n".encode(),
}


@pytest.mark.parametrize("case", READABLE)
def test_what_python_reads_is_read(case: str, project: Path) -> None:
    data = READABLE[case]
    (project / "a.py").write_bytes(data)
    report = run(project)
    assert codes(report) == ["E_ARCH_DEPS_DENY"]
    row = report.findings[0]
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    expected = next(number for number, line in enumerate(lines, 1) if b"import b" in line)
    assert row.line == expected
    assert row.source is not None
    assert row.column is not None
    assert row.source[row.column - 1 :].startswith("import b")


@pytest.mark.parametrize("data", [b"x = '\xe9'\nimport b\n", b"# coding: klingon\nimport b\n", b"import b\nimport (\n"])
def test_what_python_refuses_is_a_finding(data: bytes, project: Path) -> None:
    (project / "a.py").write_bytes(data)
    report = run(project)
    assert codes(report) == ["E_ARCH_MODULE_PARSE"]
    assert report.findings[0].path == "a.py"


def test_a_folder_without_init_is_a_package(tmp_path: Path) -> None:
    modules = {
        "a/x/one.py": "import a.y\nfrom ..y import two\nfrom . import gone\n",
        "a/y/two.py": "from b.deep import three\n",
    }
    report = run(write(tmp_path, manifest(node("a"), node("b"), rules=[DENY]), {**modules, "b/deep/three.py": ""}))
    assert codes(report) == ["E_ARCH_DEPS_DENY", "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED"]
    assert [row.data["import"] for row in report.findings] == ["b.deep.three", "a.x.gone"]


def test_links_are_not_followed_and_environments_not_entered(tmp_path: Path) -> None:
    root = write(tmp_path, manifest(node("a")), {"a.py": "", "env/lib/x.py": "import ("})
    (root / "env/pyvenv.cfg").write_text("")
    (root / "env/bin").mkdir()
    (root / "linked.py").symlink_to(root / "a.py")
    (root / "round").symlink_to(root)
    (root / "gone.py").symlink_to(root / "nothing.py")
    (root / "docs").symlink_to(root / "arch")
    report = run(root)
    assert (codes(report), report.modules, report.exit_code) == (["W_ARCH_MODULE_LINK"], 1, 0)
    assert [(row.path, row.data["target"]) for row in report.findings] == [
        ("linked.py", str(root / "a.py")),
        ("round", str(root)),
    ]


@pytest.mark.parametrize("target", ["../outside", ".gen", "../outside/x.py", ".gen/x.py"])
def test_a_link_to_what_is_not_checked_is_an_error(target: str, tmp_path: Path) -> None:
    root = tmp_path / "p"
    for folder in (tmp_path / "outside", root / ".gen"):
        folder.mkdir(parents=True)
        (folder / "x.py").write_text("import socket\n")
    write(root, manifest(node("a")), {"a.py": ""})
    name = f"linked{Path(target).suffix}"
    (root / name).symlink_to(target)
    report = run(root)
    assert [(row.code, row.path) for row in report.findings] == [("E_ARCH_MODULE_LINK", name)]
    (root / "arch").rename(tmp_path / "arch")
    first_manifest(root)
    assert codes(run(root)) == []


def test_a_new_link_is_seen_after_a_clean_check(tmp_path: Path) -> None:
    root = write(tmp_path, manifest(node("a")), {"a.py": ""})
    before = module_files(root, Scan())
    (root / "b.py").symlink_to("a.py")
    assert module_files(root, Scan()) != before
