"""No link that leads out of a project is followed when a file of the project is read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.files.test_hostile_trees import project
from x07py.effects.analysis import Question, analyze
from x07py.effects.finder import this_environment

CHECK, EXPLAIN, ASYNCAPI = "arch check", "run --profile os --explain", "msg asyncapi"
CASSETTES = ("rr list", "rr show a.x07rr.bin", "rr verify a.x07rr.bin", "rr scan")
PLACES: dict[str, tuple[str, ...]] = {
    "app": (CHECK, "arch graph", "effects app"),
    "app/__init__.py": (CHECK, "effects app"),
    "app/core.py": (CHECK, "arch graph", "effects app.core"),
    "app/note.ipynb": (CHECK, "arch graph"),
    "arch": (CHECK, "arch graph", ASYNCAPI, "msg topics", "init . --template existing"),
    "arch/manifest.x07arch.json": (CHECK, "arch graph", EXPLAIN),
    "arch/msg": (CHECK, ASYNCAPI, "msg topics"),
    "arch/msg/index.x07msg.json": (CHECK, ASYNCAPI, "msg topics"),
    "arch/msg/kafka/index.x07kafka.json": (CHECK, ASYNCAPI),
    "arch/msg/kafka/profiles/local_dev_v1.kafka.json": (CHECK, ASYNCAPI),
    "arch/msg/services": ("msg service list",),
    "arch/rr/index.x07rr.json": (CHECK,),
    "arch/rr/policies/msg_rr_v1.policy.json": (CHECK, "rr redact --check a.x07rr.bin"),
    "arch/rr/sanitizers/sanitize_auth_v1.sanitize.json": (CHECK, "rr redact --check a.x07rr.bin"),
    "pyproject.toml": (CHECK, EXPLAIN, "pkg lock --check", "rr list", "init . --template existing"),
    "setup.py": (CHECK,),
    "setup.cfg": (CHECK,),
    "x07.lock": (CHECK, EXPLAIN, "pkg lock --check", "pkg list", "pkg tree", "pkg verify"),
    ".x07_rr": CASSETTES,
    ".x07_rr/a.x07rr.bin": (*CASSETTES, "rr text a.x07rr.bin", "rr stats a.x07rr.bin", "rr view a.x07rr.bin -o p.html"),
    ".x07_rr/a.x07rr.md": CASSETTES,
    ".x07_rr/cassettes.lock.json": CASSETTES,
}
"""Each kind of file and folder, with the commands that would read it."""
NOTEBOOK = {"cells": [{"cell_type": "code", "source": ["import socket\n"]}]}
WATCHED = """
import json, os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.support.project import x07_here
read, watched = [], []

def see(event, given):
    if watched and event in {"open", "os.scandir", "os.listdir"} and isinstance(given[0], str | bytes | os.PathLike):
        place = os.path.realpath(os.fsdecode(given[0]))
        if place.startswith(watched[0]) and not any(one.f_code.co_name == "_link" for one in frames()):
            read.append(event)

def frames():
    one = sys._getframe(2)
    while one:
        yield one
        one = one.f_back

sys.addaudithook(see)
for root, outside, command in json.loads(sys.argv[1]):
    read.clear()
    watched[:] = [outside]
    done = x07_here(*command.split(), cwd=Path(root))
    watched.clear()
    inside = "X07_INTERNAL" in done.stderr
    print(json.dumps([command, read, inside, "no-such-word-elsewhere" in done.stdout + done.stderr]))
"""


def linked(root: Path, outside: Path, place: str) -> None:
    """Make a project in which one file or folder is a link to what stood there, which now lies outside."""
    root.mkdir()
    project(root)
    (root / "app" / "core.py").write_text("import socket  # no-such-word-elsewhere\n")
    (root / "app" / "note.ipynb").write_text(json.dumps(NOTEBOOK, indent=1))
    (root / "setup.py").write_text("from setuptools import setup\nsetup(package_dir={'': 'src'})\n")
    (root / "setup.cfg").write_text("[options]\npackage_dir =\n  = src\n")
    (root / "arch" / "msg" / "services").mkdir()
    (root / ".x07_rr" / "a.x07rr.md").write_text("no-such-word-elsewhere\n")
    (root / ".x07_rr" / "cassettes.lock.json").write_text("{}")
    manifest = json.loads((root / "arch" / "manifest.x07arch.json").read_bytes())
    manifest |= {"schema_version": "x07py.arch.manifest@0.1.0", "scan": {"notebooks": True}}
    (root / "arch" / "manifest.x07arch.json").write_text(json.dumps(manifest))
    shutil.move(root / place, outside)
    (root / place).symlink_to(outside)


def test_no_command_reads_through_a_link_that_leads_out(tmp_path: Path) -> None:
    """Seen by what the interpreter opens: each place as a link to a true file of its kind outside.

    One thing is asked of what lies outside, by the search for modules: whether a folder holds any, which is an error.
    """
    tasks = []
    for number, (place, commands) in enumerate(PLACES.items()):
        for one, command in enumerate(commands):
            root, outside = tmp_path / f"{number}-{one}", tmp_path / f"outside-{number}-{one}"
            linked(root, outside, place)
            tasks.append((str(root), str(outside), command))
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(tasks), str(Path(__file__).parents[2])],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        timeout=300,
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    places = [place for place, commands in PLACES.items() for _ in commands]
    assert len(rows) == len(places)
    wrong = [(place, *row) for place, row in zip(places, rows, strict=True) if row[1:] != [[], False, False]]
    assert wrong == []


def test_the_files_are_read_where_no_link_is(tmp_path: Path) -> None:
    """The same watch sees a file that is read, so that the test above can fail."""
    root = tmp_path / "project"
    linked(root, tmp_path / "outside", "app/core.py")
    tasks = [(str(root), str(root / "arch"), CHECK)]
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, json.dumps(tasks), str(Path(__file__).parents[2])],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert json.loads(done.stdout)[1]


@pytest.mark.parametrize("whole", [False, True], ids=["a module", "the folder"])
def test_what_an_editable_installation_finds_in_the_project_is_no_way_out(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``.pth`` files name folders of a checkout; a link below one is code of the checkout, and leads out."""
    root, outside = tmp_path / "project", tmp_path / "outside"
    outside.mkdir()
    root.mkdir()
    (outside / "helper.py").write_text("import time\ndef now(): return time.time()\n")
    if whole:
        (root / "src").symlink_to(outside)
    else:
        (root / "src").mkdir()
        (root / "src" / "helper.py").symlink_to(outside / "helper.py")
    (root / "core.py").write_text("import helper\ndef f(): return helper.now()\n")
    environment = replace(this_environment(), packages=(str(root / "src"),))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    answer = analyze(Question({"core": str(root / "core.py")}, ("core",), environment, root=root))
    assert "a symbolic link leads out of the project" in answer.unread["helper"]
