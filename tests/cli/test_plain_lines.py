"""A line that is read without Typer means what Typer reads in it; every other line is left to Typer."""

from __future__ import annotations

import inspect
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from x07py.cli.commands import Commands
from x07py.cli.plain_lines import read

PLAIN = [
    "explain 9502",
    "explain --all --format json",
    "rr list",
    "rr list folder --format=json",
    "rr show a --entry 3 --timeline",
    "rr show -n 3 a --search=x",
    "rr diff a b",
    "rr exec --cassette a --mode none --capture $.id --capture key --until-idle 0.5 -- prog --flag -x --",
    "rr exec --cassette a prog - b",
    "msg encode --topic t --no-check -H a=b --header c=d --encoding base64 -o out",
    "msg encode --topic t --check",
    "msg decode -",
    "msg topics",
    "msg schemas fetch a b",
    "msg schemas fetch --profile p",
    "pkg list --project x",
    "pkg add kafka@1 --sync",
    "arch check --manifest m --write-lock",
    "policy learn a b",
    "completion bash",
    "broker status",
    "doctor --format json",
]
LEFT = [
    "explain --format yaml",
    "explain a b",
    "explain --al",
    "explain --all=yes",
    "rr",
    "rr shwo a",
    "rr show",
    "rr show a --entry x",
    "rr show a --entry -1",
    "rr show a -n3",
    "rr show a --entry 1 --entry 2",
    "rr show a --search",
    "rr show a --search=",
    "rr show a --search -x",
    "rr exec --cassette a",
    "rr exec prog",
    "rr exec --cassette a --until-idle 0.01 prog",
    "rr diff a",
    "msg encode --key k",
    "msg encode --topic t --encoding HEX",
    "completion ksh",
    "policy learn",
    "explain --help x",
    "run x",
]


def app_of(line: str) -> tuple[Commands, list[str]]:
    name, *words = line.split(" ")
    app: Commands = import_module(f"x07py.cli.{name}").app
    return app, words


def as_typer_reads(app: Commands, words: list[str]) -> dict[str, Any]:
    command: Any = get_command(app.typer())
    while hasattr(command, "commands"):
        command, words = command.commands[words[0]], words[1:]
    found: dict[str, Any] = command.make_context("x07", list(words)).params
    return found


def alike(values: dict[str, Any]) -> dict[str, Any]:
    """Return values without the difference between none and no words."""
    many = {name: [str(one) for one in value] for name, value in values.items() if isinstance(value, list | tuple)}
    return {name: value or None for name, value in {**values, **many}.items()}


@pytest.mark.parametrize("line", PLAIN)
def test_a_plain_line_means_the_same_both_ways(line: str) -> None:
    app, words = app_of(line)
    call = read(app, words)
    assert isinstance(call, partial)
    bound = inspect.signature(call.func).bind(**call.keywords)
    bound.apply_defaults()
    assert alike(bound.arguments) == alike(as_typer_reads(app, words))


@pytest.mark.parametrize("line", LEFT)
def test_what_may_be_wrong_is_left_to_typer(line: str) -> None:
    assert read(*app_of(line)) is None


@pytest.mark.parametrize("line", ["explain 9502", "rr list", "pkg list"])
def test_a_plain_line_is_answered_without_typer(line: str, tmp_path: Path) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / "pyproject.toml").touch()
    code = f"import sys; sys.argv[1:] = {line.split(' ')}; from x07py.cli.main import main\n"
    code += "try: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {"typer", "pydantic"} & set(done.stderr.split()) == set()
