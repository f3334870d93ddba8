"""A killed process leaves the project as it was before or as it shall be, and eight processes lose nothing."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.pkg.builders import pkg
from tests.support.installed import install_package
from x07py.contracts.journal import change_together, project_lock, settle
from x07py.contracts.lockfile import read_lock
from x07py.contracts.project import read_project
from x07py.errors import FileError
from x07py.files.own import project_id, state_folder

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
from x07py.cli.main import main
sys.addaudithook(watch)
main()
"""


def facts(project: Path) -> tuple[dict[str, object], dict[str, str]]:
    """Return what manifest and lock say, read as `x07 run` reads them."""
    found = read_project(project)
    lock = read_lock(project)
    versions = {name: row.version for name, row in lock.items()} if lock is not None else {}
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


@pytest.mark.parametrize("command", ["add", "remove"])
def test_killed_at_every_write_the_next_command_says_what_is_half_done(command: str, empty: Path, site: Path) -> None:
    install_package(site, "base", "1.0.0")
    install_package(site, "greet", "1.0.0", requires_packages=["base@>=1"])
    pkg(empty, "add", "kafka")
    if command == "remove":
        pkg(empty, "add", "greet")
    start, old = snapshot(empty), facts(empty)
    pkg(empty, command, "greet")
    new = facts(empty)
    seen = []
    for step in range(1, 100):
        restore(empty, start)
        if not killed_at(empty, step, command, "greet"):
            break
        now = facts(empty)
        assert now[0] in (old[0], new[0]), step
        if now in (old, new):
            pkg(empty, "lock", "--check")
        else:
            assert now == (new[0], old[1]), "the lock comes last"
            assert "greet" in pkg(empty, "lock", "--check", code=20).stderr
            pkg(empty, "sync", "--offline")
            assert facts(empty) == new
        seen.append(now == new)
    assert facts(empty) == new
    assert seen == sorted(seen), "once the change is made it stays"
    assert seen.count(False) >= 4


def test_a_crash_before_the_journal_leaves_no_litter(empty: Path) -> None:
    (empty / ".pyproject.toml.x07new").write_bytes(b"half")
    pkg(empty, "add", "kafka")
    assert sorted(path.name for path in empty.iterdir()) == [".x07", "pyproject.toml", "x07.lock"]


@pytest.mark.parametrize("name", ["pyproject.toml", "x07.lock", "arch/manifest.x07arch.json", "../evil"])
def test_a_journal_of_a_checkout_changes_nothing(empty: Path, name: str) -> None:
    """Two files that a change can bring: a journal, and what it would put in the place of a file."""
    hidden = b'[project]\nname = "evil"\nversion = "0"\n'
    (empty / "arch").mkdir()
    (empty / "arch" / "manifest.x07arch.json").write_text("{}")
    before = facts(empty)
    (empty / ".x07").mkdir()
    staged = (empty / name).with_name(f".{(empty / name).name}.x07new")
    staged.write_bytes(hidden)
    journal = json.dumps({name: hashlib.sha256(hidden).hexdigest()})
    (empty / ".x07" / "journal.json").write_text(journal, encoding="utf-8")
    settle(empty)
    with project_lock(empty):
        assert facts(empty) == before
    own = state_folder(empty) / f"journal-{project_id(empty)}"
    for text in (journal.encode(), b"", bytes(32) + journal.encode()):
        staged.write_bytes(hidden)
        own.write_bytes(text)
        settle(empty)
        assert facts(empty) == before
        assert not own.exists()


def test_eight_processes_adding_at_once_lose_nothing(empty: Path, site: Path) -> None:
    names = [f"part-{letter}" for letter in "abcdefgh"]
    for name in names:
        install_package(site, name, "1.0.0")
    command = [str(Path(sys.executable).parent / "x07"), "pkg", "add"]
    running = [subprocess.Popen([*command, name], cwd=empty, stdout=subprocess.DEVNULL) for name in names]
    assert [process.wait(600) for process in running] == [0] * 8
    assert facts(empty) == (dict.fromkeys(names, "1.0.0"), dict.fromkeys(names, "1.0.0"))
    assert sorted(tomllib.loads((empty / "pyproject.toml").read_text())["project"]["dependencies"]) == names
    pkg(empty, "lock", "--check")


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    from tests.support.tmpfs import small_tmpfs

    with small_tmpfs(tmp_path / "disk", kilobytes=64) as disk:
        (disk / "x07.toml").write_text("", encoding="utf-8")
        with project_lock(disk):
            with pytest.raises(FileError, match="X07IO_WRITE"):
                change_together(disk, {"x07.toml": b"a", "x07.lock": bytes(1 << 20)})
            assert (disk / "x07.toml").read_bytes() == b""
        assert {path.name for path in disk.iterdir()} == {"x07.toml", ".x07"}


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    from tests.support.tmpfs import small_tmpfs

    with small_tmpfs(tmp_path / "disk", kilobytes=64) as disk:
        (disk / "x07.toml").write_text("", encoding="utf-8")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "X07IO_WRITE" in pkg(disk, "add", "kafka", code=20).stderr


def test_the_mode_of_the_manifest_stays(empty: Path) -> None:
    (empty / "pyproject.toml").chmod(0o600)
    pkg(empty, "add", "kafka")
    assert (empty / "pyproject.toml").stat().st_mode & 0o777 == 0o600
