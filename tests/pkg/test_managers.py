"""poetry, pdm and uv themselves: they install and remove what `x07 pkg` writes into a manifest of theirs.

Their index is a folder of wheels. Each manifest is written in another way that people use.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.pkg.test_crash_in_environment import pkg as pkg_in
from tests.pkg.test_crash_in_environment import venv
from tests.pkg.test_story import TOOLS, Environment, outside
from tests.support.campaign import CAMPAIGN
from tests.support.installed import wheel
from tests.support.project import REPOSITORY

__all__ = ["venv"]

MANAGERS = REPOSITORY / ".venv" / "managers" / "bin"
campaign = pytest.mark.skipif(not CAMPAIGN, reason="takes minutes: make packages")
POETRY = """\
[tool.poetry]
name = "shop"
version = "1"
description = ""
authors = []
package-mode = false
"""
PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
"""
POETRY_1 = f"""\
# our shop
{POETRY}
[tool.poetry.dependencies] # what we need
python = "^3.11"
x07py = "*" # ours
"""
POETRY_1_INLINE = POETRY + 'dependencies = {python = "^3.11", x07py = {version = "*"}} # in line\n'
POETRY_2 = f"""\
{PROJECT}dependencies = [
    "x07py", # ours
]

[tool.poetry]
package-mode = false
"""
POETRY_2_OWN_TABLE = f"""\
{PROJECT}
[tool.poetry]
package-mode = false

[tool.poetry.dependencies]
x07-other = "*"

[tool.poetry.group.test.dependencies]
x07py = "*"
"""
PDM = f"""\
{PROJECT}dependencies = ["x07py"] # ours

[tool.pdm]
distribution = false
"""
PDM_DOTTED = """\
project.name = "shop"
project.version = "1"
project.requires-python = ">=3.11"
project.dependencies = []
dependency-groups = {test = ["x07py"]} # in line
tool.pdm.distribution = false
"""
LAYOUTS = {
    "poetry 1, comments, CRLF": ("poetry", POETRY_1.replace("\n", "\r\n")),
    "poetry 1, in line": ("poetry", POETRY_1_INLINE),
    "poetry 2": ("poetry", POETRY_2),
    "poetry 2, a table of its own, x07py in a group": ("poetry", POETRY_2_OWN_TABLE),
    "pdm, CRLF": ("pdm", PDM.replace("\n", "\r\n")),
    "pdm, dotted keys, x07py in a group in line": ("pdm", PDM_DOTTED),
}
BY_HAND = {
    "poetry": POETRY_2.replace('    "x07py", # ours\n', ""),
    "pdm": PDM.replace('"x07py"', ""),
    "uv": PROJECT + "dependencies = []\n\n[tool.uv]\n",
}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of wheels: x07py, what it needs on all systems, and two packages; by project below that."""
    folder = tmp_path_factory.mktemp("index")
    build = ("python", "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    outside(*build, cwd=REPOSITORY, env=os.environ)
    x07py = f"{next(folder.glob('*.whl'))}[kafka]"
    outside("pip", "download", "--quiet", "--dest", str(folder), x07py, "colorama", cwd=folder, env=os.environ)
    wheel(folder, "x07-other", "1.0.0")
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        wheel(folder, "x07-greeting", version, ["x07-other"], requires_packages=["x07-other@>=1"])
    for path in folder.glob("*.whl"):
        project = folder / path.name.partition("-")[0].lower().replace("_", "-")
        project.mkdir(exist_ok=True)
        (project / path.name).hardlink_to(path)
    return folder


@pytest.fixture(scope="module")
def address(index: Path) -> Iterator[str]:
    """Where the folder is an index over HTTP: poetry takes no folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(index))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def project(root: Path, index: Path, address: str, manager: str, text: str) -> Environment:
    """Return a project with an environment that holds x07py, which its manager did not install."""
    sources = {
        "poetry": f'\n[[tool.poetry.source]]\nname = "wheels"\nurl = "{address}"\npriority = "primary"\n',
        "pdm": f'\n[[tool.pdm.source]]\nname = "pypi"\ntype = "find_links"\nurl = "{index.as_uri()}"\n',
        "uv": f'find-links = ["{index}"]\nno-index = true\n',
    }
    end = "\r\n" if "\r\n" in text else "\n"
    (root / "pyproject.toml").write_bytes((text + sources[manager].replace("\n", end)).encode())
    place = root / ".venv"
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "X07_OFFLINE", "X07_WORLD", "PYTHONHOME")
    variables = {name: value for name, value in os.environ.items() if name not in hidden}
    variables |= {"PATH": f"{place / 'bin'}:{TOOLS}:{os.environ['PATH']}:{MANAGERS}", "COLUMNS": "200"}
    variables |= {name: str(index / "caches") for name in ("POETRY_CACHE_DIR", "PDM_CACHE_DIR")}
    outside("uv", "venv", "--python", sys.executable, str(place), cwd=root, env=variables)
    source = ("--no-index", "--find-links", str(index), "--python", str(place / "bin" / "python"))
    outside("uv", "pip", "install", *source, "x07py", cwd=root, env=variables)
    return Environment(root, place / "bin", variables)


