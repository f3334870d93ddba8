"""No command that only reads runs code of the checkout, however the checkout's folders came onto the import path."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rr.builders import entry, framed
from tests.support.project import EXAMPLE, x07
from x07py.brokers.process import find_broker, stop_broker

RUNS = "open({mark!r}, 'a').write(__name__ + chr(10))\n"
LIBRARIES = ("yaml", "rfc8785", "keyring", "numpy", "opentelemetry", "shellingham", "sitecustomize2", "pip", "uv")
COMMANDS = (
    "doctor",
    "arch check",
    "arch init --from-asyncapi doc.yaml",
    "pkg list",
    "run --allow-contract evil:some --explain",
    "rr show a.x07rr.bin",
    "rr scan",
    "asyncapi export -o out.json",
    "effects app",
)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project whose folders hold a module for every name that Python or a command may import, and a driver."""
    root = tmp_path / "checkout"
    shutil.copytree(EXAMPLE / "arch", root / "arch")
    source = root / "src"
    for folder in (source / "app", root / ".x07_rr", source / "evil-1.dist-info"):
        folder.mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "pyproject.toml").write_text('[project]\nname = "app"\nversion = "0"\n[tool.x07]\nentry = "app"\n')
    (root / "doc.yaml").write_text("asyncapi: 3.0.0\n")
    (root / ".x07_rr" / "a.x07rr.bin").write_bytes(framed(entry()))
    (source / "app" / "__init__.py").write_text("")
    (source / "evil-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1\n")
    points = "[x07.drivers]\nevil = evil_driver:DRIVER\n[x07.packages]\nevil = app\n"
    (source / "evil-1.dist-info" / "entry_points.txt").write_text(points)
    text = RUNS.format(mark=str(mark(root)))
    for name in (*LIBRARIES, "evil_driver"):
        (source / f"{name}.py").write_text(text)
    return root


def mark(root: Path) -> Path:
    return root.parent / "ran"


def shadow(root: Path, folder: Path) -> None:
    """Put a module beside every top-level module of the standard library and of the command line's libraries."""
    text = RUNS.format(mark=str(mark(root)))
    for name in {*sys.stdlib_module_names, "typer", "rich", "tomlkit", "jsonschema", "confluent_kafka"}:
        (folder / f"{name}.py").write_text(text)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs_nothing_of_the_checkout(checkout: Path, command: str) -> None:
    shadow(checkout, checkout)
    done = x07(*command.split(), cwd=checkout, PYTHONPATH=str(checkout / "src"))
    assert "X07_INTERNAL" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert not mark(checkout).exists(), mark(checkout).read_text()


def test_a_driver_of_the_checkout_is_told_and_not_run(checkout: Path) -> None:
    done = x07("doctor", cwd=checkout, PYTHONPATH=str(checkout / "src"))
    assert done.returncode == 0
    assert "evil_driver lies in this checkout" in done.stdout
    assert not mark(checkout).exists()


def test_a_started_broker_runs_nothing_of_the_checkout(checkout: Path) -> None:
    shadow(checkout, checkout)
    try:
        done = x07("broker", "up", "kafka", "--embedded", cwd=checkout)
        assert done.returncode == 0, done.stderr
        assert find_broker(checkout, "kafka") is not None
    finally:
        stop_broker(checkout, "kafka")
    assert not mark(checkout).exists(), mark(checkout).read_text()


def test_python_m_x07py_runs_nothing_of_the_checkout(checkout: Path) -> None:
    text = RUNS.format(mark=str(mark(checkout)))
    for name in ("typer", "rich", "tomlkit", "json", "hashlib", "hmac", "tomllib", "yaml"):
        (checkout / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "x07py", "rr", "list"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert "a.x07rr.bin" in done.stdout, done.stderr
    assert not mark(checkout).exists(), mark(checkout).read_text()


@pytest.mark.parametrize("command", ["arch check --changed", "arch init --dry-run"])
def test_git_runs_no_program_that_the_checkout_names(checkout: Path, command: str) -> None:
    """A folder of the checkout looks like the inside of a repository, whose settings name a program."""
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@b")
    shutil.rmtree(checkout / ".git")
    subprocess.run([*git, "init", "-q", "--bare", str(checkout.parent / "inner")], check=True)
    project = checkout.parent / "inner" / "project"
    checkout.rename(project)
    settings = "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = project\n"
    settings += f'\tfsmonitor = "touch {mark(checkout)}; false"\n'
    (project.parent / "config").write_text(settings)
    subprocess.run([*git, "status"], cwd=project, check=True, capture_output=True)
    assert mark(checkout).exists()  # this is how Git alone answers
    mark(checkout).unlink()
    done = x07(*command.split(), cwd=project)
    assert "X07_INTERNAL" not in done.stderr, done.stderr
    assert not mark(checkout).exists()


def test_a_completion_is_nothing_that_a_shell_reads_more_into(checkout: Path) -> None:
    names = (
        "$(touch ran)",
        "`id`",
        "a b",
        "a;id",
        "a\nb",
        "-n",
        "a'b",
        'a"b',
        "a\\$(id)",
        "~",
        "a*",
        "a\x1b]0;t",
        "ü-1",
    )
    for name in names:
        (checkout / ".x07_rr" / f"{name}.x07rr.bin").write_bytes(framed(entry()))
    with (checkout / "pyproject.toml").open("a") as file:
        file.write('[tool.x07.profiles."$(touch ran)"]\nworld = "run-os"\n[tool.x07.profiles.mine]\nworld = "run-os"\n')
    asked = {"_X07_COMPLETE": "complete_bash", "COMP_CWORD": "3"}
    shown = x07(cwd=checkout, **asked, COMP_WORDS="x07 rr show ").stdout.split()
    assert sorted(shown) == ["a.x07rr.bin", "ü-1.x07rr.bin"]
    profiles = x07(cwd=checkout, **asked, COMP_WORDS="x07 run --profile ").stdout.split()
    assert "mine" in profiles
    assert not any("$" in one for one in profiles)
