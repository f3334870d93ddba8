"""Editing a manifest changes only the lines concerned."""

from __future__ import annotations

import tomllib
from difflib import ndiff
from pathlib import Path

import pytest

from x07py.errors import PackageError
from x07py.pkg.edit import drop_requirement, remove_dependency, set_dependency, set_requirement

FILE = Path("pyproject.toml")

AWKWARD = {
    "header comment of the next table": '[tool.x07.dependencies]\na = "1.0.0"\n\n# about ruff\n[tool.ruff]\nx = 1\n',
    "comment below the last entry": '[tool.x07.dependencies]\na = "1.0.0" # pin\n# more\n\n[tool.ruff]\nx=1\n',
    "windows line ends": '[project]\r\nname = "x"\r\n\r\n[tool.x07.dependencies]\r\na = "1.0.0"\r\n\r\n[z]\r\nq=1\r\n',
    "inline table": '[tool.x07]\nworld = "run-os"\ndependencies = {a = "1.0.0"} # inline\n\n[tool.ruff]\nx=1\n',
    "dotted keys": 'z = 1\ntool.x07.dependencies.a = "1.0.0"\n\n[other]\nb = 2\n',
    "indented": '[tool.x07]\n  world = "run-os"\n\n  [tool.x07.dependencies]\n    a = "1.0.0"   # four\n    c = "^1"\n',
    "tables out of order": '[tool.x07.dependencies]\na="1.0.0"\n[tool.ruff]\nx=1\n[tool.x07.index]\nurl="u"\n',
    "no line end at the end": '[project]\nname = "x"\n\n[tool.x07.dependencies]\na = "1.0.0"',
    "quoted keys": "['tool'.'x07'.dependencies]\n'a' = '1.0.0'\n[[tool.q.o]]\nm=1\n",
    "text like a table": '[tool.x07.dependencies]\na = "1.0.0"\n\n[p]\nd = """\n[tool.x07.q]\n# b\n"""\n',
    "non-ascii and tabs": '# Größe ✓\n[tool.x07.dependencies]\n\ta\t=\t"1.0.0"\t# ünï\n[tool."ü"]\n',
}


def changed(before: bytes, after: bytes) -> tuple[list[str], list[str]]:
    lines = list(ndiff(before.decode().splitlines(keepends=True), after.decode().splitlines(keepends=True)))
    return [row[2:] for row in lines if row[0] == "-"], [row[2:] for row in lines if row[0] == "+"]


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_adding_changes_one_place(text: str) -> None:
    before = text.encode()
    after = set_dependency(FILE, before, "b", "0.2.0")
    wanted = tomllib.loads(text)
    wanted["tool"]["x07"]["dependencies"]["b"] = "0.2.0"
    assert tomllib.loads(after.decode()) == wanted
    gone, new = changed(before, after)
    assert len(new) <= (1 if not gone else 2)
    assert len(gone) == (1 if "inline" in text or not text.endswith("\n") else 0)
    assert all(line.endswith("\r\n") for line in new) == ("\r\n" in text)


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_removing_takes_back_what_adding_wrote(text: str) -> None:
    before = text.encode()
    after = remove_dependency(FILE, set_dependency(FILE, before, "b", "0.2.0"), "b")
    assert after.decode().rstrip() == text.rstrip()


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_replacing_a_version_changes_its_line(text: str) -> None:
    before = text.encode()
    after = set_dependency(FILE, before, "a", "2.0.0")
    gone, new = changed(before, after)
    assert len(gone) == len(new) == 1
    assert gone[0].split("#")[-1] == new[0].split("#")[-1] or "#" not in gone[0]


@pytest.mark.parametrize("text", ["", "# empty\n", '[project]\nname = "x"', '[tool.x07]\nworld = "run-os"\n[z]\n'])
def test_a_new_table_goes_to_the_end(text: str) -> None:
    before = text.encode()
    after = set_dependency(FILE, before, "b", "0.2.0")
    assert after.startswith(before)
    assert after.endswith(b'[tool.x07.dependencies]\nb = "0.2.0"\n')


