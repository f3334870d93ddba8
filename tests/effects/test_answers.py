"""What an answer says beside the capabilities: chains, what was read, what is left out, and what is kept."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.effects.reach import answer
from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.facts import facts_of
from x07py.effects.finder import Environment, environment_of, this_environment
from x07py.effects.store import Store
from x07py.errors import UsageError


def installed(root: Path, files: dict[str, str]) -> Environment:
    """Return this interpreter's environment with packages of our own instead of the installed ones."""
    folder = root / "site-packages"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    this = this_environment()
    return Environment(this.library, (str(folder),), this.version)


def test_the_chain_goes_through_helpers_with_their_lines(tmp_path: Path) -> None:
    files = {
        "core.py": "from helper import load\n\ndef f():\n    return load()\n",
        "helper.py": "def load():\n    with open('x') as file:\n        return file.read()\n",
    }
    (reach,) = answer(tmp_path, files).findings("core")
    assert [tuple(step) for step in reach.steps] == [
        ("core", "f", 4, "helper.load"),
        ("helper", "load", 2, "builtins.open"),
    ]


def test_importing_counts_what_the_imported_body_runs(tmp_path: Path) -> None:
    files = {"core.py": "import helper\n", "helper.py": "import time\nAT = time.time()\ndef f(): open('x')\n"}
    (reach,) = answer(tmp_path, files).findings("core")
    assert (reach.end.capability, reach.steps[0].line) == ("clock", 1)


@pytest.mark.parametrize("first", ["import first\n", ""])
@pytest.mark.parametrize("line", ["from shop import part", "import shop.part", "from shop.part import X"])
def test_a_module_that_another_imported_first_counts_too(line: str, first: str, tmp_path: Path) -> None:
    packages = {
        "first.py": "from shop import part\n",
        "shop/__init__.py": "",
        "shop/part.py": "import socket\nX = socket.create_connection(('h', 1))\n",
    }
    files = {"core.py": f"{first}{line}\n", "other.py": f"{line}\n"}
    found = answer(tmp_path, files, "core", "other", environment=installed(tmp_path, packages))
    for name in ("core", "other"):
        assert ("shop.part", "network") in {
            (reach.steps[0].target, reach.end.capability) for reach in found.findings(name)
        }


def test_what_one_function_does_is_not_said_of_its_callers(tmp_path: Path) -> None:
    files = {"core.py": "import time\ndef f(): return time.time()\ndef g(): return f()\n"}
    assert [reach.steps[0].function for reach in answer(tmp_path, files).findings("core")] == ["f"]


def test_each_line_that_starts_a_chain_is_found(tmp_path: Path) -> None:
    files = {
        "core.py": "import helper\n\ndef f():\n    a = helper.at()\n    return a + helper.at() + helper.again()\n",
        "helper.py": "import time\n\ndef at(): return time.time()\n\ndef again(): return at()\n",
    }
    assert [reach.steps[0].line for reach in answer(tmp_path, files).findings("core")] == [4, 5]


def test_chains_share_what_they_end_with(tmp_path: Path) -> None:
    many = "import time\ndef f0(a): return time.time()\n"
    many += "".join(f"def f{n}(a): return f{n - 1}(a)\n" for n in range(1, 900))
    found = answer(tmp_path, {"core.py": many})
    chains = [reach.chain for row in found.functions["core"] for reach in row.reach]
    rests = {id(chain) for chain in chains}
    for chain in chains:
        rest = chain.rest
        while rest is not None and id(rest) not in rests:
            rests.add(id(rest))
            rest = rest.rest
    assert max(chain.length for chain in chains) == 900
    assert len(rests) < 3 * 900


def test_arguments_are_carried_to_the_call(tmp_path: Path) -> None:
    text = (
        "import time\ndef at(seconds=None): return time.gmtime(seconds)\ndef f(): return at(5)\ndef g(): return at()\n"
    )
    found = answer(tmp_path, {"core.py": text}).findings("core")
    assert [reach.steps[0].function for reach in found] == ["at"]


def test_arguments_are_counted(tmp_path: Path) -> None:
    helper = "import time\ndef at(*a):\n    if len(a) == 0: return time.time()\n    return at(*a[1:]) if a[1:] else a\n"
    files = {
        "core.py": "import helper\ndef f(): return helper.at(1)\ndef g(): return helper.at()\n",
        "helper.py": helper,
    }
    found = answer(tmp_path, files).findings("core")
    assert "g" in [reach.steps[0].function for reach in found]
    one = {
        **files,
        "core.py": "import helper\ndef f(): return helper.at(1)\n",
        "helper.py": helper.replace("at(*a[1:])", "1"),
    }
    assert answer(tmp_path, one).findings("core") == []


