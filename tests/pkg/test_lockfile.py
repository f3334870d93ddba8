"""A lock that cannot be used stops every command and changes nothing; what is written reads back."""

from __future__ import annotations

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
    "half of it": (lambda text: text[: len(text) // 2], "valid TOML"),
    "a newer schema": (lambda text: text.replace("x07.lock@2.0.0", "x07.lock@3.0.0"), "a newer x07py made it"),
    "an older schema": (lambda text: text.replace("x07.lock@2.0.0", "x07.lock@0.4.0"), "another form"),
    "an unknown field": (lambda text: text.replace("[package.greet]\n", "[package.greet]\nx = 1\n"), "unknown"),
    "no digest": (lambda text: text.replace('x07-package.json" = "', 'x07-package.json" = "g'), "wrong type"),
    "a hole": (lambda text: text.replace("[package.base", "[package.other"), "names base"),
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


def test_both_sides_of_a_merge_keep_their_packages(empty: Path, site: Path) -> None:
    """Two branches that add a package each change different lines, so that git merges them."""
    for name in ("alpha", "omega", "middle"):
        install_package(site, name, "1.0.0")
    pkg(empty, "add", "middle")
    base = (empty / "x07.lock").read_text()
    for name in ("alpha", "omega"):
        pkg(empty, "add", name)
    merged = (empty / "x07.lock").read_text()
    middle = base.index("[package.middle]")
    assert base[middle:] in merged
    assert merged.index("[package.alpha]") < merged.index("[package.middle]") < merged.index("[package.omega]")


def test_an_entry_that_is_no_lock() -> None:
    with pytest.raises(PackageError, match="X07PKG_LOCK_PARSE"):
        parse_lock(b'schema_version = "x07.lock@2.0.0"\npackage = 3\n', where="x")
