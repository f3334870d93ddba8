"""`x07 init --from x07.json`: profiles, policies and hosts come over; what does not is named, field by field."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.project import x07_here
from x07py.contracts.schemas import load_schema
from x07py.run.policy import read_policy, template

MANIFEST: dict[str, Any] = {
    "schema_version": "x07.project@0.5.0",
    "world": "run-os-sandboxed",
    "entry": "src/main.x07.json",
    "module_roots": ["src"],
    "default_profile": "worker",
    "dependencies": [{"name": "ext-msg-kafka-c", "version": "0.1.5", "path": ".x07/deps/ext-msg-kafka-c/0.1.5"}],
    "profiles": {
        "worker": {"world": "run-os-sandboxed", "policy": ".x07/policies/worker.json", "auto_ffi": True},
        "job": {"world": "run-os-sandboxed", "policy": "job.json"},
        "store": {"world": "solve-kv"},
        "test.rr": {"world": "solve-rr", "solve_fuel": 1000, "input": "in.bin"},
        "sandbox": {"world": "run-os"},
        "away": {"world": "run-os-sandboxed", "policy": "../elsewhere.json"},
    },
}
LEFT = """entry src/main.x07.json: it is no Python; name the program with entry
default_profile worker: pass --profile
dependencies ext-msg-kafka-c: `x07 pkg add NAME` adds the Python package that stands for it
policy .x07/policies/worker.json: $.fs.deny_hidden is true: files are granted by folder, whatever they are called
policy .x07/policies/worker.json: $.net.allow_udp is true: UDP is never allowed
policy .x07/policies/worker.json: $.time.max_sleep_ms is a bound that is not kept
policy .x07/policies/worker.json: $.net.allow_hosts *.example.com: it matched nothing there, and would here
profile worker: auto_ffi says nothing of a Python program
profile store: nothing runs in world solve-kv here
profile test.rr: input in.bin: redirect the program's standard input from it
profile test.rr: solve_fuel says nothing of a Python program
profile sandbox: profile sandbox is confined wherever it is named, and world run-os does not confine
profile away: policy ../elsewhere.json leads out of the project"""


def worker_policy() -> dict[str, Any]:
    """A policy of the toolchain that asks for more than x07py enforces."""
    document: dict[str, Any] = json.loads(template("job"))
    document["policy_id"] = "worker"
    document["fs"] |= {"deny_hidden": True, "read_roots": ["data"]}
    hosts = ["Kafka.Example.com", "10.0.0.1-10.0.0.6", "::1", "*.example.com", "10.1.0.0/16"]
    document["net"] |= {
        "enabled": True,
        "allow_udp": True,
        "allow_hosts": [{"host": host, "ports": [9092]} for host in hosts],
    }
    document["env"] |= {"allow_keys": ["AWS_REGION", "AWS_SECRET"], "deny_keys": ["AWS_SECRET"]}
    document["time"]["max_sleep_ms"] = 5
    return document


@pytest.fixture
def old(tmp_path: Path) -> Path:
    (tmp_path / "x07.json").write_text(json.dumps(MANIFEST))
    (tmp_path / "job.json").write_text(template("job"))
    place = tmp_path / ".x07/policies/worker.json"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(worker_policy()))
    (tmp_path / "data").mkdir()
    (tmp_path / "main.py").write_text("print('ran')")
    return tmp_path


def test_the_manifest_keeps_its_line_ends(old: Path) -> None:
    file = old / "pyproject.toml"
    file.write_bytes(b'[project]\r\nname = "shop"\r\n\r\n[tool.x07]\r\nentry = "main.py"\r\n')
    assert x07_here("init", "--from", "x07.json", cwd=old).returncode == 0
    text = file.read_bytes()
    assert b"profiles.job]\r\n" in text
    assert text.count(b"\n") == text.count(b"\r\n")


def test_profiles_and_policies_come_over_and_what_does_not_is_named(old: Path) -> None:
    done = x07_here("init", "--from", "x07.json", "--format", "json", cwd=old)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    jsonschema.validate(report, load_schema("x07.init.report"))
    assert sorted(report["left"]) == sorted(LEFT.splitlines())
    assert tomllib.loads((old / "x07.toml").read_text()) == {
        "world": "run-os-sandboxed",
        "profiles": {
            "worker": {"world": "run-os-sandboxed", "policy": "policy/worker.json"},
            "job": {"world": "run-os-sandboxed", "policy": "job.json"},
            "test.rr": {"world": "solve-rr"},
        },
    }
    document = read_policy(old / "policy/worker.json").document
    hosts = ["kafka.example.com", "10.0.0.1/32", "10.0.0.2/31", "10.0.0.4/31", "10.0.0.6/32", "::1/128", "10.1.0.0/16"]
    assert document["net"] == {"enabled": True, "allow_hosts": [{"host": host, "ports": [9092]} for host in hosts]}
    assert document["env"]["allow_keys"] == ["AWS_REGION"]
    assert all(line.partition("worker.json: ")[2] in document["notes"] for line in LEFT.splitlines()[3:7])
    told = x07_here("init", "--from", "x07.json", cwd=old)
    assert told.returncode == 0
    assert "not carried over: profile job: a profile of that name is there already" in told.stdout
    shown = x07_here("run", "--profile", "job", "--entry", "main.py", "--explain", cwd=old)
    assert json.loads(shown.stdout)["world"] == "run-os-sandboxed", shown.stderr


def test_a_manifest_of_python_keeps_what_it_holds(old: Path) -> None:
    text = '# shop\n[project]\nname = "shop"\n\n[tool.x07]\nworld = "run-os"\n\n'
    text += '[tool.x07.profiles.job]\nworld = "run-os"\n'
    (old / "pyproject.toml").write_text(text)
    done = x07_here("init", "--from", "x07.json", cwd=old)
    assert done.returncode == 0, done.stderr
    assert "not carried over: world run-os-sandboxed: run-os stands there already" in done.stdout
    made = (old / "pyproject.toml").read_text()
    assert made.startswith(text.rstrip("\n"))
    profiles = tomllib.loads(made)["tool"]["x07"]["profiles"]
    assert {name: one["world"] for name, one in profiles.items()} == {
        "job": "run-os",
        "worker": "run-os-sandboxed",
        "test.rr": "solve-rr",
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "not JSON"),
        ("[]", "schema_version is none of"),
        ('{"schema_version": "x07.project@0.5.0", "profiles": {"a": 1}}', "profiles is not an object of objects"),
    ],
)
def test_what_is_no_manifest_of_the_toolchain_is_refused(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "x07.json").write_text(content)
    done = x07_here("init", "--from", "x07.json", cwd=tmp_path)
    assert (done.returncode, "error[X07_INIT_FROM]" in done.stderr, told in done.stderr) == (20, True, True), (
        done.stderr
    )
    assert not (tmp_path / "x07.toml").exists()


def test_a_template_and_a_manifest_exclude_each_other(old: Path) -> None:
    done = x07_here("init", "--from", "x07.json", "--template", "pure", cwd=old)
    assert "error[X07_USAGE]" in done.stderr
    assert not (old / "x07.toml").exists()
