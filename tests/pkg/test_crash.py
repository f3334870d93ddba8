"""A killed process leaves the project as it was before or as it shall be, and eight processes lose nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg
from x07py.contracts.journal import change_together, project_lock, settle
from x07py.contracts.lockfile import read_lock
from x07py.contracts.packages import installed_packages
from x07py.contracts.project import read_project
from x07py.errors import FileError

KILLER = """
import os, signal, sys
project, step = sys.argv[1], int(sys.argv[2])
WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.truncate", "shutil.rmtree"}
count = 0

def watch(event, args):
    global count
    if event == "open":
        path, mode, flags = args
        changes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    else:
        changes, path = event in WRITES, args[0] if args else ""
    if not changes or not str(path).startswith(project):
        return
    count += 1
    if count == step:
        os.kill(os.getpid(), signal.SIGKILL)

sys.argv = ["x07", "pkg", *sys.argv[3:]]
from x07py.cli.entry import main
sys.addaudithook(watch)
main()
"""


def facts(project: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Return what manifest and lock say, read as `x07 run` reads them."""
    found = read_project(project)
    lock = read_lock(project)
    versions = {name: row.version for name, row in lock.packages.items()} if lock is not None else {}
    return {row.name: row.requirement for row in found.dependencies}, versions


def killed_at(project: Path, step: int, *args: str) -> bool:
    """Run a command that is killed at its n-th write below the project; return whether it lived so long."""
    done = subprocess.run(
        [sys.executable, "-c", KILLER, str(project), str(step), *args], cwd=project, capture_output=True, check=False
    )
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr.decode()
    return done.returncode != 0


def restore(project: Path, files: dict[str, bytes]) -> None:
    for path in sorted(project.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    for name, data in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_bytes(data)


def snapshot(project: Path) -> dict[str, bytes]:
    return {path.relative_to(project).as_posix(): path.read_bytes() for path in project.rglob("*") if path.is_file()}


def test_killed_at_every_write_manifest_and_lock_belong_together(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0", "base@>=1")
    packages.publish("greet", "2.0.0", "base@>=2")
    packages.publish("base", "1.0.0")
    packages.publish("base", "2.0.0")
    with (empty / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'[tool.x07.index]\nurl = "{packages.url}"\n')
    pkg(empty, "add", "greet@1.0.0", "--sync")
    start = snapshot(empty)
    old = facts(empty)
    new = ({"greet": "2.0.0"}, {"base": "2.0.0", "greet": "2.0.0"})
    seen = []
    for step in range(1, 200):
        restore(empty, start)
        if not killed_at(empty, step, "update", "greet@2.0.0", "--sync"):
            break
        now = facts(empty)
        assert now in (old, new), step
        seen.append(now == new)
        assert not list(empty.glob(".*.x07new")) or now == old
        pkg(empty, "lock", "--check") if step % 8 == 0 else None
        if step % 4 == 0:
            pkg(empty, "sync")
            assert facts(empty) == now
            assert installed_packages(empty, "run-os").roots
            assert not (empty / ".x07" / "staging").exists()
    assert facts(empty) == new
    assert seen == sorted(seen), "once the change is made it stays"
    assert seen.count(False) > 10
    assert seen.count(True) > 3


def test_a_crash_before_the_journal_leaves_no_litter(empty: Path) -> None:
    (empty / ".pyproject.toml.x07new").write_bytes(b"half")
    pkg(empty, "add", "kafka")
    assert sorted(path.name for path in empty.iterdir()) == [".x07", "pyproject.toml", "x07.lock"]


def test_a_journal_that_fits_nothing_does_no_harm(empty: Path) -> None:
    before = (empty / "pyproject.toml").read_bytes()
    (empty / ".x07").mkdir()
    for text in ("not json", "[]", '{"../evil": "x"}'):
        (empty / ".x07" / "journal.json").write_text(text, encoding="utf-8")
        (empty / ".pyproject.toml.x07new").write_bytes(b"other")
        settle(empty)
        assert (empty / "pyproject.toml").read_bytes() == before
        assert not (empty / ".x07" / "journal.json").exists()


def test_eight_processes_adding_at_once_lose_nothing(empty: Path, packages: Packages) -> None:
    names = [f"part-{letter}" for letter in "abcdefgh"]
    folders = [packages.make(name, "1.0.0") for name in names]
    command = [str(Path(sys.executable).parent / "x07"), "pkg", "add"]
    running = [
        subprocess.Popen([*command, name, "--path", str(folder), "--sync"], cwd=empty, stdout=subprocess.DEVNULL)
        for name, folder in zip(names, folders, strict=True)
    ]
    assert [process.wait(600) for process in running] == [0] * 8
    manifest, versions = facts(empty)
    assert manifest == dict.fromkeys(names, "*")
    assert versions == dict.fromkeys(names, "1.0.0")
    assert len(installed_packages(empty, "run-os").roots) == 8
    assert (
        len(tomllib.loads((empty / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["x07"]["dependencies"]) == 8
    )


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    from tests.tmpfs import small_tmpfs

    with small_tmpfs(tmp_path / "disk", kilobytes=64) as disk:
        (disk / "x07.toml").write_text("", encoding="utf-8")
        with project_lock(disk):
            with pytest.raises(FileError, match="X07IO_WRITE"):
                change_together(disk, {"x07.toml": b"a", "x07.lock": bytes(1 << 20)})
            assert (disk / "x07.toml").read_bytes() == b""
        assert {path.name for path in disk.iterdir()} == {"x07.toml", ".x07"}


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    from tests.tmpfs import small_tmpfs

    with small_tmpfs(tmp_path / "disk", kilobytes=64) as disk:
        (disk / "x07.toml").write_text("", encoding="utf-8")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "X07IO_WRITE" in pkg(disk, "add", "kafka", code=20).stderr
        pkg(disk, "add", "kafka", "--dry-run")


def test_the_mode_of_the_manifest_stays(empty: Path) -> None:
    (empty / "pyproject.toml").chmod(0o600)
    pkg(empty, "add", "kafka")
    assert (empty / "pyproject.toml").stat().st_mode & 0o777 == 0o600
