"""Ways to hide from the check what Python would run: compiled files, encodings, conditions for type checkers, names."""

from __future__ import annotations

import os
import py_compile
import time
from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from tests.support.project import x07_here
from x07py.files import decoded

EVIL = "import os\nos.system('id')\n"


def checked(root: Path, text: str | bytes) -> list[str]:
    """Return the codes of errors about a pure module with this text."""
    write(root, manifest(node("pure", "solve-pure")), {"pure/__init__.py": ""})
    (root / "pure" / "core.py").write_bytes(text if isinstance(text, bytes) else text.encode())
    return codes(run(root))


def compiled(file: Path, *, unchecked: bool = False) -> None:
    source = file.parents[2] / "evil.txt"
    source.write_text(EVIL)
    file.parent.mkdir(parents=True, exist_ok=True)
    modes = py_compile.PycInvalidationMode
    py_compile.compile(str(source), str(file), invalidation_mode=modes.UNCHECKED_HASH if unchecked else modes.TIMESTAMP)


@pytest.mark.parametrize(
    "file",
    [
        "pure/evil.pyc",
        "pure/evil/__init__.pyc",
        "json.pyc",
        "pure/core.abi3.so",
        "pure/core.cpython-311-x86_64-linux-gnu.so",
        "pure/core/__init__.so",
        "pure/__pycache__/core.cpython-311.pyc",
        "pure/__pycache__/evil.py",
    ],
)
def test_compiled_code_that_stands_for_no_source_is_an_error(tmp_path: Path, file: str) -> None:
    path = tmp_path / "p" / file
    path.parent.mkdir(parents=True)
    if "core.cpython-311.pyc" in file or not file.endswith(".pyc"):
        compiled(path, unchecked=True)
    else:
        compiled(path)
    assert "E_ARCH_MODULE_COMPILED" in checked(tmp_path / "p", "")


def test_what_python_compiled_itself_is_none(tmp_path: Path) -> None:
    for name in ("core.cpython-311.pyc", "core.cpython-311.opt-1.pyc"):
        compiled(tmp_path / "pure/__pycache__" / name)
    (tmp_path / "pure/core.cpython-311.pyc.txt").write_text("")
    compiled(tmp_path / "pure/core.pyc")  # beside its source, which Python takes
    assert checked(tmp_path, "") == []


def test_a_check_that_was_clean_is_not_believed_after_compiled_files_changed(tmp_path: Path) -> None:
    assert checked(tmp_path, "") == []
    (tmp_path / "pure/__pycache__").mkdir()
    for path in tmp_path.rglob("*"):
        os.utime(path, (1, 1))
    assert x07_here("arch", "check", cwd=tmp_path).returncode == 0
    compiled(tmp_path / "pure/__pycache__/core.cpython-311.pyc", unchecked=True)
    done = x07_here("arch", "check", cwd=tmp_path)
    assert "E_ARCH_MODULE_COMPILED" in done.stdout + done.stderr


CALL = b"import os; os.system('id')\n"
ENCODED = {
    "far in the line": b"#" + b" " * 5000 + b"coding: unicode_escape\n# \\n" + CALL,
    "second line": b"\n# vim: fileencoding=unicode_escape\n# \\n" + CALL,
    "utf-7": b"# coding: utf-7\n# +AAo-" + CALL,
    "third line, of carriage returns": b"# a\r# b\r# coding: unicode_escape\rx = \"\\x22 + '''\"; "
    + CALL.strip()
    + b"; y = \"'''\\x22\"\r",
    "not a comment before": b"x = '''\n# coding: unicode_escape\n'''\n" + CALL,
    "byte order mark": b"\xef\xbb\xbf" + CALL,
    "form feed": b"\x0c# coding: unicode_escape\n# \\n" + CALL,
    "carriage returns": b"# x\r" + CALL.replace(b"\n", b"\r"),
}


@pytest.mark.parametrize("name", ENCODED)
def test_an_encoding_hides_nothing(tmp_path: Path, name: str) -> None:
    compile(ENCODED[name], "core.py", "exec")  # Python takes it
    assert "E_ARCH_CALL_PROCESSES" in checked(tmp_path, ENCODED[name])


@pytest.mark.parametrize("encoding", ["rot13", "hex", "zlib", "nothing", "undefined", "idna"])
def test_an_encoding_that_is_none_is_told(tmp_path: Path, encoding: str) -> None:
    assert checked(tmp_path, f"# coding: {encoding}\n{EVIL}") in (["E_ARCH_MODULE_PARSE"], ["E_ARCH_CALL_PROCESSES"])


