"""Help and completion: answered without Typer where it can be, true to the commands, working in a real bash."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY, x07
from x07py.cli.main import COMMANDS

TEXTS: dict[str, str] = json.loads((REPOSITORY / "x07py/cli/help.json").read_text(encoding="utf-8"))
BIN = Path(sys.executable).parent


def test_the_help_pages_are_current() -> None:
    done = subprocess.run([sys.executable, REPOSITORY / ".ci/help_pages.py", "--check"], check=False)
    assert done.returncode == 0, "run `make help-pages` and commit x07py/cli/help.json"


def test_every_command_has_an_example_of_itself() -> None:
    assert {words.split()[0] for words in TEXTS} == COMMANDS.keys()
    for words, text in TEXTS.items():
        assert f"Example: x07 {words}" in text or "\nCommands:\n" in text or words == "completion", words


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['x07', 'rr', 'show', '--help']\nimport atexit\n"
    code += "atexit.register(lambda: sys.stderr.write(' '.join(sys.modules)))\n"
    code += "from x07py.cli.main import main; main()"
    env = {**os.environ, "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == TEXTS["rr show"]
    assert not {"typer", "rich", "x07py.rr"} & set(done.stderr.split())


def test_help_fits_a_narrow_terminal() -> None:
    done = x07("rr", "show", "--help", cwd=Path(), COLUMNS="50")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 50
    assert x07("rr", "show", "x", "--help", cwd=Path()).stdout == TEXTS["rr show"]


@pytest.mark.parametrize(
    ("args", "flag"),
    [
        (["rr", "show", "a", "--entry", "x"], "--entry"),
        (["run", "--timeout", "soon"], "--timeout"),
        (["broker", "up", "kafka", "--port", "70000"], "--port"),
        (["pkg", "add", "x", "--snyc"], "--snyc"),
        (["arch", "check", "--format", "xml"], "--format"),
        (["completion", "tcsh"], "tcsh"),
    ],
)
def test_a_wrong_option_is_named(args: list[str], flag: str, tmp_path: Path) -> None:
    done = x07(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert flag in done.stderr


def completed(line: str, folder: Path) -> list[str]:
    """Return what a real bash offers at the end of `line`."""
    script = f"""
eval "$(x07 completion bash)"
COMP_WORDS=({line.rstrip()}{' ""' if line.endswith(" ") else ""}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_x07_completion x07
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    command = ["bash", "--norc", "-c", script]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completes_commands_options_profiles_and_cassettes(tmp_path: Path) -> None:
    (tmp_path / "x07.toml").write_text('[profiles.nightly]\nworld = "run-os"\n')
    (tmp_path / ".x07_rr/deep").mkdir(parents=True)
    (tmp_path / ".x07_rr/deep/orders.x07rr.bin").touch()
    assert completed("x07 r", tmp_path) == ["rr", "run"]
    assert completed("x07 pkg up", tmp_path) == ["update"]
    assert completed("x07 rr show --ent", tmp_path) == ["--entry"]
    assert completed("x07 run --profile ni", tmp_path) == ["nightly"]
    assert completed("x07 rr show d", tmp_path) == ["deep/orders.x07rr.bin"]
    assert completed("x07 run --cassette ", tmp_path) == ["deep/orders.x07rr.bin"]
    assert "kafka" in completed("x07 broker up ", tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_valid_for_it(shell: str, tmp_path: Path) -> None:
    script = x07("completion", shell, cwd=tmp_path).stdout
    assert "_X07_COMPLETE=complete_" + shell in script
    assert "_X07PY_COMPLETE=complete_" + shell in script
    if shutil.which(shell):
        (tmp_path / "script").write_text(script)
        assert subprocess.run([shell, "-n", tmp_path / "script"], check=False).returncode == 0


@pytest.mark.parametrize(("shell", "found"), [("zsh", '"rr":"'), ("fish", "rr\t")])
def test_other_shells_get_answers(shell: str, found: str, tmp_path: Path) -> None:
    asked = {"_X07_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_ARGS": "x07 r"}
    done = x07(cwd=tmp_path, _TYPER_COMPLETE_FISH_ACTION="get-args", **asked)
    assert found in done.stdout
    assert done.stderr == ""


def test_python_runs_the_package_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "x07py", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("x07 ")
    done = subprocess.run([sys.executable, "-m", "x07py", "no-such"], capture_output=True, text=True, check=False)
    assert (done.returncode, "no command 'no-such'" in done.stderr) == (2, True)


def test_make_help_names_every_target_for_people() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    named = makefile.partition(".PHONY:")[2].partition("\n")[0].split()
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    shown = [line.split()[0] for line in done.stdout.splitlines()]
    assert set(named) - set(shown) == set()
    assert all(len(line.split()) > 2 for line in done.stdout.splitlines())
