"""What x07 writes and grants never goes where a program that it ran before could have led it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.project import x07

LAYS = """
import os, sys
os.makedirs("out", exist_ok=True)
for name in ("audit.jsonl", "report.json", "learned.json", "data"):
    os.path.lexists("out/" + name) or os.symlink(sys.argv[1], "out/" + name)
os.path.lexists("out/folder") or os.symlink(os.path.dirname(sys.argv[1]), "out/folder")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    (project / "out").mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    (project / "x07.toml").write_text('entry = "main.py"\n')
    (project / "main.py").write_text(LAYS)
    done = x07("run", "--profile", "sandbox", "--allow-write", "out", "--", str(tmp_path / "precious"), cwd=project)
    assert done.returncode == 0, done.stderr
    return project


@pytest.mark.parametrize(
    "option",
    [
        *("--audit=out/audit.jsonl", "--audit=out/folder/new", "--report=out/report.json", "--report=out/folder/new"),
        *("--learn=out/folder/new", "--allow-write=out/data", "--allow-write=out/folder", "--allow-read=out/folder"),
    ],
)
def test_a_link_that_a_program_laid_is_refused_by_name(place: Path, option: str) -> None:
    done = x07("run", "--profile", "sandbox", option, "--", "elsewhere", cwd=place)
    assert done.returncode == 126
    assert f"{place}/out/" in done.stderr
    assert "link" in done.stderr
    assert sorted(one.name for one in place.parent.iterdir()) == ["precious", "project"]
    assert (place.parent / "precious").read_text() == "precious"


def test_another_name_of_a_file_is_not_added_to(place: Path) -> None:
    (place / "out/log").hardlink_to(place.parent / "precious")
    done = x07("run", "--profile", "sandbox", "--audit", "out/log", "--", "elsewhere", cwd=place)
    assert done.returncode == 126
    assert "another name" in done.stderr


def test_links_of_the_administrator_are_followed(place: Path) -> None:
    """`/bin` or `/var/run` lead elsewhere on many machines, and no program laid them."""
    links = [one for one in Path("/").iterdir() if one.is_symlink() and one.is_dir()]
    for link in links[:1]:
        done = x07("run", "--profile", "sandbox", "--allow-read", str(link), "--", "elsewhere", cwd=place)
        assert done.returncode == 0, done.stderr


DEEP = """
import os
os.chdir(os.environ["TMPDIR"])
for _ in range(2000): os.mkdir("d"); open("f", "w").close(); os.chdir("d")
os.chmod(os.environ["TMPDIR"] + "/d", 0o000)
print(os.environ["TMPDIR"])
"""


def test_folders_however_deep_are_removed(place: Path) -> None:
    (place / "main.py").write_text(DEEP)
    done = x07("run", "--profile", "sandbox", cwd=place)
    assert done.returncode == 0, done.stderr
    assert not os.path.lexists(done.stdout.strip())