def test_x07_toml_has_its_table_at_the_top() -> None:
    assert set_dependency(Path("x07.toml"), b"", "b", "0.2.0") == b'[dependencies]\nb = "0.2.0"\n'


def test_an_empty_x07_table_in_line_gets_the_entry_in_line() -> None:
    before = b"[tool]\nx07 = {}\nother = 1\n"
    after = set_dependency(FILE, before, "b", "0.2.0")
    assert after == b'[tool]\nx07 = {dependencies = {b = "0.2.0"}}\nother = 1\n'


def test_what_cannot_be_edited_safely_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    before = b'[tool.x07.dependencies]\na = "1.0.0"\n'

    def broken(_document: object) -> str:
        return "no longer TOML"

    monkeypatch.setattr("tomlkit.dumps", broken)
    with pytest.raises(PackageError, match="X07PKG_EDIT"):
        set_dependency(FILE, before, "b", "0.2.0")


LISTS = {
    "several lines": (
        '[project]\nname = "a" # c\ndependencies = [\n  "httpx", # yes\n]\n# end\n',
        '[project]\nname = "a" # c\ndependencies = [\n  "httpx", # yes\n  "x07py[kafka]",\n]\n# end\n',
    ),
    "one line": ('[project]\ndependencies = ["httpx"]\n', '[project]\ndependencies = ["httpx", "x07py[kafka]"]\n'),
    "no list": (
        '[project]\nname = "a"\n\n[z]\nb = 1\n',
        '[project]\nname = "a"\ndependencies = ["x07py[kafka]"]\n\n[z]\nb = 1\n',
    ),
    "windows line ends": (
        '[project]\r\ndependencies = [\r\n    "httpx",\r\n]\r\n',
        '[project]\r\ndependencies = [\r\n    "httpx",\r\n    "x07py[kafka]",\r\n]\r\n',
    ),
    "there in part": (
        '[project]\ndependencies = ["X07py [amqp] >= 0.1 ; python_version > \'3.10\'", "b"]\n',
        '[project]\ndependencies = ["X07py[amqp,kafka]>=0.1; python_version > \\"3.10\\"", "b"]\n',
    ),
    "dotted": (
        'project.name = "a"\nproject.dependencies = []\n',
        'project.name = "a"\nproject.dependencies = ["x07py[kafka]"]\n',
    ),
    "poetry": (
        '[tool.poetry.dependencies]\npython = "^3.11" # c\n',
        '[tool.poetry.dependencies]\npython = "^3.11" # c\nx07py = {version = "*", extras = ["kafka"]}\n',
    ),
    "poetry, there": (
        '[tool.poetry.dependencies]\nx07py = "^0.1"\n',
        '[tool.poetry.dependencies]\nx07py = {version = "^0.1", extras = ["kafka"]}\n',
    ),
    "no list of any kind": ("[tool.ruff]\nx = 1\n", "[tool.ruff]\nx = 1\n"),
}


@pytest.mark.parametrize(("text", "wanted"), LISTS.values(), ids=LISTS)
def test_a_requirement_for_the_manager(text: str, wanted: str) -> None:
    after = set_requirement(FILE, text.encode(), "x07py", "kafka", None)
    assert after.decode() == wanted
    assert set_requirement(FILE, after, "x07py", "kafka", None) == after
    assert b"kafka" not in drop_requirement(FILE, after, "x07py", "kafka")


def test_dependencies_that_the_build_fills_in() -> None:
    with pytest.raises(PackageError, match="X07PKG_EDIT"):
        set_requirement(FILE, b'[project]\ndynamic = ["dependencies"]\n', "x07py", "kafka", None)


def test_a_requirement_comes_and_goes_with_its_versions() -> None:
    before = b'[project]\ndependencies = [\n  "a", # one\n  "z",\n]\n'
    pinned = set_requirement(FILE, before, "greet", "", "==1.0.0")
    assert b'  "greet==1.0.0",\n' in pinned
    assert b'  "greet<3,>=2",\n' in set_requirement(FILE, pinned, "greet", "", ">=2,<3")
    assert drop_requirement(FILE, pinned, "greet", "") == before
