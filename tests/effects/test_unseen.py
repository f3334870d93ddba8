"""The rows of docs/reference/effects.md: what effects do not see is as the page says, row for row."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.effects.reach import answer
from tests.effects.test_answers import installed
from x07py.effects.finder import Finder, this_environment
from x07py.effects.primitives import primitives

PAGE = Path(__file__).parents[2] / "docs/reference/effects.md"

ROWS = {
    "a method of something unknown, whose class the module does not name": (
        {"core.py": "def f(x): return x.fetch()\n"}, [], "x.fetch",
    ),
    "a callable that comes in as a parameter": (
        {"core.py": "import time\ndef f(g): return g()\ndef h(): return f(time.time)\n"}, [("h", "clock")], "",
    ),
    "a function whose name starts with `_` and that its module only calls, on its own object if it is a method": (
        {"core.py": "import time\ndef _at(now=None): return now or time.time()\n"
                    "def f(): return _at(1.0)\n"}, [], "",
    ),
    "the factory of a field (`field(default_factory=time.time)`)": (
        {"core.py": "import time\nfrom dataclasses import dataclass, field\n@dataclass\nclass A:\n"
                    "    at: float = field(default_factory=time.time)\ndef f(): return A(1.0)\n"}, [], "",
    ),
    "objects of a library in a dict that is passed in and annotated as `dict`": (
        {"core.py": "import time\nfrom string import Formatter\ndef f(given: dict):\n"
                    "    return time.time() if isinstance(given['clock'], Formatter) else 0\n"}, [], "",
    ),
    "an argument of a library's function that is not what the library annotates": (
        {"core.py": "import typed\ndef f(x): return typed.f(x)\n"}, [], "",
    ),
    "a function of a library's table with more than eight of them, found by a name that nobody knows and passed to "
    "another function": (
        {"core.py": "import rows\ndef f(x): return rows.kind_of(x)\n"}, [], "",
    ),
    "what a call gives that lies more than 60 deep in others": (
        {"core.py": "import deep\ndef f(): return deep.now()\n"}, [],
        "what calls give that lie more than 60 deep in each other",
    ),
    "what a native extension of the table does beyond its rows": (
        {"core.py": "import orjson\ndef f(x): return orjson.dumps(x)\n"}, [], "",
    ),
    "names that a library makes at import by `setattr` or `globals().update`": (
        {"core.py": "import made\ndef f(): return made.now()\n"}, [], "made.now",
    ),
    "code in strings, in pickles, behind computed names": (
        {"core.py": "import importlib, pickle\ndef a(s): eval(s)\ndef b(s): pickle.loads(s)\n"
                    "def c(s): importlib.import_module(s)\n"},
        [("a", "dynamic"), ("b", "dynamic"), ("c", "dynamic")], "",
    ),
    "what an installed package looks at while it is imported": (
        {"core.py": "import looks\ndef f(): return looks.X\n"}, [], "",
    ),
    "attributes that another module sets on an object after it was made": (
        {"core.py": "class A: ...\nONE = A()\ndef f(): return ONE.run()\n",
         "other.py": "import core, time\ncore.ONE.run = time.time\n"}, [], "ONE.run",
    ),
    "sums of floats over a set, whose last digits depend on the order": (
        {"core.py": "def f(xs): return sum(set(xs))\n"}, [], "",
    ),
    "memory, recursion depth, and time that runs out": (
        {"core.py": "def f(n): return f(n + 1)\ndef g():\n    while True: pass\n"}, [], "",
    ),
}  # fmt: skip
PACKAGES = {
    "made.py": "import time\nglobals().update({'now': time.time})\n",
    "typed.py": "import time\ndef f(x: str): return time.time() if isinstance(x, int) else x\n",
    "rows.py": "import time\n"
    + "".join(f"def f{n}(): return {n}\n" for n in range(9))
    + "def now(): return time.time()\nROWS = {'now': now, "
    + ", ".join(f"{n}: f{n}" for n in range(9))
    + "}\n"
    "def kind(f): return getattr(f, 'kind', None)\ndef kind_of(x): return kind(ROWS.get(x))\n",
    "deep.py": "import time\ndef f0(): return time.time\n"
    + "".join(f"def f{n}(): return f{n - 1}()\n" for n in range(1, 80))
    + "def now(): return f79()()\n",
    "looks.py": "import os\nX = os.environ.get('X')\n",
    "orjson.cpython-311-x86_64-linux-gnu.so": "",
}


def test_the_page_has_these_rows() -> None:
    table = PAGE.read_text(encoding="utf-8").partition("| not seen |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (?!-)([^|]*?) \|", table, re.MULTILINE) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_what_is_not_seen_is_as_the_page_says(tmp_path: Path, row: str) -> None:
    files, expected, unresolved = ROWS[row]
    found = answer(tmp_path, files, environment=installed(tmp_path, PACKAGES))
    assert [(one.steps[0].function, one.end.capability) for one in found.findings("core")] == expected
    if unresolved:
        assert unresolved in [text for _, _, text in found.unresolved["core"]]


def test_calls_that_are_not_too_deep_are_followed(tmp_path: Path) -> None:
    files = {"core.py": "import deep\ndef f(): return deep.now()\n"}
    packages = {"deep.py": PACKAGES["deep.py"].replace("f79()()", "f40()()")}
    found = answer(tmp_path, files, environment=installed(tmp_path, packages))
    assert [one.end.capability for one in found.findings("core")] == ["clock"]
    assert "core" not in found.unresolved


def test_a_program_that_is_too_large_is_said(tmp_path: Path) -> None:
    """Each loop is run twice, so what stands in 14 of them, one in the other, is looked at 16,384 times."""
    loops = "".join(f"{' ' * (n + 1)}for a in x:\n" for n in range(14))
    inside = " " * 15
    tries = f"{inside}try: pass\n" + f"{inside}except E: pass\n" * 10
    text = f"def f(x):\n{loops}{tries}def g(): return h(1)\ndef h(x): return x\n"
    found = answer(tmp_path, {"core.py": text, "small.py": "def f(): return 1\n"}, "core", "small")
    said = ("", 1, "what calls give beyond the first 150,000 points of the program")
    assert said in found.unresolved["core"]
    assert said in found.unresolved["small"]


def test_what_a_package_looks_at_as_it_is_imported_is_listed(tmp_path: Path) -> None:
    found = answer(tmp_path, {"core.py": "import looks\n"}, environment=installed(tmp_path, PACKAGES))
    assert ("looks", "environment", "os.environ") in found.at_import


def test_the_table_knows_each_module_without_source_of_this_python() -> None:
    finder, rows = Finder(this_environment(), {}), primitives().rows
    known = {name.partition(".")[0] for name in rows}
    compiled = {name for name in sys.stdlib_module_names if finder.find(name).kind == "builtin" and find_spec(name)}
    of_tests = {name for name in compiled if name.startswith(("_test", "_xx", "xx")) or name == "_ctypes_test"}
    assert compiled - of_tests - known - {"_remote_debugging"} == set(), "what is not known counts as not read"
