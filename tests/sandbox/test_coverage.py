"""Every known way out has something that tries it."""

from __future__ import annotations

import ast
import platform
import tomllib
from pathlib import Path

HERE = Path(__file__).parent
ROWS = {"P": 8, "N": 17, "F": 8, "S": 17, "U": 5, "B": 2, "O": 7, "X": 40, "W": 24, "R": 5, "C": 1, "E": 28}
ROWS |= {"T": 14, "I": 13}
FOREIGN = {"x86_64": ("i386 ", "?x32 "), "aarch64": ("aarch32 ",)}
"""Attempts by system calls of another kind of program, which exist on one machine type alone."""
GAPS, EXTRA = {"X2", "X3"}, {"X12b", "X14b", "X30b"}


def covering() -> dict[str, list[str]]:
    """Return what tries each known way out: tests, by file and name, and attempts of the attack program."""
    return tomllib.loads((HERE / "coverage.toml").read_text())


def attempts() -> set[str]:
    """Return the attempts that the attack program has to make on this machine type."""
    absent = tuple(start for machine, starts in FOREIGN.items() if machine != platform.machine() for start in starts)
    named = {name for names in covering().values() for name in names if "::" not in name}
    return {name for name in named if not name.startswith(absent)}


def test_each_row_is_tried() -> None:
    rows = {f"{kind}{number}" for kind, most in ROWS.items() for number in range(1, most + 1)}
    found = covering()
    assert set(found) == rows - GAPS | EXTRA
    assert [row for row, names in found.items() if not names] == []


def test_the_tests_that_rows_name_exist() -> None:
    named = {name for names in covering().values() for name in names if "::" in name}
    for file in {name.partition("::")[0] for name in named}:
        tree = ast.parse((HERE / file).read_text())
        there = {f"{file}::{node.name}" for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {name for name in named if name.startswith(f"{file}::")} - there == set()
