"""Links and odd names in a project: nothing outside it is written or removed, and no edit is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg, tree_state
from x07py.contracts.journal import change_together, project_lock
from x07py.contracts.lockfile import read_lock
from x07py.contracts.packages import verify_package
from x07py.errors import PackageError


@pytest.mark.parametrize("link", [".x07", ".x07/deps", ".x07/staging", ".x07/deps/greet", ".x07/deps/greet/1.0.0"])
def test_nothing_is_written_or_removed_through_a_link(empty: Path, packages: Packages, link: str) -> None:
    packages.publish("greet", "1.0.0")
    victim = packages.folder / "victim"
    (victim / "photos" / "2024").mkdir(parents=True)
    (victim / "photos" / "2024" / "a.jpg").write_bytes(b"kept")
    before = tree_state(victim)
    (empty / link).parent.mkdir(parents=True, exist_ok=True)
    (empty / link).symlink_to(victim)
    failed = pkg(empty, "add", "greet", "--sync", "--index", packages.url, code=20).stderr
    assert "X07IO_WRITE" in failed
    assert "symbolic link" in failed
    assert tree_state(victim) == before
    assert not list(victim.glob("**/*greet*"))


def test_sync_removes_nothing_behind_a_link(empty: Path, packages: Packages) -> None:
    pkg(empty, "lock")
    victim = packages.folder / "victim"
    (victim / "photos" / "2024").mkdir(parents=True)
    (victim / "photos" / "2024" / "a.jpg").write_bytes(b"kept")
    deps = empty / ".x07" / "deps"
    deps.symlink_to(victim)
    assert "symbolic link" in pkg(empty, "sync", code=20).stderr
    deps.unlink()
    deps.mkdir()
    (deps / "mine").symlink_to(victim / "photos")
    (deps / "notes.txt").write_text("kept", encoding="utf-8")
    pkg(empty, "sync")
    assert (victim / "photos" / "2024" / "a.jpg").read_bytes() == b"kept"
    assert (deps / "notes.txt").exists()


@pytest.mark.parametrize("part", ["deps", "deps/greet", "deps/greet/1.0.0"])
def test_a_package_reached_by_a_link_is_not_whole(empty: Path, packages: Packages, part: str) -> None:
    pkg(empty, "add", "greet", "--path", str(packages.make("greet", "1.0.0")), "--sync")
    place = empty / ".x07" / part
    place.rename(packages.folder / "moved")
    place.symlink_to(packages.folder / "moved")
    lock = read_lock(empty)
    assert lock is not None
    with pytest.raises(PackageError, match=r"X07PKG_TAMPERED.*symbolic link"):
        verify_package(empty, lock.packages["greet"])


def test_a_manifest_of_another_name_is_refused(empty: Path) -> None:
    (empty / "pyproject.toml").rename(empty / "custom.toml")
    before = tree_state(empty)
    failed = pkg(empty, "add", "kafka", "--project", "custom.toml", code=20).stderr
    assert "X07PKG_PROJECT_PARSE" in failed
    assert tree_state(empty) == before
    with project_lock(empty), pytest.raises(ValueError, match=r"custom\.toml"):
        change_together(empty, {"custom.toml": b""})


@pytest.mark.parametrize("name", ["pyproject.toml", "x07.lock"])
@pytest.mark.parametrize("options", [(), ("--project", "pyproject.toml")])
def test_a_linked_manifest_or_lock_is_not_replaced(empty: Path, name: str, options: tuple[str, ...]) -> None:
    pkg(empty, "lock")
    shared = empty.parent / "shared"
    (empty / name).rename(shared)
    (empty / name).symlink_to(shared)
    before = shared.read_bytes()
    assert "symbolic link" in pkg(empty, "add", "kafka", *options, code=20).stderr
    assert (empty / name).is_symlink()
    assert shared.read_bytes() == before


def test_a_planted_draft_leads_nowhere(empty: Path) -> None:
    victim = empty.parent / "victim"
    (empty / ".pyproject.toml.x07new").symlink_to(victim)
    pkg(empty, "add", "kafka")
    assert not victim.exists()
    assert "ext-msg-kafka-c" in (empty / "pyproject.toml").read_text(encoding="utf-8")