def test_installed_packages_are_read(tmp_path: Path) -> None:
    packages = {
        "shop/__init__.py": "from .client import Client as Client\n",
        "shop/client.py": "import socket\nclass Client:\n    def get(self): socket.create_connection(('h', 1))\n",
    }
    found = answer(
        tmp_path,
        {"core.py": "import shop\ndef f(): shop.Client().get()\n"},
        environment=installed(tmp_path, packages),
    )
    assert found.distributions == ("shop",)
    reaches = found.findings("core")
    assert "network" in {reach.end.capability for reach in reaches}
    assert [step.module for step in reaches[0].steps[:2]] == ["core", "shop.client"]


@pytest.mark.parametrize(
    ("call", "capabilities"),
    [("rand(n)", {"randomness"}), ("RandomState().rand(n)", {"randomness"}), ("RandomState(3).rand(n)", set())],
)
def test_names_from_a_native_module_by_a_star_are_in_the_table(
    call: str, capabilities: set[str], tmp_path: Path
) -> None:
    packages = {
        "numpy/__init__.py": "from . import random\n",
        "numpy/random/__init__.py": "from .mtrand import *\n",
        "numpy/random/mtrand.abi3.so": "",
    }
    program = {"core.py": f"import numpy as np\ndef f(n): return np.random.{call}\n"}
    found = answer(tmp_path, program, environment=installed(tmp_path, packages)).findings("core")
    assert {reach.end.capability for reach in found} == capabilities


def test_what_packages_look_at_as_they_are_imported_is_listed(tmp_path: Path) -> None:
    packages = {"shop.py": "import os\nDEBUG = os.environ.get('SHOP_DEBUG')\ndef f(): return 1\n"}
    found = answer(
        tmp_path, {"core.py": "import shop\ndef f(): return shop.f()\n"}, environment=installed(tmp_path, packages)
    )
    assert found.findings("core") == []
    assert ("shop", "environment", "os.environ") in found.at_import


@pytest.mark.parametrize(
    ("call", "capabilities"),
    [("frame(x)", set()), ("common.ensure_str(x)", {"environment"}), ("repr(Wide())", {"environment"})],
)
def test_what_a_library_does_on_the_way_and_does_not_show_is_left_out(
    call: str, capabilities: set[str], tmp_path: Path
) -> None:
    """A text of one scalar is not as wide as the terminal, which pandas asks for where it shows an array."""
    packages = {
        "pandas/__init__.py": "from .core.dtypes import common\nfrom .core.dtypes.common import Wide\n"
        "def frame(value): return common.ensure_str(value)\n",
        "pandas/core/__init__.py": "",
        "pandas/core/dtypes/__init__.py": "",
        "pandas/core/dtypes/common.py": "import os\nclass Wide:\n"
        "    def __repr__(self): return '-' * int(os.environ['COLUMNS'])\n"
        "def ensure_str(value): return str(Wide() if isinstance(value, bytes) else value)\n",
    }
    program = f"from pandas import Wide, common, frame\ndef f(x): return {call}\n"
    found = answer(tmp_path, {"core.py": program}, environment=installed(tmp_path, packages))
    assert {reach.end.capability for reach in found.findings("core")} == capabilities
    assert ("pandas.core.dtypes.common.ensure_str" in found.quiet) == (not capabilities)


def test_what_packages_do_as_they_are_imported_counts(tmp_path: Path) -> None:
    packages = {"shop.py": "import socket\nsocket.create_connection(('h', 1))\n"}
    found = answer(tmp_path, {"core.py": "import shop\n"}, environment=installed(tmp_path, packages))
    assert "network" in {reach.end.capability for reach in found.findings("core")}


@pytest.mark.parametrize(
    ("packages", "program", "name"),
    [
        ({}, "import shop\n", "shop"),
        ({"shop.py": "def f(:\n"}, "import shop\n", "shop"),
        ({"shop.cpython-311-x86_64-linux-gnu.so": ""}, "import shop\n", "shop"),
    ],
    ids=["missing", "not Python", "native"],
)
def test_what_cannot_be_read_is_named(packages: dict[str, str], program: str, name: str, tmp_path: Path) -> None:
    found = answer(tmp_path, {"core.py": program}, environment=installed(tmp_path, packages))
    assert name in found.unread
    assert {reach.end.capability for reach in found.findings("core")} == {"unread"}
    assert found.summary().endswith("1 not read")


