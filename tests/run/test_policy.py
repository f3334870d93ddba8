"""Policy files: templates are valid, every field bites, and what is not enforced is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.project import x07, x07_here
from x07py.errors import RunError
from x07py.run.policy import read_policy, template

PROGRAM = """
import os, resource, sys
if sys.argv[1] == "limits": print(*(resource.getrlimit(one)[0] for one in (resource.RLIMIT_NOFILE, resource.RLIMIT_AS)))
if sys.argv[1] == "spin":
    while True: pass
if sys.argv[1] == "env": print(os.environ.get("TOKEN"))
if sys.argv[1] == "write": open("out/x", "w")
if sys.argv[1] == "start": os.execv("/bin/echo", ["echo", "hi"])
"""


@pytest.fixture
def app(project: Path) -> Path:
    (project / "app.py").write_text(PROGRAM)
    (project / "x07.toml").write_text('entry = "app"\n')
    (project / "out").mkdir()
    return project


def write(app: Path, name: str = "job", **tables: dict[str, Any]) -> str:
    document = json.loads(template(name))
    for table, fields in tables.items():
        document[table] |= fields
    if document["process"]["enabled"]:
        del document["process"]["max_live"], document["process"]["max_spawns"]
    (app / "policy.json").write_text(json.dumps(document))
    return "policy.json"


@pytest.mark.parametrize("name", ["job", "kafka-worker", "amqp-worker"])
def test_templates_are_valid(app: Path, name: str) -> None:
    printed = x07_here("policy", "init", name, cwd=app)
    (app / "p.json").write_text(printed.stdout)
    assert x07_here("policy", "check", "p.json", cwd=app).stdout == f"p.json: ok, policy {name}\n"


def test_every_table_bites(app: Path) -> None:
    def run(*args: str, **env: str) -> Any:
        return x07("run", "--profile", "sandbox", "--policy", "policy.json", *args, cwd=app, **env)

    write(app, limits={"fds": 77, "mem_bytes": 1 << 30, "cpu_ms": 900})
    assert run("--", "limits").stdout == f"77 {1 << 30}\n"
    spun = run("--", "spin")
    assert (spun.returncode, spun.stderr) == (137, "x07 run: the limit of 1 s of processor time ended the program\n")
    assert run("--", "env", TOKEN="t").stdout == "None\n"
    assert run("--", "write").returncode == 1
    assert run("--", "start").returncode == 1
    write(
        app,
        env={"allow_keys": ["TOKEN"]},
        fs={"write_roots": ["out"]},
        process={"enabled": True, "allow_spawn": True, "allow_execs": ["/bin/echo"]},
        limits={"wall_ms": 1000},
    )
    assert run("--", "env", TOKEN="t").stdout == "t\n"
    assert run("--", "write", TOKEN="t").returncode == 0
    assert run("--", "start", TOKEN="t").stdout == "hi\n"
    assert run("--", "spin", TOKEN="t").returncode == 124


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"time": {"enabled": False}}, "$.time.enabled"),
        ({"time": {"max_sleep_ms": 5000}}, "$.time.max_sleep_ms"),
        ({"limits": {"core_dumps": True}}, "$.limits.core_dumps"),
        ({"limits": {"wall_ms": 3_600_000}}, "x07py.run-os-policy@0.1.0 can say it"),
        ({"net": {"allow_listen": [{"host": "127.0.0.1", "ports": [0]}]}}, "x07py.run-os-policy@0.1.0 can say it"),
        ({"net": {"enabled": True, "allow_udp": True}}, "$.net.allow_udp"),
        (
            {"net": {"enabled": True, "allow_dns": False, "allow_hosts": [{"host": "kafka", "ports": [1]}]}},
            "$.net.allow_dns is false, and kafka",
        ),
        ({"env": {"allow_keys": ["AWS_*"], "deny_keys": ["AWS_SECRET"]}}, "AWS_SECRET, which allow_keys grants"),
        ({"env": {"deny_keys": ["PATH"]}}, "PATH, which every program gets"),
        ({"fs": {"enabled": False}}, "$.fs.enabled"),
        ({"fs": {"write_roots": ["out"], "allow_remove": False}}, "$.fs.allow_remove"),
        ({"fs": {"max_depth": 3}}, "$.fs.max_depth"),
        ({"process": {"enabled": True, "allow_spawn": True, "max_live": 1}}, "$.process.max_live"),
        ({"process": {"allow_exit": False}}, "$.process.allow_exit"),
        ({"db": {"enabled": True}}, "$.db.enabled"),
        ({"unknown": {}}, "unknown"),
        ({"net": {"allow_hosts": [{"host": "127.0.0.1", "ports": [0]}]}}, "minimum"),
        ({"net": {"allow_hosts": [{"host": "127.0.0.1", "ports": [1]}]}}, "disabled"),
        ({"process": {"allow_execs": ["x"]}}, "disabled"),
        ({"fs": {"deny_hidden": True}}, "deny_hidden"),
    ],
)
def test_what_is_not_enforced_is_refused(app: Path, tables: dict[str, Any], message: str) -> None:
    document = json.loads(template("job"))
    for table, fields in tables.items():
        document[table] = document.get(table, {}) | fields
    (app / "p.json").write_text(json.dumps(document))
    with pytest.raises(RunError) as caught:
        read_policy(app / "p.json")
    assert caught.value.code == "X07RUN_POLICY"
    assert message in str(caught.value)


def test_every_field_at_fault_is_named(app: Path) -> None:
    document = json.loads(template("job"))
    document["fs"]["deny_hidden"] = True
    document["time"] |= {"allow_sleep": False, "allow_wall_clock": False}
    document["net"] |= {"enabled": False, "allow_udp": True, "allow_hosts": [{"host": "127.0.0.1", "ports": [1]}]}
    (app / "p.json").write_text(json.dumps(document))
    done = x07_here("policy", "check", "p.json", cwd=app)
    assert done.returncode != 0
    places = ("$.fs.deny_hidden", "$.time.allow_sleep", "$.time.allow_wall_clock", "$.net.allow_hosts")
    assert [one for one in places if one not in done.stderr] == []
    assert "allow_udp" not in done.stderr


@pytest.mark.parametrize(
    "tables",
    [
        {"env": {"enabled": False, "deny_keys": ["TOKEN"]}},
        {"process": {"enabled": False, "max_live": 3, "allow_exec_prefixes": ["/bin"], "allow_cwd": False}},
        {"net": {"enabled": False, "allow_tcp": False, "allow_udp": True, "allow_dns": True}},
        {"language": {"allow_unsafe": False, "allow_ffi": False}},
        {"threads": {"enabled": True, "max_workers": 0, "max_blocking": 4}},
        {"db": {"enabled": False, "drivers": {"sqlite": False}}},
        {"fs": {"allow_mkdir": False, "max_read_bytes": 0}},
        {"time": {"allow_monotonic": False}},
    ],
)
def test_what_holds_anyway_is_accepted(app: Path, tables: dict[str, Any]) -> None:
    document = json.loads(template("job"))
    for table, fields in tables.items():
        document[table] = document.get(table, {}) | fields
    document["process"].pop("allow_execs")
    (app / "p.json").write_text(json.dumps(document))
    assert read_policy(app / "p.json").limits.processes == 1024


def test_every_grant_says_where_it_comes_from(app: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        app,
        net={"enabled": True, "allow_hosts": [{"host": "127.0.0.1", "ports": [1]}]},
        fs={"write_roots": ["out"]},
        env={"allow_keys": ["TOKEN"]},
        process={"enabled": True, "allow_spawn": True, "allow_execs": ["/bin/echo"]},
    )
    made = 'world = "run-os-sandboxed"\npolicy = "policy.json"\nallow-host = ["127.0.0.1:2"]\n'
    made += 'allow-contract = ["kafka:local_dev_v1"]\n'
    (app / "x07.toml").write_text(f'entry = "app"\n[profiles.mine]\n{made}allow-read = ["arch"]\n')
    for name in ("TOKEN", "OTHER"):
        monkeypatch.setenv(name, "t")
    flags = (
        "--allow-host",
        "127.0.0.1:3",
        "--deny-host",
        "127.0.0.1:4",
        "--allow-env",
        "OTHER",
        "--allow-listen",
        "127.0.0.1:5",
    )
    done = x07_here("run", "--profile", "mine", *flags, "--rr", "record", "--explain", cwd=app)
    shown = json.loads(done.stdout)
    rules = {kind: {row["source"]: row["rule"] for row in shown[kind]} for kind in ("connect", "deny", "listen")}
    assert rules["connect"].pop("profile mine kafka:local_dev_v1").endswith(":9092")
    assert rules == {
        "connect": {"policy policy.json": "127.0.0.1:1", "profile mine": "127.0.0.1:2", "--allow-host": "127.0.0.1:3"},
        "deny": {"--deny-host": "127.0.0.1:4"},
        "listen": {"--allow-listen": "127.0.0.1:5"},
    }
    paths = {kind: {row["source"]: Path(row["path"]).name for row in shown[kind]} for kind in ("read", "write", "run")}
    assert paths == {
        "read": {"always": app.name, "profile mine": "arch"},
        "write": {"policy policy.json": "out", "--rr": ".x07_rr"},
        "run": {"policy policy.json": "echo"},
    }
    names = {row["name"]: row["source"] for row in shown["environment"]}
    assert (names["TOKEN"], names["OTHER"], names["PATH"]) == ("policy policy.json", "--allow-env", "always")


def test_broken_files_and_contradictions_are_refused(app: Path) -> None:
    (app / "p.json").write_text('{"a": 1, "a": 2}')
    assert "error[X07RUN_POLICY]" in x07_here("policy", "check", "p.json", cwd=app).stderr
    assert "error[X07RUN_FILE]" in x07_here("policy", "check", "none.json", cwd=app).stderr
    write(app)
    for flag in (("--allow-host", "127.0.0.1:1"), ("--allow-run", "echo"), ("--timeout", "9999")):
        done = x07("run", "--profile", "sandbox", "--policy", "policy.json", *flag, "--", "limits", cwd=app)
        assert (done.returncode, "error[X07RUN_CONTRADICTION]" in done.stderr) == (126, True)
    done = x07_here("run", "--profile", "os", "--policy", "policy.json", "--", "limits", cwd=app)
    assert "error[X07RUN_CONTRADICTION]" in done.stderr
