"""A distribution that comes from a URL, a folder or a repository keeps that, whatever is asked of its package."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.pkg.builders import pkg
from tests.pkg.test_crash_in_environment import pkg as pkg_in
from tests.pkg.test_crash_in_environment import venv
from tests.support.installed import install_package, wheel

__all__ = ["venv"]

POETRY = '[tool.poetry.dependencies]\npython = "^3.11"\n'
ENTRIES = {
    "a folder": (
        'x07py = {path = "../x07py", develop = true} # ours\n',
        'x07py = {path = "../x07py", develop = true, extras = ["kafka"]} # ours\n',
    ),
    "a repository": (
        'x07py = { git = "https://h/x.git", rev = "1" }\n',
        'x07py = { git = "https://h/x.git", rev = "1", extras = ["kafka"]}\n',
    ),
    "a repository alone": ('x07py = { git = "u" }\n', 'x07py = { git = "u", extras = ["kafka"]}\n'),
    "a URL": ('x07py = {url = "https://h/x.whl"}\n', 'x07py = {url = "https://h/x.whl", extras = ["kafka"]}\n'),
    "a file": ('x07py = {file = "x.whl"}\n', 'x07py = {file = "x.whl", extras = ["kafka"]}\n'),
    "an index": (
        'x07py = {version = "^0.2", source = "own"}\n',
        'x07py = {version = "^0.2", source = "own", extras = ["kafka"]}\n',
    ),
    "versions": ('x07py = "^0.2"\n', 'x07py = {version = "^0.2", extras = ["kafka"]}\n'),
    "a table": (
        '\n[tool.poetry.dependencies.x07py]\nversion = "^0.2"\n',
        '\n[tool.poetry.dependencies.x07py]\nversion = "^0.2"\nextras = ["kafka"]\n',
    ),
    "dotted": ('x07py.path = "../x07py"\n', 'x07py.path = "../x07py"\nx07py.extras = ["kafka"]\n'),
    "rows": (
        'x07py = [\n  {version = "1"}, # c\n  {url = "x", extras = ["q"]},\n]\n',
        'x07py = [\n  {version = "1", extras = ["kafka"]}, # c\n  {url = "x", extras = ["q", "kafka"]},\n]\n',
    ),
}


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(("entry", "wanted"), ENTRIES.values(), ids=ENTRIES)
def test_an_entry_of_poetry_gets_the_extra_and_nothing_else(entry: str, wanted: str, end: str, empty: Path) -> None:
    file = empty / "pyproject.toml"
    file.write_bytes((POETRY + entry).replace("\n", end).encode())
    pkg(empty, "add", "ext-msg-kafka-c")
    text = file.read_bytes().decode()
    assert text.startswith((POETRY + wanted).replace("\n", end))
    assert text.count("\n") == text.count(end)
    pkg(empty, "remove", "ext-msg-kafka-c")
    assert file.read_bytes().decode().startswith((POETRY + entry).replace("\n", end))


@pytest.mark.parametrize("source", ['path = "g"', 'git = "u"', 'url = "u"', 'file = "u"'])
def test_a_version_of_what_has_a_source_stands_in_the_x07_table_alone(source: str, empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    before = f"{POETRY}greet = {{{source}}}\n"
    (empty / "pyproject.toml").write_text(before)
    pkg(empty, "add", "greet@1.0.0")
    assert (empty / "pyproject.toml").read_text() == f'{before}\n[tool.x07.dependencies]\ngreet = "1.0.0"\n'


def test_a_version_for_rows_with_versions_of_their_own_is_refused(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    before = f'{POETRY}greet = [{{version = "1", python = "<3.12"}}, {{version = "2", python = ">=3.12"}}]\n'
    (empty / "pyproject.toml").write_text(before)
    done = pkg(empty, "add", "greet@1.0.0", code=20)
    assert "X07PKG_EDIT" in done.stderr
    assert "2 rows of greet" in done.stderr
    assert (empty / "pyproject.toml").read_text() == before
    pkg(empty, "add", "greet")
    assert (empty / "pyproject.toml").read_text().startswith(before)


URL = "greet @ file:///wheels/greet-1.0.0-py3-none-any.whl ; python_version>'3'"


def test_a_direct_reference_keeps_its_url_and_marker(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    file = empty / "pyproject.toml"
    file.write_text(f'[project]\nname = "shop"\ndependencies = ["{URL}", "x07py @ git+https://h/x.git@v1"]\n')
    pkg(empty, "add", "greet@1.0.0")
    pkg(empty, "add", "ext-msg-kafka-c")
    document = tomllib.loads(file.read_text())
    assert document["project"]["dependencies"] == [URL, "x07py[kafka] @ git+https://h/x.git@v1"]
    assert document["tool"]["x07"]["dependencies"]["greet"] == "1.0.0"
    pkg(empty, "remove", "ext-msg-kafka-c")
    assert tomllib.loads(file.read_text())["project"]["dependencies"] == [URL, "x07py @ git+https://h/x.git@v1"]


def test_a_version_that_a_direct_reference_does_not_bring_is_refused(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    before = f'[project]\nname = "shop"\ndependencies = ["{URL}"]\n'
    (empty / "pyproject.toml").write_text(before)
    assert "X07PKG_CONFLICT" in pkg(empty, "add", "greet@2.0.0", code=20).stderr
    assert (empty / "pyproject.toml").read_text() == before


def test_pip_installs_what_the_url_names(venv: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    file = wheel(away, "x07-away", "1.0.0")
    project = tmp_path / "shop"
    project.mkdir()
    url = f"x07-away @ {file.as_uri()}"
    (project / "pyproject.toml").write_text(f'[project]\nname = "shop"\nversion = "1"\ndependencies = ["{url}"]\n')
    done = pkg_in(venv, project, "add", "x07-away@1.0.0", "--sync")
    assert done.returncode == 0, done.stderr.decode()
    assert b"x07-away 1.0.0" in done.stdout
    assert tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"] == [url]