def test_calls_that_nobody_can_follow_are_named(tmp_path: Path) -> None:
    found = answer(tmp_path, {"core.py": "def f(shop):\n    return shop.order.send(1)\n"})
    assert found.unresolved["core"] == [("f", 2, "shop.order.send")]


def test_an_answer_is_kept_until_something_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"core.py": "import helper\n", "helper.py": "X = 1\n"}
    first = answer(tmp_path, files)
    monkeypatch.setattr("x07py.effects.analysis._run", lambda *_: pytest.fail("worked it out anew"))
    assert answer_again(tmp_path) == first
    monkeypatch.undo()
    (tmp_path / "helper.py").write_text("import time\nX = time.time()\n")
    assert [reach.end.capability for reach in answer_again(tmp_path).findings("core")] == ["clock"]


def test_a_cache_of_another_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer whose facts fit, but that another key sealed, and any answer inside the project, are not believed."""
    root, cache = tmp_path / "project", tmp_path / "cache"
    files = {"core.py": "X = 1\n", "helper.py": ""}
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert answer(root, files).findings("core") == []
    store = Store(root)
    assert store.folder is not None
    (kept,) = (store.folder / "answers").iterdir()
    place = f"answers/{kept.name}"
    (root / "core.py").write_text("import time\nX = time.time()\n")
    facts, innocent = store.load(place)
    store.keep(place, ([(path, facts_of(path)) for path, _ in facts], innocent))
    assert answer_again(root).findings("core") == []  # what it would do if it were believed
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    assert [reach.end.capability for reach in answer_again(root).findings("core")] == ["clock"]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    cache.rename(root / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    assert [reach.end.capability for reach in answer_again(root).findings("core")] == ["clock"]


def answer_again(root: Path) -> Answer:
    project = {name: str(root / f"{name}.py") for name in ("core", "helper")}
    return analyze(Question(project, ("core",), this_environment(), root=root))


def test_another_interpreter_is_read_without_running_it(tmp_path: Path) -> None:
    library = tmp_path / "home/lib/python3.12"
    library.mkdir(parents=True)
    (library / "os.py").write_text("")
    packages = tmp_path / "venv/lib/python3.12/site-packages"
    packages.mkdir(parents=True)
    (tmp_path / "venv/pyvenv.cfg").write_text(f"home = {tmp_path}/home/bin\nversion = 3.12.4\n")
    found = environment_of(tmp_path / "venv")
    assert found == Environment(str(library), (str(packages),), (3, 12))
    assert environment_of(tmp_path / "venv/bin/python") == found


def test_a_folder_that_is_no_environment_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"pyvenv\.cfg"):
        environment_of(tmp_path)


NATIVE = """
#include <Python.h>
%s
static PyObject *twice(PyObject *self, PyObject *given) { %s return PyLong_FromLong(2 * PyLong_AsLong(given)); }
static PyMethodDef methods[] = {{"twice", twice, METH_O, ""}, {0, 0, 0, 0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "fast", "", -1, methods};
PyMODINIT_FUNC PyInit_fast(void) { return PyModule_Create(&module); }
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler and ELF files")
@pytest.mark.parametrize(
    ("head", "body", "why"),
    [("", "", None), ("#include <stdlib.h>", 'if (getenv("HOME")) return 0;', "getenv"),
     ("", 'PyImport_ImportModule("os");', "Python code that it imports")],
)  # fmt: skip
def test_an_extension_module_is_bounded_by_the_symbols_that_it_takes(
    tmp_path: Path, head: str, body: str, why: str | None
) -> None:
    environment = installed(tmp_path, {})
    source = tmp_path / "fast.c"
    source.write_text(NATIVE % (head, body))
    folder = tmp_path / "site-packages"
    folder.mkdir()
    include = sysconfig.get_path("include")
    command = ["cc", "-O1", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(folder / "fast.abi3.so")]
    subprocess.run(command, check=True, timeout=120)
    found = answer(tmp_path, {"core.py": "import fast\ndef f(): return fast.twice(2)\n"}, environment=environment)
    assert [reach.end.capability for reach in found.findings("core")][:1] == ([] if why is None else ["unread"])
    assert why is None or why in found.unread["fast"]
