"""`x07 init`: each project that it writes passes its own tests; what is there is never overwritten."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.support.campaign import CAMPAIGN
from tests.support.live import rabbitmqctl
from tests.support.project import REPOSITORY, x07, x07_here
from x07py.brokers.process import RunningBroker
from x07py.cli.init import Template
from x07py.contracts.schemas import load_schema
from x07py.scaffold import TEMPLATES

EXISTING = """# my shop
[project]
name = "shop"   # sells
version = "1"

[dependency-groups]
dev = [
  "pytest>=9",  # tests
]
"""


def replay(folder: Path, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a generated project with the Python of this repository."""
    own = {**os.environ, "PYTHONPATH": "src", **env}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    return subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not CAMPAIGN, reason="takes minutes: make templates")
def test_new_projects_pass_make_test(tmp_path: Path) -> None:
    """One virtual environment serves all, with the wheel of this repository in the place of an index."""
    wheels = tmp_path / "wheels"
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(wheels),
        str(REPOSITORY),
    ]
    subprocess.run(command, check=True, timeout=300)
    env = {**os.environ, "PIP_FIND_LINKS": str(wheels), "X07_KAFKA_LOCAL_DEV_V1": "127.0.0.1:1"}
    env["MAKEFLAGS"] = f"VENV={tmp_path / 'venv'}"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    x07py = ["x07py[kafka,amqp]"]
    subprocess.run([tmp_path / "venv/bin/pip", "install", "--quiet", *x07py], check=True, env=env, timeout=300)
    for template in TEMPLATES:
        name = f"my-{template}"
        made = [str(tmp_path / "venv/bin/x07"), "init", name, "--template", template]
        subprocess.run(made, cwd=tmp_path, check=True, capture_output=True)
        done = subprocess.run(
            ["make", "test"], cwd=tmp_path / name, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        out = done.stdout
        assert ": 0 errors, 0 warnings" in out
        assert re.search(r"\d passed", out)
        assert "skipped" not in out


def test_the_workflow_of_the_tutorial_is_what_the_runner_takes(tmp_path: Path) -> None:
    """By the published schema of GitHub's workflows; a misspelt key shows that it is held to."""
    page = (REPOSITORY / "docs/tutorial.md").read_text(encoding="utf-8")
    file = tmp_path / "ci.yml"
    file.write_text(page.split("```yaml\n")[1].split("```")[0], encoding="utf-8")
    checker = [str(Path(sys.executable).with_name("check-jsonschema")), "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*checker, file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "run: make test" in file.read_text(encoding="utf-8")
    file.write_text(file.read_text(encoding="utf-8").replace("runs-on:", "run-on:"), encoding="utf-8")
    assert subprocess.run([*checker, file], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("template", ["worker", "worker-amqp"])
def test_a_service_is_little_to_read(template: str, tmp_path: Path) -> None:
    """What has a sane default is not written; editors find the schemas of what is, without a network."""
    made = json.loads(x07("init", "shop", "--template", template, "--format", "json", cwd=tmp_path).stdout)
    assert len(made["added"]) == len([path for path in (tmp_path / "shop").rglob("*") if path.is_file()]) == 14
    written = list((tmp_path / "shop").rglob("*.json"))
    assert sum(len(path.read_text().splitlines()) for path in written) <= 150
    assert x07("arch", "check", cwd=tmp_path / "shop").returncode == 0
    named = [path for path in written if "$schema" in path.read_text()]
    assert {path.name for path in named} == {"manifest.x07arch.json", "index.x07msg.json"}
    for path in named:
        document = json.loads(path.read_text())
        jsonschema.validate(document, json.loads((path.parent / document["$schema"]).read_text()))


def test_the_command_offers_every_template() -> None:
    assert {*Template} == {*TEMPLATES, "existing"}


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_project_is_clean_for_ruff(template: str, tmp_path: Path) -> None:
    assert x07("init", "my-shop", "--template", template, cwd=tmp_path).returncode == 0
    for command in (
        ["check", "--select=E,F,I,B,UP,SIM,RUF", "--line-length=120"],
        ["format", "--check", "--line-length=120"],
    ):
        args = [str(Path(sys.executable).with_name("ruff")), *command, "--no-cache", "."]
        done = subprocess.run(args, cwd=tmp_path / "my-shop", capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_on_kafka_can_be_recorded_anew(tmp_path: Path) -> None:
    x07("init", "shop", cwd=tmp_path)
    before = (tmp_path / "shop/.x07_rr/worker.x07rr.bin").read_bytes()
    done = replay(tmp_path / "shop", "--x07-record=rewrite")
    assert done.returncode == 0, done.stdout
    assert (tmp_path / "shop/.x07_rr/worker.x07rr.bin").read_bytes() != before
    assert replay(tmp_path / "shop", "--x07-record=none", "--x07-no-network").returncode == 0


@pytest.mark.live
def test_the_service_on_rabbitmq_can_be_recorded_anew(
    tmp_path: Path, live_amqp: RunningBroker, amqp_root: Path
) -> None:
    x07("init", "shop", "--template", "worker-amqp", cwd=tmp_path)
    secrets = {"X07_SECRET_RABBIT_USERNAME": "guest", "X07_SECRET_RABBIT_PASSWORD": "guest"}
    env = {"X07_AMQP_LOCAL_DEV_V1": live_amqp.address, **secrets}
    applied = x07("msg", "topology", "apply", "app_v1", cwd=tmp_path / "shop", **env)
    assert applied.returncode == 0, applied.stderr
    (topology,) = json.loads((tmp_path / "shop/arch/msg/index.x07msg.json").read_text())["topologies"]
    for queue in topology["queues"]:  # other tests of this broker use the same names
        rabbitmqctl(amqp_root, "purge_queue", queue["name"])
    done = replay(tmp_path / "shop", "--x07-record=rewrite", **env)
    assert done.returncode == 0, done.stdout
    assert replay(tmp_path / "shop", "--x07-record=none", "--x07-no-network").returncode == 0


def test_a_broken_core_fails_the_check_and_the_replay(tmp_path: Path) -> None:
    x07("init", "shop", cwd=tmp_path)
    core = tmp_path / "shop/src/shop/core.py"
    core.write_text(core.read_text().replace("import json", "import json\nimport smtplib").replace('"order"', '"nr"'))
    assert "E_ARCH_OS_IMPORT" in x07("arch", "check", cwd=tmp_path / "shop").stdout
    assert replay(tmp_path / "shop", "--x07-record=none").returncode == 1


def test_an_existing_project_gets_what_is_missing_once(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(EXISTING)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("import csv, requests\n")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    done = x07("init", "--template", "existing", "--format", "json", cwd=tmp_path)
    report = json.loads(done.stdout)
    jsonschema.validate(report, load_schema("x07.init.report"))
    assert len(report["added"]) == 3
    text = (tmp_path / "pyproject.toml").read_text()
    assert text.startswith(EXISTING[: EXISTING.index("  # tests")])
    added = tomllib.loads(text)
    assert added["tool"] == {"x07": {"world": "run-os"}}
    assert added["dependency-groups"]["dev"] == ["pytest>=9", "x07py>=0.2.0"]
    assert x07("arch", "check", cwd=tmp_path).returncode == 0
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.relative_to(tmp_path).as_posix() for path in files.keys() - before.keys()} == {
        "arch/manifest.x07arch.json",
        "arch/manifest.lock.json",
        ".x07/.gitignore",
        ".x07/schemas/x07py.arch.manifest.schema.json",
    }
    again = x07("init", "--template", "existing", cwd=tmp_path)
    assert "nothing to add" in again.stdout
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_an_existing_project_keeps_its_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_bytes(EXISTING.replace("\n", "\r\n").encode())
    (tmp_path / "shop.py").write_text("import csv\n")
    assert x07_here("init", "--template", "existing", cwd=tmp_path).returncode == 0
    text = file.read_bytes()
    assert b"[tool.x07]\r\n" in text
    assert text.count(b"\n") == text.count(b"\r\n")


@pytest.mark.parametrize(
    ("manifest", "where"),
    [
        ('[project]\nname = "a"\n', ["dependency-groups", "dev"]),
        (
            '[project]\nname = "a"\n[project.optional-dependencies]\ntest = []\n',
            ["project", "optional-dependencies", "test"],
        ),
        ('[project]\nname = "a"\ndependencies = ["X07py[kafka]"]\n', []),
    ],
)
def test_the_plugin_goes_where_the_project_keeps_such_things(manifest: str, where: list[str], tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(manifest)
    (tmp_path / "a.py").write_text("")
    assert x07("init", "--template", "existing", cwd=tmp_path).returncode == 0
    found: Any = tomllib.loads((tmp_path / "pyproject.toml").read_text())
    assert ("dependency-groups" in found) == (where[:1] == ["dependency-groups"])
    for name in where:
        found = found[name]
    assert where == [] or found == ["x07py>=0.2.0"]


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["taken"], "X07_INIT_EXISTS"),
        (["taken/file"], "X07_INIT_EXISTS"),
        (["json"], "X07_INIT_NAME"),
        (["pytest"], "X07_INIT_NAME"),
        (["1st"], "X07_INIT_NAME"),
        (["/proc/nowhere"], "X07IO_WRITE"),
        ([], "X07_USAGE"),
        (["taken", "--template", "existing"], "X07_INIT_NO_PROJECT"),
        (["broken", "--template", "existing"], "X07_INIT_NO_PROJECT"),
        (["odd", "--template", "existing"], "X07_INIT_NO_PROJECT"),
        (["binary", "--template", "existing"], "X07IO_READ"),
        (["empty", "--template", "existing"], "E_ARCH_INIT_EMPTY"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(args: list[str], code: str, tmp_path: Path) -> None:
    contents = {
        "broken": b"[project",
        "odd": b"dependency-groups = 3\n",
        "binary": b"\xff",
        "empty": b'[project]\nname = "a"\n',
    }
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_bytes(content)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken/file").write_text("mine")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    done = x07("init", *args, cwd=tmp_path)
    assert done.returncode == 20
    assert code in done.stderr
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_the_folder_that_one_is_in_can_be_filled(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    assert x07("init", ".", "--template", "pure", cwd=folder).returncode == 0
    assert (folder / "src/here/pricing.py").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_project_made_from_a_checkout_takes_x07py_from_there(tmp_path: Path) -> None:
    assert x07("init", "shop", "--template", "pure", cwd=tmp_path).returncode == 0
    (line,) = [row for row in (tmp_path / "shop/Makefile").read_text().splitlines() if "# x07py" in row]
    assert str(REPOSITORY) in line
    assert line.startswith("\t$(BIN)/pip install --quiet --editable ")


@pytest.mark.parametrize("name", ["pytest", "confluent-kafka", "aio_pika", "PyYAML", "json"])
def test_a_project_does_not_hide_what_it_needs(name: str, tmp_path: Path) -> None:
    done = x07("init", name, cwd=tmp_path)
    assert "X07_INIT_NAME" in done.stderr
    assert list(tmp_path.iterdir()) == []
