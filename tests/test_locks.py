"""What development and CI install: pinned, with hashes, for every Python that is supported, and never for users."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
LOCKS = ROOT / ".ci" / "locks"
DOCUMENT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
GROUPS: dict[str, list[Any]] = DOCUMENT["dependency-groups"]
EXTRAS: dict[str, list[str]] = DOCUMENT["project"]["optional-dependencies"]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
WITH_US = {"dev": ("kafka", "amqp", "wire"), "programs": (), "public-types": ("kafka", "amqp", "pytest", "asyncapi")}
"""Locks that hold what x07py itself requires, by the extras of it."""
AS_USERS_DO = '"$work/venv/bin/pip" install --quiet "$(echo "$PWD"/dist/*.whl)[kafka,amqp]" pytest'
OURS = "install --quiet --no-deps --no-build-isolation --editable ."


def pins(name: str) -> list[tuple[Requirement, set[str]]]:
    """Return each pin of a lock, with its hashes."""
    text = (LOCKS / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    rows = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(Requirement(row.partition(" --hash")[0]), set(re.findall(r"--hash=(\S+)", row))) for row in rows]


def wanted(group: str) -> list[Requirement]:
    """Return what a group requires, with the groups that it includes."""
    found: list[Requirement] = []
    for row in GROUPS[group]:
        found += [Requirement(row)] if isinstance(row, str) else wanted(row["include-group"])
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in LOCKS.glob("*.txt")))
def test_a_lock_pins_one_version_with_hashes_of_all_that_its_group_requires(name: str) -> None:
    locked = pins(name)
    for pin, hashes in locked:
        assert re.fullmatch(r"==[^*,]+", str(pin.specifier)), pin
        assert hashes, pin
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), pin
    required = [*wanted(name)]
    if name in WITH_US:
        rows = [*DOCUMENT["project"]["dependencies"], *(row for extra in WITH_US[name] for row in EXTRAS[extra])]
        required += [Requirement(row) for row in rows if not row.startswith("x07py")]
    for python in PYTHONS:
        where = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": "linux"}
        there: dict[str, Version] = {}
        for pin, _ in locked:
            if pin.marker is None or pin.marker.evaluate(where):
                assert canonicalize_name(pin.name) not in there, (python, pin)
                there[canonicalize_name(pin.name)] = Version(str(pin.specifier)[2:])
        for one in required:
            if one.marker is None or one.marker.evaluate(where):
                version = there.get(canonicalize_name(one.name))
                assert version is not None, (python, one)
                assert one.specifier.contains(version, prereleases=True), (python, one, version)


def test_every_group_that_is_installed_has_a_lock() -> None:
    included = {"demo"}
    assert {path.stem for path in LOCKS.glob("*.txt")} == GROUPS.keys() - included


def test_nothing_is_installed_without_hashes_but_what_users_would_install() -> None:
    places = [ROOT / "Makefile", *(ROOT / ".ci").iterdir(), *(ROOT / ".github" / "workflows").iterdir()]
    lines = [
        line.strip() for path in places if path.is_file() for line in path.read_text(encoding="utf-8").splitlines()
    ]
    installs = [
        line for line in lines if re.search(r"\bpip\S*\s+install|install\s+--quiet|\bgo get\b|npm i\w*\b", line)
    ]
    for line in installs:
        hashed = "--require-hashes" in line or OURS in line
        assert hashed or line == AS_USERS_DO, line
    assert sum("--require-hashes" in line for line in installs) >= 1


def test_clients_in_go_and_for_node_are_held_to_checksums() -> None:
    clients = ROOT / "tests" / "wire" / "clients"
    assert "github.com/twmb/franz-go v1.22.3 h1:" in (clients / "go" / "go.sum").read_text(encoding="utf-8")
    assert '"integrity": "sha512-' in (clients / "node" / "package-lock.json").read_text(encoding="utf-8")


def test_images_are_named_by_their_digests() -> None:
    file = ROOT / "docs" / "examples" / "messaging_brokers" / "compose.yaml"
    services = yaml.safe_load(file.read_text(encoding="utf-8"))["services"]
    for service in services.values():
        assert re.fullmatch(r"[\w/.-]+:[\w.-]+@sha256:[0-9a-f]{64}", service["image"])