@campaign
@pytest.mark.parametrize(("manager", "text"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_package_comes_changes_and_goes(manager: str, text: str, tmp_path: Path, index: Path, address: str) -> None:
    here = project(tmp_path, index, address, manager, text)
    manifest = tmp_path / "pyproject.toml"
    before = manifest.read_bytes().decode()

    assert "+ x07-greeting 1.0.0" in here.pkg("add", "x07-greeting@1.0.0", "--sync")
    assert here.imports("x07_greeting")
    assert "x07-greeting 1.0.0 -> 1.1.0" in here.pkg("update", "x07-greeting@>=1,<2", "--sync")
    assert "up to date" in here.pkg("lock", "--check")
    if "group" not in text:  # else the project asks for x07py itself from here on
        here.pkg("add", "ext-msg-kafka-c", "--sync")
        assert here.imports("confluent_kafka")
        here.pkg("remove", "ext-msg-kafka-c", "--sync")
        assert not here.imports("confluent_kafka")
    locked = (tmp_path / f"{manager}.lock").read_text()
    assert all(f'name = "{name}"' in locked for name in ("x07-greeting", "x07-other", "x07py"))

    here.pkg("remove", "x07-greeting", "--sync")
    assert not here.imports("x07_greeting")
    assert "ok" in here.pkg("verify")
    after = manifest.read_bytes().decode()
    assert after.count("\n") == after.count("\r\n") or "\r" not in after
    assert same(after.partition("[tool.x07.dependencies]")[0]) == same(before)


def same(text: str) -> list[str]:
    """Return the lines of a manifest; which of two ways an entry without extras is written in does not matter."""
    return [line for line in text.replace('{version = "*"}', '"*"').splitlines() if line.strip()]


@campaign
@pytest.mark.parametrize("manager", ["poetry", "pdm"])
def test_an_error_of_the_manager_is_passed_on_and_changes_nothing(
    manager: str, tmp_path: Path, index: Path, address: str
) -> None:
    here = project(tmp_path, index, address, manager, POETRY_1 if manager == "poetry" else PDM)
    before = (tmp_path / "pyproject.toml").read_bytes()
    said = here.pkg("add", "x07-missing", "--sync", code=20)
    assert "x07-missing" in said.partition("error[X07PKG_INSTALL_FAILED]")[0]
    assert (tmp_path / "pyproject.toml").read_bytes() == before
    assert not (tmp_path / "x07.lock").exists()


@campaign
@pytest.mark.parametrize("manager", BY_HAND)
def test_x07py_stays_where_the_project_does_not_ask_for_it(
    manager: str, tmp_path: Path, index: Path, address: str
) -> None:
    here = project(tmp_path, index, address, manager, BY_HAND[manager])
    here.pkg("add", "x07-greeting", "--sync")
    here.pkg("remove", "x07-greeting", "--sync")
    assert not here.imports("x07_greeting")
    assert here.pkg("list")


def test_what_was_installed_by_hand_stays_where_x07py_was_too(venv: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(BY_HAND["uv"] + f'find-links = ["{venv}"]\nno-index = true\n')
    site = next((venv / "venv/lib").glob("python3*/site-packages"))
    hand = wheel(venv, "by-hand", "1.0.0")
    python = str(venv / "venv/bin/python")
    subprocess.run(
        [str(TOOLS / "uv"), "pip", "install", "--quiet", "--no-deps", "--python", python, str(hand)], check=True
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_PROJECT_ENVIRONMENT", str(venv / "venv"))
        patch.setenv("PATH", f"{TOOLS}:{os.environ['PATH']}")
        for command in ("add", "remove"):
            done = pkg_in(venv, tmp_path, command, "x07-greet", "--sync")
            assert done.returncode == 0, done.stderr.decode()
            assert (site / "x07_greet").exists() == (command == "add")
    assert (site / "by_hand").exists()
