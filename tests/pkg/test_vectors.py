"""Resolution as projects meet it: the reference's vectors, conflicts and their way out, patches, updates."""

from __future__ import annotations

import json
import shlex
import tomllib
from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg


def locked(project: Path) -> dict[str, str]:
    document = tomllib.loads((project / "x07.lock").read_text(encoding="utf-8"))
    return {row["name"]: row["version"] for row in document.get("package", [])}


@pytest.fixture
def shop(empty: Path, packages: Packages) -> Path:
    """A project with an index of which it has nothing yet."""
    with (empty / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'[tool.x07.index]\nurl = "{packages.url}"\n[tool.x07.dependencies]\n')
    return empty


def depend(project: Path, text: str) -> None:
    with (project / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(text + "\n")


@pytest.mark.parametrize(
    ("pin", "expected"),
    [("base = '0.1.0'", "0.1.0"), ("", "0.1.5"), ("base = '0.2.0'", None), ("base = '^0.1'", "0.1.5")],
)
def test_a_range_takes_what_is_there_or_the_highest(
    shop: Path, packages: Packages, pin: str, expected: str | None
) -> None:
    for version in ("0.1.0", "0.1.5", "0.2.0"):
        packages.publish("base", version)
    packages.publish("meta", "0.1.0", "base@>=0.1.0 <0.2.0")
    depend(shop, f"meta = '0.1.0'\n{pin}")
    if expected is not None:
        pkg(shop, "lock")
        assert locked(shop)["base"] == expected
        return
    failed = pkg(shop, "lock", code=20).stderr
    assert "meta 0.1.0 requires base >=0.1.0 <0.2.0" in failed
    assert "your project requires base 0.2.0" in failed


def test_an_older_core_that_suits_both_is_found_in_any_order(shop: Path, packages: Packages) -> None:
    for version in ("0.1.4", "0.1.5"):
        packages.publish("core", version)
    packages.publish("amqp-driver", "0.1.5", "core@>=0.1.4 <0.2.0")
    packages.publish("kafka-driver", "0.1.4", "core@0.1.4")
    pkg(shop, "add", "amqp-driver@0.1.5")
    assert locked(shop)["core"] == "0.1.5"
    shown = pkg(shop, "add", "kafka-driver@0.1.4").stdout
    assert "core 0.1.5 -> 0.1.4 (transitive)" in shown
    pkg(shop, "remove", "kafka-driver")
    assert locked(shop) == {"amqp-driver": "0.1.5", "core": "0.1.4"}, "what is locked stays until it is updated"
    pkg(shop, "lock", "--upgrade-package", "core")
    assert locked(shop)["core"] == "0.1.5"


def test_a_conflict_is_told_whole_and_each_way_out_works(shop: Path, packages: Packages) -> None:
    for version in ("1.0.0", "2.0.0"):
        packages.publish("base", version)
    packages.publish("middle", "1.0.0", "base@^1")
    packages.publish("alpha", "1.0.0", "middle@*")
    packages.publish("beta", "0.9.0", "base@^1")
    packages.publish("beta", "1.0.0", "base@^2")
    pkg(shop, "add", "alpha")
    before = (shop / "pyproject.toml").read_bytes(), (shop / "x07.lock").read_bytes()
    failed = json.loads(pkg(shop, "add", "beta@1.0.0", "--format", "json", code=20).stdout)["error"]
    assert failed["code"] == "X07PKG_CONFLICT"
    facts = {(row["by"], row["name"], row["range"]) for row in failed["details"]["requirements"]}
    assert facts == {
        ("project", "alpha", "1.0.0"),
        ("project", "beta", "1.0.0"),
        ("alpha 1.0.0", "middle", "*"),
        ("middle 1.0.0", "base", "^1"),
        ("beta 1.0.0", "base", "^2"),
    }
    derivation = failed["details"]["derivation"]
    assert derivation[-1].endswith("there is no solution")
    assert any(line.endswith("middle 1.0.0 requires base ^1") for line in derivation)
    ways = failed["details"]["mend"]
    assert ["x07 pkg add beta@0.9.0 --sync"] in ways
    assert ["x07 pkg remove alpha --sync", "x07 pkg add beta@1.0.0 --sync"] in ways
    for way in ways:
        (shop / "pyproject.toml").write_bytes(before[0])
        (shop / "x07.lock").write_bytes(before[1])
        for command in way:
            pkg(shop, *shlex.split(command)[2:])
        pkg(shop, "lock", "--check")


def test_a_requirement_that_nobody_offers(shop: Path, packages: Packages) -> None:
    packages.publish("alpha", "1.0.0", "ghost@^1")
    assert "no source has a package of that name" in pkg(shop, "add", "alpha@1.0.0", code=20).stderr


def test_a_patch_holds_for_the_whole_graph(shop: Path, packages: Packages) -> None:
    packages.publish("c", "1.0.0")
    packages.publish("c", "1.0.1")
    packages.publish("b", "1.0.0", "c@1.0.0")
    packages.publish("a", "1.0.0", "b@1.0.0")
    pkg(shop, "yank", "c@1.0.0", "--to", str(packages.index))
    assert "it was yanked" in pkg(shop, "add", "a@1.0.0", code=20).stderr
    depend(shop, "a = '1.0.0'\n[tool.x07.patch]\nc = '1.0.1'")
    pkg(shop, "lock")
    pkg(shop, "lock", "--check")
    assert locked(shop) == {"a": "1.0.0", "b": "1.0.0", "c": "1.0.1"}
    assert "patched = true" in (shop / "x07.lock").read_text(encoding="utf-8")
    folder = packages.make("c", "3.0.0")
    manifest = (shop / "pyproject.toml").read_text(encoding="utf-8")
    text = manifest.replace("c = '1.0.1'", f"c = {{path = '{folder}'}}")
    (shop / "pyproject.toml").write_text(text, encoding="utf-8")
    assert "patched is" not in pkg(shop, "lock", "--check", code=20).stderr
    pkg(shop, "lock")
    pkg(shop, "sync")
    assert locked(shop)["c"] == "3.0.0"
    assert (shop / ".x07/deps/c/3.0.0/modules/c.py").is_file()


def test_pins_are_moved_by_update_and_ranges_by_upgrade(shop: Path, packages: Packages) -> None:
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        packages.publish("pinned", version)
        packages.publish("ranged", version)
    pkg(shop, "add", "pinned@1.0.0")
    pkg(shop, "add", "ranged@^1.0")
    assert locked(shop) == {"pinned": "1.0.0", "ranged": "1.1.0"}
    assert "pinned 1.0.0: newest 2.0.0" in pkg(shop, "outdated").stdout
    pkg(shop, "lock", "--upgrade")
    assert locked(shop)["pinned"] == "1.0.0"
    assert "pinned 1.0.0 -> 2.0.0" in pkg(shop, "update", "--dry-run").stdout
    pkg(shop, "update", "pinned")
    assert locked(shop) == {"pinned": "2.0.0", "ranged": "1.1.0"}
    pkg(shop, "update", "ranged@>=1,<3")
    assert locked(shop)["ranged"] == "2.0.0"
    pkg(shop, "update")
    assert "X07PKG_DEP_NOT_FOUND" in pkg(shop, "update", "zebra", code=20).stderr


def test_a_failed_sync_leaves_manifest_and_lock_as_they_were(empty: Path) -> None:
    before = (empty / "pyproject.toml").read_bytes()
    failed = pkg(empty, "add", "ext-cli@9.9.9", "--sync", "--index", "http://127.0.0.1:99999/", code=20)
    assert "X07PKG_INDEX_CONFIG" in failed.stderr
    assert (empty / "pyproject.toml").read_bytes() == before
    assert not (empty / "x07.lock").exists()


def test_the_toolchain_needs_no_network(empty: Path) -> None:
    pkg(empty, "add", "kafka", "--sync", "--index", "https://packages.invalid/", X07_OFFLINE="1")
    pkg(empty, "lock", "--check", "--offline")


def test_a_conflict_survives_pickling() -> None:
    import pickle

    from x07py.pkg.explain import Conflict, ConflictError

    error = ConflictError(Conflict((), ("1. a",), (("x07 pkg lock",),)), "x07.toml")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.hint, again.details) == (str(error), error.hint, error.details)
