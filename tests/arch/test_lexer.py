"""The lexical reader of imports says what a syntax tree says, or that it does not know."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from x07py.arch.scan.lexer import lexical_imports
from x07py.arch.scan.syntax import tree_imports
from x07py.files import decoded

PACKAGE = "one.two"
STRIDE = int(os.environ.get("X07_LEXER_STRIDE", "40"))
"""Every how many files of those that are installed are compared; 1 for all of them, in a minute."""


def installed() -> list[Path]:
    folders = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    return sorted({path for folder in folders for path in folder.rglob("*.py")})


def test_the_standard_library_and_installed_packages() -> None:
    known = unsure = 0
    for path in installed()[::STRIDE]:
        try:
            text = decoded(path.read_bytes())
            expected = tree_imports(text, PACKAGE)
        except (SyntaxError, ValueError, RecursionError):
            continue
        found = lexical_imports(text, PACKAGE)
        if found is None:
            unsure += 1
            continue
        known += 1
        assert found == expected, path
    assert known > max(50, 10 * unsure)


CASES = {
    "nothing": ("x = 1\n", []),
    "one": ("import a\n", [("a", (), "run", 0)]),
    "no end of line": ("import a.b as c, d", [("a.b", (), "run", 0), ("d", (), "run", 0)]),
    "from": ("from a import b as c, d\n", [("a", ("b", "d"), "run", 0)]),
    "star": ("from .a import *\n", [("one.two.a", (), "run", 0)]),
    "relative": ("from .. import x\n", [("one", ("x",), "run", 0)]),
    "beyond the top": ("from ....x import y\nimport a", [("....x", ("y",), "run", 0), ("a", (), "run", 20)]),
    "parentheses": ("from a import (\n  b,  # (c\n  d as e,\n)\n", None),
    "plain parentheses": ("from a import (\n  b,  # c\n  d as e,\n)\n", [("a", ("b", "d"), "run", 0)]),
    "semicolon": ("x = 1; import a; import b\n", [("a", (), "run", 7), ("b", (), "run", 17)]),
    "one-line if": ("if x: import a\n", [("a", (), "run", 6)]),
    "comment": ("# import a\nimport b  # import c\n", [("b", (), "run", 11)]),
    "text": ("x = 'import a'\n'''\nimport b\n'''\n\"import c\"", []),
    "escaped": ("x = '\\'; import a'\n", []),
    "continued text": ("x = 'y \\\nimport a'\nimport b\n", [("b", (), "run", 19)]),
    "continued": ("from a import b, \\\n    c\n", [("a", ("b", "c"), "run", 0)]),
    "continued before import": ("from a \\\nimport b\n", None),
    "continued in the name": ("from a \\\n  .b import c\n", None),
    "prose after": ("import a\nx = 1\n# important: import b\n'>>> from c import d'\n", [("a", (), "run", 0)]),
    "empty text": ("x = ''\ny = \"\"\nimport a\n", [("a", (), "run", 14)]),
    "names with import": ("x.import_ = reimport\nimportant = 1\n", []),
    "yield from": ("def f():\n    yield from g\n    import a\n", [("a", (), "run", 30)]),
    "unfinished text": ("x = 'a\nimport b\n", None),
    "other alphabet": ("import naïve\n", None),
    "form feed": ("\fimport a\n", None),
    "nested quotes": ("x = f'{y['import z']}'; import a\n", None),
    "type only": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:  # x\n\n    import a\nimport b\n",
        [("typing", ("TYPE_CHECKING",), "run", 0), ("a", (), "type", 61), ("b", (), "run", 70)],
    ),
    "type only, else": (
        "import typing\nif typing.TYPE_CHECKING:\n  from a import (\n  b)\nelse:\n  import c\n",
        [("typing", (), "run", 0), ("a", ("b",), "type", 41), ("c", (), "run", 70)],
    ),
    "type only, not alone": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import a\n  x = 1\n", None),
    "type only, renamed": ("from typing import TYPE_CHECKING as T\nif T:\n  import a\n", None),
    "type only, own name": ("if TYPE_CHECKING:\n  import a\n", None),
    "type only, negated": ("from typing import TYPE_CHECKING\nif not TYPE_CHECKING:\n  import a\n", None),
}


@pytest.mark.parametrize("case", CASES)
def test_one_way_of_writing(case: str) -> None:
    text, expected = CASES[case]
    assert lexical_imports(text, PACKAGE) == expected
    if expected is not None:
        assert tree_imports(text, PACKAGE) == expected


LINES = [
    "import a\n",
    "from .b import c\n",
    "from d import (e,\n f)\n",
    "    import g\n",
    "if x:\n",
    "pass\n",
    "    pass\n",
    "    y = 1\n",
    "else:\n",
    "from typing import TYPE_CHECKING\n",
    "if TYPE_CHECKING:\n",
]
PIECES = [
    "'''",
    '"""',
    "'",
    '"',
    "#",
    "\\\n",
    "\n",
    "\\",
    "f'{",
    "}'",
    "r'",
    "(",
    ")",
    ";",
    ":",
    " ",
    "x",
    "x = ",
    "import",
    "from",
    "\t",
]


@given(st.lists(st.sampled_from(LINES + PIECES), max_size=24))
def test_whatever_python_accepts_is_read_alike(pieces: list[str]) -> None:
    text = "".join(pieces)
    found = lexical_imports(text, PACKAGE)
    try:
        expected = tree_imports(text, PACKAGE)
    except (SyntaxError, ValueError):
        return
    assert found is None or found == expected
