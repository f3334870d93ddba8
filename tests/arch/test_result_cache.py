"""A project that did not change is answered from memory; any change of what a check reads is noticed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.arch.trees import CONTRACTS, contracts_project, manifest, node, write
from tests.support.project import x07
from x07py.arch import store
from x07py.arch.result_cache import unchanged_summary
from x07py.cli.quick import check_architecture

MODULES = {"a/__init__.py": "", "a/x.py": "import b\n", "b.py": "", "notes.txt": ""}


@pytest.fixture(autouse=True)
def _collect_again() -> Iterator[None]:
    """The quick way switches the collector off for the short life of its process."""
    yield
    gc.enable()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clean project that was checked once, as if that was long ago."""
    monkeypatch.setattr(store, "_TICK_NS", -60_000_000_000)
    monkeypatch.chdir(tmp_path)
    contracts_project(tmp_path)
    document = manifest(node("a"), node("b"), contracts_v1=CONTRACTS)
    write(tmp_path, document, MODULES)
    (tmp_path / "arch/manifest.lock.json").unlink()
    assert unchanged_summary(tmp_path) is None
    assert check_architecture() == 0
    assert unchanged_summary(tmp_path) == (
        "3 modules, 2 nodes, 1 import: 0 errors, 0 warnings\nread 3 Python files, 9 bytes"
    )
    return tmp_path


def rewrite(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(text)


def same_size_and_time(root: Path) -> None:
    """A change that keeps size and mtime, as a malicious or an odd tool may make it."""
    path = root / "a/x.py"
    before = path.stat()
    path.write_text("import c\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "module": rewrite("a/x.py", "import b, c\n"),
    "same size and time": same_size_and_time,
    "new module": rewrite("c.py", ""),
    "gone module": lambda root: (root / "b.py").unlink(),
    "manifest": rewrite("arch/manifest.x07arch.json", "{}"),
    "contract": rewrite("arch/msg/index.x07msg.json", "{}"),
    "gone contract": lambda root: (root / "arch/rr/index.x07rr.json").unlink(),
    "new lock": rewrite("arch/manifest.lock.json", "{}"),
    "package lock": rewrite("x07.lock", "{}"),
    "settings": rewrite("pyproject.toml", ""),
    "other settings": rewrite("x07.toml", ""),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: str, project: Path) -> None:
    CHANGES[change](project)
    assert unchanged_summary(project) is None


def test_other_files_do_not_count(project: Path) -> None:
    (project / "notes.txt").write_text("more")
    (project / ".tool").mkdir()
    (project / ".tool/x.py").write_text("(")
    assert unchanged_summary(project) is not None


def test_another_version_forgets(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "__version__", "0")
    assert unchanged_summary(project) is None


def test_a_change_within_the_tick_is_not_trusted(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "b.py").write_text("x = 1\n")
    monkeypatch.setattr(store, "_TICK_NS", 2_000_000_000)
    assert check_architecture() == 0
    assert unchanged_summary(project) is None


def test_findings_are_never_remembered(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "a/x.py").write_text("import other\n")
    for _ in range(2):
        assert check_architecture() == 2
        assert "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED" in capsys.readouterr().out


def test_a_contract_outside_of_arch_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_TICK_NS", -60_000_000_000)
    monkeypatch.chdir(tmp_path)
    contracts_project(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "arch/msg/index.x07msg.json").rename(tmp_path / "elsewhere/index.x07msg.json")
    msg = {"index_path": "elsewhere/index.x07msg.json", "enforce": "error"}
    write(tmp_path, manifest(contracts_v1={**CONTRACTS, "msg": msg}))
    for name in ("manifest", "contracts"):
        (tmp_path / f"arch/{name}.lock.json").unlink()
    assert x07("arch", "check", "--write-lock", cwd=tmp_path).returncode == 0
    assert check_architecture() == 0
    assert unchanged_summary(tmp_path) is not None
    (tmp_path / "elsewhere/index.x07msg.json").write_text("{}")
    assert unchanged_summary(tmp_path) is None


def test_the_quick_way_takes_no_library_of_the_command_line(project: Path) -> None:
    """Python 3.14 itself imports ``ast`` for a named tuple, so that counts only where a module of ours takes it."""
    run = (
        "import sys; from x07py.cli.quick import check_architecture as c; c(); print(sorted(sys.modules), 'taken:',"
        "[name for name, one in sys.modules.items() if name.startswith('x07py') and hasattr(one, 'ast')])"
    )
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True, cwd=project)
    for name in ("typer", "rich", "jsonschema", "tomlkit", "x07py.arch.scan.syntax"):
        assert f"'{name}'" not in done.stdout
    assert done.stdout.endswith("taken: []\n")


def test_it_says_the_same_as_the_usual_way(project: Path) -> None:
    quick = x07("arch", "check", cwd=project)
    usual = x07("arch", "check", "--format", "text", cwd=project)
    assert (quick.stdout, quick.returncode) == (usual.stdout, usual.returncode)
