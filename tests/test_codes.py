"""Every code that the source raises stands in the table, and the table holds no code that nothing raises."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import x07py
from x07py.codes import all_codes

SOURCE = Path(x07py.__file__).parent
NUMBERS = (range(2000, 2100), range(9500, 10_000), range(0x80000001, 0x80000007))
WORD = re.compile(r"(E_ARCH|W_ARCH|X07[A-Z]+)_[A-Z0-9_]*[A-Z0-9]")
OF_TOOL = re.compile(r"X07_[A-Z0-9_]*[A-Z0-9]")
"""Codes of the tool itself look like the names of environment variables, so they count only where they are raised."""


def _constants(node: ast.AST) -> Iterator[int | str]:
    """Yield the constants that stand below `node`, but for those that something is compared with."""
    if isinstance(node, ast.Compare):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, int | str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        yield from _constants(child)


def _codes_in(tree: ast.AST) -> Iterator[str]:
    for value in _constants(tree):
        if isinstance(value, int) and any(value in numbers for numbers in NUMBERS):
            yield str(value)
        elif isinstance(value, str) and WORD.fullmatch(value):
            yield value
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "").endswith("Error"):
            for given in (*node.args[:1], *(keyword.value for keyword in node.keywords)):
                if isinstance(given, ast.Constant) and OF_TOOL.fullmatch(str(given.value)):
                    yield str(given.value)


def codes_in_source() -> dict[str, str]:
    """Return each code that stands in the source, with the first file."""
    found: dict[str, str] = {}
    for path in sorted(set(SOURCE.rglob("*.py")) - {SOURCE / "errors.py"}):  # which says to whom a code belongs
        for code in _codes_in(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(code, str(path.relative_to(SOURCE)))
    return found


def test_every_code_of_the_source_is_listed_and_no_other() -> None:
    found, listed = codes_in_source(), all_codes()
    assert {code: place for code, place in found.items() if code not in listed} == {}
    assert [code for code in listed if code not in found] == []


def test_the_scan_sees_codes_however_they_are_passed() -> None:
    source = "raise _fault(9811, x); raise Error('X07_USAGE'); kinds = Codes(index=9701)"
    source += "\n'X07PKG_NO_SUCH'\nif 9700 <= code: pass"
    assert set(_codes_in(ast.parse(source))) == {"9811", "X07_USAGE", "9701", "X07PKG_NO_SUCH"}


@pytest.mark.parametrize("entry", all_codes().values(), ids=lambda entry: entry.id)
def test_an_entry_says_why_and_what_to_do(entry: object) -> None:
    for field in ("title", "why", "fix"):
        assert len(getattr(entry, field)) > 8, field


def test_the_page_of_codes_is_current() -> None:
    root = SOURCE.parent
    done = subprocess.run([sys.executable, root / ".ci/codes_page.py"], capture_output=True, text=True, check=True)
    page = (root / "docs/reference/codes.md").read_text(encoding="utf-8")
    assert done.stdout == page, "run `make codes` and commit docs/reference/codes.md"
