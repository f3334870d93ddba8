"""What is written has the shape of the schemas that ship: lock, manifests, index entries, and every report."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.pkg.builders import Packages, pkg
from x07py.contracts.schemas import load_schema
from x07py.pkg.local import capabilities, toolchain_packages


def check(name: str, document: Any) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(document)


def report(project: Path, *args: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(pkg(project, *args, "--format", "json", code=code).stdout)
    check(document["schema_version"].split("@")[0], document)
    assert document["ok"] == (code == 0)
    return document


def test_every_report(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0", "base@^1")
    packages.publish("greet", "1.1.0", "base@^1")
    entry = packages.publish("base", "1.0.0")
    check("x07.index-entry", entry)
    check("x07.package", entry["package"])
    with (empty / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'[tool.x07.index]\nurl = "{packages.url}"\n')
    report(empty, "add", "greet@1.0.0", "--sync")
    check("x07.lock", tomllib.loads((empty / "x07.lock").read_text(encoding="utf-8")))
    for command in ("tree", "list", "outdated", "verify", "audit", "sync", "lock"):
        report(empty, command)
    report(empty, "lock", "--check")
    for command in ("info", "versions", "why"):
        report(empty, command, "greet")
    report(empty, "provides", "base")
    report(empty, "provides", "nothing", code=1)
    folder, index = str(packages.make("extra", "1.0.0")), str(packages.index)
    report(empty, "pack", "--package", folder, "-o", str(empty / "extra.x07pkg"))
    report(empty, "keygen", str(packages.folder / "acme.key"))
    signed = report(empty, "publish", "--package", folder, "--to", index, "--key", str(packages.folder / "acme.key"))
    assert signed["result"]["signed"]
    report(empty, "update", "greet")
    report(empty, "yank", "greet@1.1.0", "--to", index)
    report(empty, "audit", code=20)
    report(empty, "remove", "greet")
    report(empty, "add", "zebra", code=20)


def test_login(empty: Path) -> None:
    command = [
        str(Path(sys.executable).parent / "x07"),
        "pkg",
        "login",
        "--index",
        "https://i.invalid/",
        "--format",
        "json",
    ]
    done = subprocess.run(command, input="abc", text=True, check=True, cwd=empty, capture_output=True)
    check("x07.pkg.report", json.loads(done.stdout))


def test_what_ships() -> None:
    document = json.loads((resources.files("x07py.catalog") / "capabilities.json").read_bytes())
    check("x07.capabilities", document)
    for row in capabilities().values():
        entry = toolchain_packages()[row["canonical"]["name"]]
        check("x07.package", entry.manifest)
        assert entry.version.text == row["canonical"]["version"]
        assert {*row["worlds"]} <= {*entry.worlds}


@pytest.mark.parametrize("name", ["ext-msg-kafka-c", "ext-msg-amqp-c"])
def test_drivers_are_for_real_worlds_alone(name: str) -> None:
    entry = toolchain_packages()[name]
    assert entry.worlds == ("run-os", "run-os-sandboxed")
    assert len(entry.requires_dists) == 1
    assert list(entry.requires) == ["ext-msg-core"]


@pytest.mark.parametrize("name", ["ext-msg-core", "ext-msg-kafka-c"])
def test_the_modules_of_a_toolchain_package_can_be_imported(name: str) -> None:
    for module in toolchain_packages()[name].modules:
        assert find_spec(module) is not None
