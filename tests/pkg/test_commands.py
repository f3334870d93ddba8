"""The commands of the guide, in order, as a user types them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg, tree_state


def dependencies(project: Path) -> dict[str, object]:
    document = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    found: dict[str, object] = document["tool"]["x07"]["dependencies"]
    return found


def locked(project: Path) -> dict[str, str]:
    document = tomllib.loads((project / "x07.lock").read_text(encoding="utf-8"))
    return {row["name"]: row["version"] for row in document["package"]}


def test_the_guide_in_order(empty: Path) -> None:
    added = pkg(empty, "add", "msg.kafka", "--sync")
    assert "+ ext-msg-kafka-c 0.2.0" in added.stdout
    assert "+ ext-msg-core 0.2.0 (transitive)" in added.stdout
    assert dependencies(empty) == {"ext-msg-kafka-c": "0.2.0"}
    assert locked(empty) == {"ext-msg-core": "0.2.0", "ext-msg-kafka-c": "0.2.0"}
    assert pkg(empty, "tree").stdout.splitlines() == ["ext-msg-kafka-c 0.2.0", "└── ext-msg-core 0.2.0"]
    assert pkg(empty, "why", "msg.core").stdout == "project -> ext-msg-kafka-c 0.2.0 -> ext-msg-core 0.2.0\n"
    assert pkg(empty, "lock", "--check").stdout == "x07.lock is up to date\n"
    assert "ext-msg-core 0.2.0: ok" in pkg(empty, "verify").stdout
    pkg(empty, "add", "amqp", "--sync")
    pkg(empty, "remove", "msg.kafka", "--sync")
    assert locked(empty) == {"ext-msg-core": "0.2.0", "ext-msg-amqp-c": "0.2.0"}
    pkg(empty, "remove", "amqp", "--sync")
    assert dependencies(empty) == {}
    assert locked(empty).keys() == set() if "package" in (empty / "x07.lock").read_text(encoding="utf-8") else True


def test_a_hand_pinned_core_that_clashes_is_mended_by_the_command_that_the_error_names(empty: Path) -> None:
    pkg(empty, "add", "ext-msg-kafka-c", "--sync")
    manifest = empty / "pyproject.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + 'ext-msg-core = "0.1.4"\n', encoding="utf-8")
    before = tree_state(empty)
    failed = pkg(empty, "lock", code=20)
    assert "X07PKG_CONFLICT" in failed.stderr
    assert "your project requires ext-msg-core 0.1.4, of which there is only 0.2.0" in failed.stderr
    assert failed.stderr.index("x07 pkg remove ext-msg-core --sync") < failed.stderr.index("x07 pkg update")
    assert tree_state(empty) == before
    mended = pkg(empty, "remove", "ext-msg-core", "--sync")
    assert "stays as a transitive package: ext-msg-kafka-c needs it" in mended.stdout
    pkg(empty, "lock", "--check")
    assert dependencies(empty) == {"ext-msg-kafka-c": "0.2.0"}


def test_adding_again_changes_nothing_and_another_version_is_refused(empty: Path) -> None:
    pkg(empty, "add", "ext-msg-core@0.2.0")
    before = tree_state(empty)
    assert "nothing to change" in pkg(empty, "add", "ext-msg-core@0.2.0").stdout
    assert "nothing to change" in pkg(empty, "add", "ext-msg-core").stdout
    refused = pkg(empty, "add", "ext-msg-core@0.1.4", code=20)
    assert "X07PKG_DEP_EXISTS" in refused.stderr
    assert "requested ext-msg-core@0.1.4" in refused.stderr
    assert "x07 pkg update ext-msg-core@0.1.4 --sync" in refused.stderr
    assert tree_state(empty) == before


@pytest.mark.parametrize("spec", ["ext-msg-core@latest", "ext-msg-core@", "Ext", "@1.0.0", "ext-msg-core@1.2", ""])
def test_a_spec_that_means_nothing_changes_nothing(empty: Path, spec: str) -> None:
    before = tree_state(empty)
    assert "X07PKG_SPEC_INVALID" in pkg(empty, "add", spec, code=20).stderr
    assert tree_state(empty) == before


def test_a_misspelt_name_gets_a_suggestion(empty: Path) -> None:
    assert "did you mean ext-msg-kafka-c?" in pkg(empty, "add", "ext-msg-kafka", code=20).stderr
    assert "did you mean msg.amqp?" in pkg(empty, "add", "msg-amqp", code=20).stderr
    assert "names no index" in pkg(empty, "add", "zebra", code=20).stderr


def test_a_dry_run_tells_all_and_writes_nothing(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0", "base@>=1")
    packages.publish("base", "1.2.0")
    before = tree_state(empty)
    shown = pkg(empty, "add", "greet", "--index", packages.url, "--dry-run", "--sync").stdout
    assert "+ base 1.2.0 (transitive)" in shown
    assert "nothing was written" in shown
    assert tree_state(empty) == before
    assert not (empty / ".x07").exists()


def test_json_reports_say_the_same(empty: Path) -> None:
    done = json.loads(pkg(empty, "add", "kafka", "--sync", "--format", "json").stdout)
    assert (done["ok"], done["command"]) == (True, "pkg.add")
    result = done["result"]
    assert (result["name"], result["version"]) == ("ext-msg-kafka-c", "0.2.0")
    assert result["transitive_added"] == ["ext-msg-core@0.2.0"]
    assert [row["kind"] for row in result["changes"]] == ["added", "added"]
    failed = json.loads(pkg(empty, "add", "ext-msg-core@9.0.0", "--format", "json", code=20).stdout)
    assert failed["error"]["code"] == "X07PKG_CONFLICT"
    facts = failed["error"]["details"]["requirements"]
    assert {"by": "project", "name": "ext-msg-core", "range": "9.0.0"} in facts
    removed = json.loads(pkg(empty, "remove", "kafka", "--format", "json").stdout)
    assert removed["result"]["removed"] == 1


def test_check_is_read_only_and_names_each_difference(empty: Path) -> None:
    pkg(empty, "add", "kafka", "--sync")
    manifest = empty / "pyproject.toml"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace("kafka-c", "amqp-c"), encoding="utf-8")
    before = tree_state(empty)
    stale = pkg(empty, "lock", "--check", code=20).stderr
    assert "X07PKG_LOCK_MISMATCH" in stale
    assert "ext-msg-amqp-c 0.2.0 is missing from the lock" in stale
    assert "ext-msg-kafka-c 0.2.0 is in the lock and nothing needs it" in stale
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "sync", code=20).stderr
    assert tree_state(empty) == before
    (empty / "x07.lock").unlink()
    assert "X07PKG_LOCK_MISSING" in pkg(empty, "lock", "--locked", code=20).stderr


def test_a_remembered_answer_is_not_given_to_another_question(empty: Path, packages: Packages) -> None:
    pkg(empty, "add", "kafka")
    for _ in range(2):
        assert pkg(empty, "lock", "--check").stdout == "x07.lock is up to date\n"
    lock = empty / "x07.lock"
    good = lock.read_text(encoding="utf-8")
    lock.write_text(good.replace("direct = true\n", ""), encoding="utf-8")
    assert "direct is False in the lock, should be True" in pkg(empty, "lock", "--check", code=20).stderr
    lock.write_text(good, encoding="utf-8")
    folder = packages.make("greet", "1.0.0")
    pkg(empty, "add", "greet", "--path", str(folder))
    pkg(empty, "lock", "--check")
    (folder / "modules" / "greet.py").write_text("other = 1\n", encoding="utf-8")
    pkg(empty, "lock", "--check", code=20)


def test_a_corrupt_lock_is_reported_and_made_again(empty: Path) -> None:
    pkg(empty, "add", "kafka")
    good = (empty / "x07.lock").read_bytes()
    (empty / "x07.lock").write_bytes(good[:100])
    assert "X07PKG_LOCK_PARSE" in pkg(empty, "lock", "--check", code=20).stderr
    pkg(empty, "lock")
    assert (empty / "x07.lock").read_bytes() == good


def test_removing_what_is_not_asked_for(empty: Path) -> None:
    pkg(empty, "add", "kafka")
    refused = pkg(empty, "remove", "ext-msg-core", code=20).stderr
    assert "X07PKG_DEP_NOT_FOUND" in refused
    assert "because of ext-msg-kafka-c" in refused
    pkg(empty, "remove", "kafka")
    assert "X07PKG_DEP_NOT_FOUND" in pkg(empty, "remove", "kafka", code=20).stderr


def test_a_package_that_the_projects_world_refuses_is_warned_about(empty: Path) -> None:
    (empty / "pyproject.toml").write_text('[tool.x07]\nworld = "solve-pure"\n', encoding="utf-8")
    assert "may not be imported in this project's world solve-pure" in pkg(empty, "add", "kafka").stderr


def test_a_path_package_is_installed_and_a_change_of_it_noticed(empty: Path, packages: Packages) -> None:
    folder = packages.make("greet", "1.0.0")
    pkg(empty, "add", "greet", "--path", str(folder), "--sync")
    assert dependencies(empty) == {"greet": {"path": "../packages/greet-1.0.0"}}
    module = empty / ".x07" / "deps" / "greet" / "1.0.0" / "modules" / "greet.py"
    assert module.read_text(encoding="utf-8") == 'VERSION = "1.0.0"\n'
    (folder / "modules" / "greet.py").write_text('VERSION = "new"\n', encoding="utf-8")
    assert "modules/greet.py" in pkg(empty, "lock", "--check", code=20).stderr
    pkg(empty, "lock")
    pkg(empty, "sync")
    assert "new" in module.read_text(encoding="utf-8")


def test_sync_puts_back_what_was_changed_and_removes_what_is_not_locked(empty: Path, packages: Packages) -> None:
    pkg(empty, "add", "greet", "--path", str(packages.make("greet", "1.0.0")), "--sync")
    module = empty / ".x07" / "deps" / "greet" / "1.0.0" / "modules" / "greet.py"
    module.write_text("evil = True\n", encoding="utf-8")
    (empty / ".x07" / "deps" / "stray" / "1.0.0").mkdir(parents=True)
    assert "X07PKG_TAMPERED" in pkg(empty, "verify", code=20).stdout
    healed = pkg(empty, "sync").stdout
    assert "installed greet@1.0.0" in healed
    assert "uninstalled stray@1.0.0" in healed
    pkg(empty, "verify")


@pytest.mark.parametrize("damage", ["missing", "not json", "other name", "no module", "outside"])
def test_a_broken_path_package_changes_nothing(empty: Path, packages: Packages, damage: str) -> None:
    folder = packages.make("greet", "1.0.0")
    manifest = folder / "x07-package.json"
    text = manifest.read_text(encoding="utf-8")
    if damage == "missing":
        manifest.unlink()
    elif damage == "not json":
        manifest.write_text("{", encoding="utf-8")
    elif damage == "other name":
        manifest.write_text(text.replace('"greet"', '"other"', 1), encoding="utf-8")
    elif damage == "no module":
        (folder / "modules" / "greet.py").unlink()
    else:
        (folder / "modules" / "greet.py").unlink()
        (folder / "modules" / "greet.py").symlink_to("/etc/hostname")
    before = tree_state(empty)
    failed = pkg(empty, "add", "greet", "--path", str(folder), "--sync", code=20).stderr
    expected = "X07PKG_LOCAL_MISSING_DEP" if damage in {"missing", "other name"} else "X07PKG_MANIFEST_PARSE"
    assert expected in failed
    assert tree_state(empty) == before


def test_commands_that_need_a_lock_say_so(empty: Path) -> None:
    for command in (["tree"], ["why", "kafka"], ["verify"], ["audit"], ["outdated"], ["sync"]):
        assert "x07 pkg lock" in pkg(empty, *command, code=20).stderr


def test_what_there_is(empty: Path) -> None:
    pkg(empty, "add", "kafka")
    assert "ext-msg-kafka-c  msg.kafka" in pkg(empty, "list").stdout
    assert "confluent-kafka" in pkg(empty, "info", "kafka").stdout
    assert pkg(empty, "versions", "ext-msg-core").stdout == "0.2.0\n"
    assert "in the lock" in pkg(empty, "provides", "x07py.drivers.kafka").stdout
    assert "x07 pkg add ext-msg-amqp-c" in pkg(empty, "provides", "x07py.drivers.amqp").stdout
    pkg(empty, "provides", "no.such.module", code=1)
    assert "X07PKG_INDEX_NO_MATCH" in pkg(empty, "info", "ext-msg-core@9.0.0", code=20).stderr
    assert "X07PKG_NAME_UNKNOWN" in pkg(empty, "versions", "zebra", code=20).stderr


@pytest.mark.parametrize(
    ("old", "new"),
    [('"ext-msg-kafka-c",', '"ext-msg-gone",'), ('"ext-msg-core@>=0.2,<0.3"', '"ext-msg-gone@>=0.2,<0.3"')],
)
def test_a_lock_that_names_what_it_does_not_hold(empty: Path, old: str, new: str) -> None:
    pkg(empty, "add", "msg.kafka", "--sync")
    lock = empty / "x07.lock"
    good = lock.read_text(encoding="utf-8")
    broken = good.replace(old, new)
    assert broken != good
    for command in (["tree"], ["why", "msg.core"], ["sync"], ["verify"], ["lock", "--check"], ["audit", "--offline"]):
        lock.write_text(broken, encoding="utf-8")
        failed = pkg(empty, *command, code=20).stderr
        assert "X07PKG_LOCK_PARSE" in failed
        assert "names ext-msg-gone, which is not in the lock" in failed
    pkg(empty, "lock")
    assert lock.read_text(encoding="utf-8") == good
