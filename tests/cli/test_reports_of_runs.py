"""`--format json` of commands that run a program or write files: the report alone stands on standard output."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.project import x07
from x07py.contracts.schemas import load_schema

API = """
asyncapi: 3.0.0
info: {title: A, version: '1'}
servers: {web: {host: web.example, protocol: ws}}
channels: {orders: {address: orders}}
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A project with a program that prints its argument, and ends with 3 if that is told."""
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "p"\nversion = "1"\n[tool.x07]\nentry = "app"\n')
    (tmp_path / "app.py").write_text("import sys\nprint('said', sys.argv[1])\nsys.exit(int(sys.argv[1]))\n")
    return tmp_path


def report(*args: str, cwd: Path, exit_code: int = 0) -> tuple[dict[str, Any], str]:
    """Run a command, check its report against its schema, and return it with what stands on standard error."""
    done = x07(*args, cwd=cwd)
    assert done.returncode == exit_code, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    jsonschema.validate(document, load_schema(document["schema_version"].partition("@")[0]))
    return document, done.stderr


def test_run(program: Path) -> None:
    found, printed = report("run", "--profile", "os", "--format", "json", "--", "3", cwd=program, exit_code=3)
    assert found["exit"]["code"] == 3
    assert printed == "said 3\n"
    (program / "own.json").unlink(missing_ok=True)
    both, _ = report("run", "--profile", "os", "--format=json", "--report", "own.json", "--", "0", cwd=program)
    assert json.loads((program / "own.json").read_text()) == both


def test_run_that_compares(program: Path) -> None:
    args = ("run", "--world", "solve-pure", "--verify-determinism", "2", "--format", "json", "--", "0")
    found, printed = report(*args, cwd=program)
    assert found["world"] == "solve-pure"
    assert "said 0" in printed
    assert "2 runs are identical" in printed
    refused, _ = report(
        *("run", "--world", "solve-pure", "--schedules", "2", "--format", "json", "--", "0"), cwd=program, exit_code=126
    )
    assert refused["error"]["code"] == "X07RUN_CONTRADICTION"


def test_run_that_is_refused(program: Path) -> None:
    refused, _ = report("run", "--profile", "none", "--format", "json", cwd=program, exit_code=126)
    assert refused["error"]["code"] == "X07RUN_PROFILE"


def test_rr_exec(program: Path) -> None:
    command = ("rr", "exec", "--cassette", "a.x07rr.bin", "--allow-empty", "--format", "json", "--")
    found, printed = report(*command, sys.executable, "app.py", "3", cwd=program, exit_code=3)
    assert (found["exit"], found["ok"], found["cassette"]) == (3, False, "a.x07rr.bin")
    assert found["summary"]
    assert printed.startswith("said 3\n")
    empty = [word for word in command if word != "--allow-empty"]
    refused, _ = report(*empty, sys.executable, "app.py", "0", cwd=program, exit_code=125)
    assert refused["error"]["code"] == "X07_CASSETTE_EMPTY"


def test_policy_check(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(x07("policy", "init", "job", cwd=tmp_path).stdout)
    found, _ = report("policy", "check", "p.json", "--format", "json", cwd=tmp_path)
    assert found["policies"] == [{"path": "p.json", "policy_id": "job"}]


def test_arch_init(program: Path) -> None:
    (program / "api.yaml").write_text(API)
    found, _ = report("arch", "init", "--format", "json", cwd=program)
    assert (found["nodes"], found["left_out"]) == (1, [])
    assert all((program / path).is_file() for path in found["written"])
    taken, _ = report("arch", "init", "--from-asyncapi", "api.yaml", "--format", "json", cwd=program)
    assert taken["topics"] == 1
    assert taken["left_out"] == ["left out: server web, ws at web.example"]
    assert all((program / path).is_file() for path in taken["written"])