def test_an_encoding_that_makes_carriage_returns_is_refused() -> None:
    with pytest.raises(SyntaxError, match="carriage returns"):
        decoded(b"# coding: unicode_escape\n# \\r'''\nimport os\n# \\r'''\n")


GUARDS = (
    "from typing import TYPE_CHECKING\nTYPE_CHECKING = 1\nif TYPE_CHECKING:\n    {}\n",
    "from typing import TYPE_CHECKING\nTYPE_CHECKING: bool = True\nif TYPE_CHECKING:\n    {}\n",
    "import typing\ntyping.TYPE_CHECKING = True\nif typing.TYPE_CHECKING:\n    {}\n",
    "import typing\nsetattr(typing, 'TYPE_CHECKING', 1)\nif typing.TYPE_CHECKING:\n    {}\n",
    "TYPE_CHECKING = not False\nif TYPE_CHECKING:\n    {}\n",
    "for TYPE_CHECKING in (1,):\n    pass\nif TYPE_CHECKING:\n    {}\n",
    "import json as typing\ntyping.TYPE_CHECKING = 1\nif typing.TYPE_CHECKING:\n    {}\n",
    "from pure.other import TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n",
    "from pure.other import ON as TYPE_CHECKING\nif TYPE_CHECKING:\n    {}\n",
    "TYPE_CHECKING, x = 1, 2\nif TYPE_CHECKING:\n    {}\n",
)


@pytest.mark.parametrize("text", GUARDS)
def test_a_condition_that_a_module_makes_true_is_no_guard(tmp_path: Path, text: str) -> None:
    (tmp_path / "pure").mkdir()
    (tmp_path / "pure/other.py").write_text("TYPE_CHECKING = ON = True\n")
    assert "E_ARCH_CALL_PROCESSES" in checked(tmp_path, text.format("import os; os.system('id')"))


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\n    os.system('id')\n",
        "import typing as t\nif t.TYPE_CHECKING:\n    import os\n    os.system('id')\n",
        "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import os\n    os.system('id')\n",
    ],
)
def test_a_guard_stays_one(tmp_path: Path, text: str) -> None:
    assert checked(tmp_path, text) == []


@pytest.mark.parametrize(
    "text",
    [
        "from pure import evil\nevil.x()\n",
        "import pure.evil\n",
        "from pure.evil import x\n",
        "__spec__.loader.get_data('/etc/passwd')\n",
        "from _frozen_importlib_external import SourceFileLoader\nSourceFileLoader('e', 'x.txt').load_module()\n",
    ],
)
def test_what_no_source_of_the_project_has_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "pure").mkdir()
    (tmp_path / "pure/evil.pyw").write_text(EVIL)
    assert {"E_ARCH_NOT_READ", "E_ARCH_CALL_DYNAMIC"} & set(checked(tmp_path, text))


DOUBLES = ("x = x + x", "x = x * x", "x += x", "x = (x, x)", "x = [x, x]", "x = {1: x, 2: x}", "x = f'{x}{x}'")


@pytest.mark.parametrize("step", DOUBLES)
@pytest.mark.parametrize("first", ["'a'", "3", "(1,)"])
def test_a_constant_that_doubles_does_not_fill_the_memory(tmp_path: Path, first: str, step: str) -> None:
    began = time.process_time()
    assert checked(tmp_path, f"x = {first}\n" + f"{step}\n" * 60) == []
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "text",
    [
        "from typing import Annotated\nx = int\n" + "x = Annotated[x, x]\n" * 60,
        "from operator import methodcaller\nx = 1\n" + "x = methodcaller('a', x, x)\n" * 60,
        "from functools import partial\nx = int\n" + "x = partial(x, x, a=x)\n" * 60,
    ],
    ids=["notes", "a caller", "a partial"],
)
def test_a_callable_that_holds_itself_twice_does_not_fill_the_memory(tmp_path: Path, text: str) -> None:
    assert checked(tmp_path, text) == []


def test_a_number_that_is_too_long_to_be_shown_is_no_fault(tmp_path: Path) -> None:
    assert checked(tmp_path, f"x = 0x{'f' * 10_000}\ny = {{x: x, -x: x + 1}}\nz = f'{{x}}'\n") == []
