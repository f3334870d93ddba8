"""No module prints by itself: `x07py.printing` escapes what others made, and each other place says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import x07py
from tests.cli.test_printing import EVIL, is_plain
from tests.rr.builders import entry, framed
from tests.support.project import x07
from x07py import damage
from x07py.errors import RunError
from x07py.run.command_line import error_text

pytest_plugins = ["pytester"]
PACKAGE = Path(x07py.__file__).parent
STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
METHODS = {"write_line", "section", "echo"}
ESCAPE = {"terminal", "escaped", "json_text", "html_data", "error_text", "told", "github_lines"}
OWN = "x07py's own words, numbers and names of its commands"
ALLOWED = {
    "brokers/host.py:main": "an X07Error as text, which is escaped",
    "cli/arch.py:_print": "lines of github_lines, which escapes",
    "cli/completion.py:completion": OWN,
    "cli/explore.py:_show": OWN,
    "cli/machine_flags.py:run": "what commands of ours have printed, kept until they ended",
    "cli/main.py:_dispatch": OWN,
    "cli/main.py:_out": OWN,
    "cli/main.py:_unknown": "the user's own word, as its repr",
    "cli/main.py:main": "what the system says of an error, and what commands of ours have printed",
    "cli/msg.py:encode": "letters of Base64 or hexadecimal",
    "cli/output.py:print_json_rows": "lines of json_text, which escapes",
    "cli/policy.py:init": OWN,
    "cli/quick.py:check_architecture": "the summary, escaped a line before",
    "sandbox/probe.py:tell": "JSON for the process that started this one",
    "testing/plugin.py:section": "names, escaped a line before",
    "testing/started.py:_tell_of_ours": "an X07Error as text, which is escaped",
    "testing/starting.py:_prepare": "what the system says of an error",
}


def _writes(node: ast.AST, function: str = "") -> Iterator[str]:
    """Yield the function of each call below a node that prints what no function of `ESCAPE` gave it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and _prints(child.func) and not all(map(_is_safe, child.args)):
            yield function
        yield from _writes(child, child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function)


def _prints(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "print"
    if not isinstance(called, ast.Attribute):
        return False
    if called.attr in METHODS:
        return True
    return called.attr == "write" and isinstance(called.value, ast.Attribute) and called.value.attr in STREAMS


def _is_safe(text: ast.expr) -> bool:
    if isinstance(text, ast.BinOp):
        return _is_safe(text.left) and _is_safe(text.right)
    if isinstance(text, ast.IfExp):
        return _is_safe(text.body) and _is_safe(text.orelse)
    if isinstance(text, ast.JoinedStr):
        return all(isinstance(part, ast.Constant) or _is_safe(part.value) for part in text.values)  # type: ignore[attr-defined]
    called = text.func if isinstance(text, ast.Call) else None
    name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
    return isinstance(text, ast.Constant) or name in ESCAPE


def _writers() -> Iterator[str]:
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        yield from (f"{name}:{function}" for function in _writes(ast.parse(file.read_bytes())))


def test_everything_is_printed_by_the_one_printer() -> None:
    found = set(_writers())
    assert sorted(found - ALLOWED.keys()) == [], "print it by x07py.printing, or say here why not"
    assert sorted(ALLOWED.keys() - found) == [], "an exception that excuses nothing"


@pytest.mark.parametrize("again", [False, True])
def test_a_check_that_finds_nothing_names_no_file_raw(tmp_path: Path, *, again: bool) -> None:
    """The way that answers a check without options; the second time from what it remembers."""
    (tmp_path / "pkg").mkdir()
    (tmp_path / "arch").mkdir()
    for name in ("__init__", "0 errors, 0 warnings\n9 modules", EVIL.replace("/", "")):
        (tmp_path / "pkg" / f"{name}.py").write_text("import json\n")
    assert x07("arch", "init", cwd=tmp_path).returncode == 0
    for _ in range(1 + again):
        done = x07("arch", "check", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 files with names that no import can write" in done.stdout
    assert "\n9 modules" not in done.stdout
    is_plain(done.stdout + done.stderr)


def test_a_name_makes_no_row_of_its_own(tmp_path: Path) -> None:
    folder = tmp_path / ".x07_rr"
    folder.mkdir()
    (folder / "a\nb.x07rr.bin  1 entry  whole\x1b]0;T\x07.x07rr.bin").write_bytes(framed(entry(0)))
    done = x07("rr", "list", cwd=tmp_path)
    assert len(done.stdout.splitlines()) == 1
    is_plain(done.stdout)


def test_cassettes_that_no_test_used_are_named_without_escapes(pytester: pytest.Pytester) -> None:
    folder = pytester.mkdir(".x07_rr")
    for name in ("used", "a\n::error::PWN\x1b]0;T\x07"):
        (folder / f"{name}.x07rr.bin").write_bytes(framed(entry(0)))
    pytester.makepyfile(
        "import pytest\n"
        "@pytest.mark.x07('used.x07rr.bin', allow_unused=True, allow_empty=True)\n"
        "def test_it():\n    assert True\n"
    )
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    assert "cassettes that no test used" in done.stdout.str()
    assert r"a\n::error::PWN\x1b]0;T\x07" in done.stdout.str()
    is_plain(done.stdout.str())


def test_errors_of_processes_without_a_command_line_are_escaped() -> None:
    is_plain(error_text(RunError("X07RUN_EXEC", EVIL, where=EVIL, hint=EVIL)))
    is_plain(damage.told(OSError(2, "No such file", EVIL)))
