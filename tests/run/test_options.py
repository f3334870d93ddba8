"""The quick reading of `x07 run`'s options is that of Typer, or none."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from x07py.cli.run import app
from x07py.cli.running import RunOptions, parse

LINES = [
    [],
    ["--profile", "sandbox"],
    ["--profile=sandbox", "--allow-host", "127.0.0.1:1", "--allow-host=[::1]:2", "--", "--allow-host", "x", "--"],
    ["--world", "run-os", "--entry", "a:b", "one", "--profile", "x", "--", "two"],
    ["--profile", "a", "--profile", "b", "--explain", "--i-accept-weaker-isolation"],
    ["--timeout", "1.5", "--max-memory", "7", "--max-procs=2", "--verify-determinism", "3", "--report", "a/b"],
    ["--allow-host-file", "a", "--allow-host-file", "b", "--learn=x", "--audit", "y", "--require-layer", "proc", "--"],
    ["--timeout", "1e3", "--rr=replay", "--cassette", "a=b", "x", "-"],
]
LEFT = [
    ["--help"],
    ["--profil", "x"],
    ["--profile"],
    ["--profile="],
    ["--profile", "--"],
    ["--explain=yes"],
    ["--timeout", "0"],
    ["--timeout", "nan"],
    ["--timeout", "soon"],
    ["--max-memory", "1.5"],
    ["--max-procs", "0"],
    ["-p", "x"],
    ["-"],
]


def as_typer_reads(line: list[str]) -> dict[str, str]:
    context = get_command(app.typer()).make_context("x07 run", list(line))
    return plain(context.params)


def plain(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as text, without the differences between nothing and none, lists and tuples, paths and words."""
    many = {name: [str(one) for one in value] for name, value in options.items() if isinstance(value, list | tuple)}
    return {name: str(value or None) for name, value in {**options, **many}.items()}


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_line_means_the_same_both_ways(line: list[str]) -> None:
    options = parse(line)
    assert options is not None
    assert plain({name: getattr(options, name) for name in RunOptions.__annotations__}) == as_typer_reads(line)


@pytest.mark.parametrize("line", LEFT, ids=" ".join)
def test_what_may_be_wrong_is_left_to_typer(line: list[str]) -> None:
    assert parse(line) is None


def test_every_option_is_known_both_ways() -> None:
    assert [one.name for one in get_command(app.typer()).params if one.name != "help"] == [*RunOptions.__annotations__]


def test_a_program_is_started_without_what_takes_long_to_import(tmp_path: Path) -> None:
    (tmp_path / "x07.toml").write_text('entry = "empty.py"\n')
    (tmp_path / "empty.py").touch()
    code = "import sys; sys.argv[1:] = ['run', '--profile', 'sandbox']; from x07py.cli.main import main; main()"
    command = [sys.executable, "-X", "importtime", "-c", code]
    env = {name: value for name, value in os.environ.items() if not name.startswith("X07_")}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    imported = set(re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "x07py.sandbox.supervisor" in imported
    slow = {"dataclasses", "inspect", "tempfile", "shutil", "random", "importlib.metadata", "asyncio", "subprocess"}
    slow |= {"typer", "x07py.drivers.plugin", "x07py.run.policy", "x07py.sandbox.turns", "x07py.contracts.installed"}
    assert slow & imported == set()
