"""Usage errors with a code, flags of the reference, words for one and for many."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.support.project import x07
from x07py.contracts.schemas import load_schema
from x07py.printing import counted

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def one_module(tmp_path: Path) -> Path:
    """A project with a single module and a manifest."""
    (tmp_path / "app.py").write_text("import csv\n")
    assert x07("arch", "init", cwd=tmp_path).returncode == 0
    return tmp_path


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (["rr", "list", "--nosuch"], "No such option"),
        (["rr", "verify"], "Missing argument"),
        (["rr", "nosuch"], "No such command"),
    ],
)
def test_what_the_parser_refuses_has_a_code_and_a_way_on(line: list[str], said: str, tmp_path: Path) -> None:
    done = x07(*line, cwd=tmp_path)
    assert done.returncode == 2
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error[X07_USAGE]: ")
    assert said in first
    assert f"`x07 {line[0]}" in rest[-1]


def test_flags_of_the_reference(one_module: Path) -> None:
    done = x07("arch", "check", "--json", "--report-out", "copy.json", cwd=one_module)
    report = json.loads(done.stdout)
    assert report == json.loads((one_module / "copy.json").read_text())
    jsonschema.validate(report, load_schema("x07.arch.report"))
    quiet = x07("arch", "check", "--out=text.txt", cwd=one_module)
    assert (quiet.returncode, quiet.stdout) == (0, "")
    assert "0 errors" in (one_module / "text.txt").read_text()
    assert json.loads(x07("pkg", "list", "--json", cwd=one_module).stdout)
    for line in (["--out"], ["--report-out", "-"], ["--json=loud"]):
        assert "X07_USAGE" in x07("arch", "check", *line, cwd=one_module).stderr
    graph = json.loads(x07("arch", "graph", "--format", "json", cwd=one_module).stdout)
    jsonschema.validate(graph, load_schema("x07py.arch.graph"))
    assert [node["id"] for node in graph["nodes"]] == ["app"]


def test_one_is_no_plural(one_module: Path) -> None:
    first, second = x07("arch", "check", cwd=one_module).stdout.splitlines()[:2]
    assert first == "1 module, 1 node, 0 imports: 0 errors, 0 warnings"
    assert second.startswith("read 1 Python file, ")
    assert [counted(number, "entry", "entries") for number in (0, 1, 2)] == ["0 entries", "1 entry", "2 entries"]


def test_the_state_of_every_broker_is_told(tmp_path: Path) -> None:
    done = x07("broker", "status", cwd=tmp_path)
    assert done.returncode == 1
    said = done.stdout.splitlines()
    assert {f"no {kind} broker was started here" for kind in ("kafka", "amqp")} <= set(said)
    report = json.loads(x07("broker", "status", "--format", "json", cwd=tmp_path).stdout)
    jsonschema.validate(report, load_schema("x07.broker.report"))
    assert report["brokers"] == []


def test_effects_of_what_is_not_the_projects_are_led_on(one_module: Path) -> None:
    assert "Python's own" in x07("effects", "json", cwd=one_module).stderr
    assert "--distribution" in x07("effects", "pytest", cwd=one_module).stderr
    assert "did you mean app?" in x07("effects", "apq", cwd=one_module).stderr


def test_a_program_that_fails_before_it_uses_the_cassette_keeps_its_exit_code(tmp_path: Path) -> None:
    done = x07("rr", "exec", "--cassette", "a.x07rr.bin", "--", "sh", "-c", "exit 7", cwd=tmp_path)
    assert (done.returncode, "error" in done.stderr) == (7, False)
