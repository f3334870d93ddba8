"""A lock that cannot be used stops every command and changes nothing; what is written reads back."""

from __future__ import annotations

import hashlib
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pkg.builders import pkg, tree_state
from tests.support.installed import install_package
from x07py.contracts.lockfile import LockedPackage, parse_lock, read_lock, render_lock
from x07py.errors import PackageError

MARKS = "<<<<<<< ours\nversion = '1'\n=======\nversion = '2'\n>>>>>>> theirs\n"
DAMAGE: dict[str, tuple[Callable[[str], str], str]] = {
    "marks of a conflict": (
        lambda text: text.replace("[package.greet]\n", "[package.greet]\n" + MARKS),
        "merge that conflicts",
    ),
    "half of it": (lambda text: text[: text.index("[package.greet]") + 30], "valid TOML"),
    "a newer schema": (lambda text: text.replace("x07.lock@2.0.0", "x07.lock@3.0.0"), "a newer x07py made it"),
    "an older schema": (lambda text: text.replace("x07.lock@2.0.0", "x07.lock@0.4.0"), "another form"),
    "an unknown field": (lambda text: text.replace("[package.greet]\n", "[package.greet]\nx = 1\n"), "unknown"),
    "no digest": (lambda text: text.replace('x07-package.json" = "', 'x07-package.json" = "g'), "wrong type"),
    "a hole": (lambda text: text.replace("[package.base", "[package.other"), "names base"),
    "half of it, cut between packages": (lambda text: text[: text.index("# 40\n")], "numbered lines"),
    "not text": (lambda text: text + "\0", "valid TOML"),
    "another table": (lambda text: text + "[more]\n", "more than tables of packages"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_lock_that_cannot_be_used_is_never_written_over(name: str, empty: Path, site: Path) -> None:
    install_package(site, "base", "1.0.0")
    install_package(site, "greet", "1.0.0", requires_packages=["base@*"])
    pkg(empty, "add", "greet")
    damage, said = DAMAGE[name]
    lock = empty / "x07.lock"
    lock.write_text(damage(lock.read_text()))
    before = tree_state(empty)
    for command in (
        ["add", "kafka"],
        ["lock"],
        ["lock", "--check"],
        ["update"],
        ["sync"],
        ["remove", "greet"],
        ["verify"],
    ):
        done = pkg(empty, *command, code=20)
        assert "X07PKG_LOCK_PARSE" in done.stderr, command
        assert said in done.stderr
        assert tree_state(empty) == before


def test_a_lock_reads_back_and_holds_one_fact_a_line(tmp_path: Path) -> None:
    one = LockedPackage(
        name="greet",
        version="1.0.0",
        requirement=">=1",
        distribution="x07-greet",
        distribution_version="1.0.0",
        extra='an "extra"\\',
        editable=False,
        worlds=("run-os", "solve-rr"),
        modules=("greet",),
        capabilities=(),
        requires=("base@>=1,<2",),
        drivers={"spool": "greet:DRIVER"},
        clients={"client": "3.0"},
        files={"greet/grüß\t.py": "0" * 64},
    )
    two = LockedPackage("base", "1", "", "base", "1", "", True, ("run-os",), ("base",), (), (), {}, {}, {})
    data = render_lock({"greet": one, "base": two})
    assert parse_lock(data, where="x") == {"base": two, "greet": one}
    assert parse_lock(data.replace(b"\n", b"\r\n"), where="x") == {"base": two, "greet": one}
    assert all(line.count("=") <= 4 for line in data.decode().splitlines())
    assert tomllib.loads(data.decode())["package"]["greet"]["worlds"] == ["run-os", "solve-rr"]
    assert read_lock(tmp_path) is None


PAIRS = [("alpha", "omega"), ("middlea", "middlez"), ("driver-a", "driver-b")]


@pytest.mark.parametrize("present", [[], ["middle", "core"]], ids=["nothing", "two"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_branches_that_add_a_package_each_merge(
    pair: tuple[str, str], present: list[str], empty: Path, site: Path
) -> None:
    """Neighbours in the alphabet too, and two drivers that both bring a third package."""
    for name in ("core", "middle"):
        install_package(site, name, "1.0.0")
    for name in pair:
        install_package(site, name, "1.0.0", requires_packages=["core@*"] if "driver" in name else [])
    pkg(empty, "lock")
    for name in present:
        pkg(empty, "add", name)
    merged = _merge_of_branches(empty, pair)
    for name in pair:
        pkg(empty, "add", name)
    assert (empty / "x07.lock").read_text() == merged


def test_names_that_share_a_shelf_conflict_and_the_lock_is_made_anew(empty: Path, site: Path) -> None:
    shelf: dict[int, str] = {}
    for number in range(200):
        name = f"name-{number}"
        at = hashlib.sha256(name.encode()).digest()[0] % 64
        if at in shelf:
            break
        shelf[at] = name
    pair = (shelf[at], name)
    for one in pair:
        install_package(site, one, "1.0.0")
    pkg(empty, "lock")
    merged = _merge_of_branches(empty, pair)
    assert "<<<<<<<" in merged
    (empty / "x07.lock").write_text(merged)
    assert "remove it and make it anew" in pkg(empty, "lock", code=20).stderr
    assert (empty / "x07.lock").read_text() == merged


def _merge_of_branches(project: Path, pair: tuple[str, str]) -> str:
    """Add each of a pair of packages on a branch of its own from where the project stands; return git's merge."""
    manifest, lock = project / "pyproject.toml", project / "x07.lock"
    before = manifest.read_bytes(), lock.read_bytes()

    def git(*args: str, code: int = 0) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        done = subprocess.run(["git", *identity, *args], cwd=project, capture_output=True, text=True, check=False)
        assert done.returncode == code, (args, done.stdout, done.stderr)

    git("init", "-q", "-b", "base")
    git("add", "x07.lock")
    git("commit", "-q", "-m", "base")
    for name in pair:
        git("checkout", "-q", "-b", name, "base")
        manifest.write_bytes(before[0])
        pkg(project, "add", name)
        git("commit", "-q", "-a", "-m", name)
    shared = pair[0].startswith("name-")
    git("merge", "-q", "-m", "both", pair[0], code=1 if shared else 0)
    merged = lock.read_text()
    manifest.write_bytes(before[0])
    lock.write_bytes(before[1])
    return merged


def test_an_entry_that_is_no_lock() -> None:
    with pytest.raises(PackageError, match="X07PKG_LOCK_PARSE"):
        parse_lock(b'schema_version = "x07.lock@2.0.0"\npackage = 3\n', where="x")
