"""The commands on packages that are installed: what they write, what they refuse, what they say."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate

from tests.pkg.builders import pkg, tree_state
from tests.support.installed import install, install_package, package, package_files
from x07py.contracts.schemas import load_schema


def manifest(project: Path) -> dict[str, Any]:
    return tomllib.loads((project / "pyproject.toml").read_text())


def locked(project: Path) -> dict[str, Any]:
    document = tomllib.loads((project / "x07.lock").read_text())
    validate(document, load_schema("x07.lock"))
    packages: dict[str, Any] = document.get("package", {})
    return packages


def report(project: Path, *args: str, code: int = 0) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(pkg(project, *args, "--format", "json", code=code).stdout)
    validate(
        document,
        load_schema("x07.pkg.report" if document["schema_version"].startswith("x07.pkg") else "x07.error.report"),
    )
    return document


@pytest.fixture
def greet(site: Path) -> Path:
    """A package and one that it needs, installed."""
    install_package(site, "base", "1.2.0")
    install_package(site, "greet", "1.0.0", requires_packages=["base@>=1,<2"], capabilities=["text.greet"])
    return site


def test_add_writes_manifest_requirement_and_lock(empty: Path, greet: Path) -> None:
    done = pkg(empty, "add", "greet")
    assert done.stdout == "+ base 1.2.0 (transitive)\n+ greet 1.0.0\n"
    assert manifest(empty)["tool"]["x07"]["dependencies"] == {"greet": "1.0.0"}
    assert manifest(empty)["project"]["dependencies"] == ["greet"]
    rows = locked(empty)
    assert rows["greet"]["requires"] == ["base@>=1,<2"]
    assert set(rows["greet"]["files"]) == {"greet/__init__.py", "greet/x07-package.json"}
    assert "requirement" not in rows["base"]
    assert pkg(empty, "lock", "--check").stdout == "x07.lock is up to date\n"


def test_a_version_and_a_range_go_to_the_manager_too(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet@1.0.0")
    pkg(empty, "add", "base@>=1 <2")
    assert manifest(empty)["project"]["dependencies"] == ["greet==1.0.0", "base<2,>=1"]
    assert manifest(empty)["tool"]["x07"]["dependencies"]["base"] == ">=1 <2"


def test_adding_twice_changes_nothing_and_another_version_is_refused(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    before = tree_state(empty)
    assert "nothing to change" in pkg(empty, "add", "greet").stdout
    pkg(empty, "add", "greet@1.0.0")
    error = report(empty, "add", "greet@2.0.0", code=20)["error"]
    assert error["code"] == "X07PKG_DEP_EXISTS"
    assert "requested greet@2.0.0" in error["message"]
    assert error["hint"] == "x07 pkg update 'greet@2.0.0' --sync"
    assert tree_state(empty) == before


@pytest.mark.parametrize("name", ["text.greet", "greet"])
def test_a_capability_means_its_package(name: str, empty: Path, greet: Path) -> None:
    assert report(empty, "add", name)["result"]["name"] == "greet"


def test_capabilities_of_the_reference_and_their_aliases(empty: Path) -> None:
    assert report(empty, "add", "rabbitmq")["result"]["transitive_added"] == ["ext-msg-core@0.2.0"]
    assert manifest(empty)["project"]["dependencies"] == ["x07py[amqp]"]
    pkg(empty, "add", "msg.kafka")
    assert manifest(empty)["project"]["dependencies"] == ["x07py[amqp,kafka]"]
    clients = locked(empty)["ext-msg-kafka-c"]["clients"]
    assert list(clients) == ["confluent-kafka"]
    pkg(empty, "remove", "amqp")
    assert manifest(empty)["project"]["dependencies"] == ["x07py[kafka]"]


@pytest.mark.parametrize("spec", ["Greet!", "greet@", "greet@^1", "greet@1.0.0 2", "greet@latest", "-x", ""])
def test_a_spec_that_cannot_be_meant(spec: str, empty: Path) -> None:
    before = tree_state(empty)
    assert "X07PKG_SPEC_INVALID" in pkg(empty, "add", "--", spec, code=20).stderr
    assert tree_state(empty) == before


def test_what_is_not_installed_is_not_added_without_sync(empty: Path) -> None:
    before = tree_state(empty)
    error = report(empty, "add", "greet", code=20)["error"]
    assert error["code"] == "X07PKG_NAME_UNKNOWN"
    assert "x07 pkg add greet --sync" in error["hint"]
    assert tree_state(empty) == before


def test_a_conflict_is_explained_and_removing_the_pin_heals_it(empty: Path) -> None:
    pkg(empty, "add", "ext-msg-kafka-c")
    text = (empty / "pyproject.toml").read_text()
    (empty / "pyproject.toml").write_text(text + 'ext-msg-core = "0.1.4"\n')
    for command in (["lock"], ["lock", "--check"], ["add", "amqp"]):
        error = report(empty, *command, code=20)["error"]
        assert error["code"] == "X07PKG_CONFLICT"
        assert "1. your project requires ext-msg-core 0.1.4" in error["message"]
        assert "ext-msg-kafka-c 0.2.0 requires ext-msg-core >=0.2,<0.3" in error["message"]
        assert error["hint"].startswith("x07 pkg remove ext-msg-core --sync")
    done = pkg(empty, "remove", "ext-msg-core")
    assert "ext-msg-core 0.2.0 stays as a transitive package: ext-msg-kafka-c needs it" in done.stdout
    pkg(empty, "lock", "--check")


def test_a_pin_alone_is_moved_by_update(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet@1.0.0")
    install_package(greet, "greet", "1.1.0", requires_packages=["base@>=1,<2"])
    (greet / "greet-1.0.0.dist-info").rename(greet / "gone")
    error = report(empty, "lock", code=20)["error"]
    assert (error["code"], error["hint"].split(" takes")[0]) == ("X07PKG_CONFLICT", "x07 pkg update greet --sync")
    assert pkg(empty, "update").stdout == "~ greet 1.0.0 -> 1.1.0\n"
    assert manifest(empty)["tool"]["x07"]["dependencies"] == {"greet": "1.1.0"}
    pkg(empty, "lock", "--check")


def test_update_keeps_an_exact_pin_of_the_manager_and_says_what_it_does(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet@1.0.0")
    before = tree_state(empty)
    assert pkg(empty, "update").stdout == "nothing to change\n"
    assert tree_state(empty) == before
    install_package(greet, "greet", "1.1.0", requires_packages=["base@>=1,<2"])
    (greet / "greet-1.0.0.dist-info").rename(greet / "gone")
    assert pkg(empty, "update", "greet").stdout == "~ greet 1.0.0 -> 1.1.0\n"
    assert manifest(empty)["project"]["dependencies"] == ["greet==1.1.0"]
    assert pkg(empty, "update", "greet@>=1").stdout == "~ greet 1.1.0: requirement: 1.1.0 -> >=1\n"
    assert manifest(empty)["project"]["dependencies"] == ["greet>=1"]


def test_what_changed_only_in_the_manifest_is_said(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    pkg(empty, "update", "greet@1.0.0")
    text = (empty / "pyproject.toml").read_text()
    assert "greet==1.0.0" in text
    (empty / "pyproject.toml").write_text(text.replace("greet==1.0.0", "greet==0.9"))
    assert pkg(empty, "update", "greet").stdout == "~ pyproject.toml\n"
    assert (empty / "pyproject.toml").read_text() == text


@pytest.mark.parametrize("command", [["add", "other"], ["update"], ["remove", "base"]])
def test_no_other_command_takes_up_a_changed_file(command: list[str], empty: Path, greet: Path) -> None:
    install_package(greet, "other", "1.0.0")
    pkg(empty, "add", "greet")
    pkg(empty, "add", "base")
    (greet / "greet/__init__.py").write_text("VERSION = 'evil'\n")
    before = tree_state(empty)
    error = report(empty, *command, code=20)["error"]
    assert error["code"] == "X07PKG_TAMPERED"
    assert error["message"] == "greet 1.0.0 is not what was locked: greet/__init__.py"
    assert tree_state(empty) == before
    assert pkg(empty, "lock").stdout == "~ greet 1.0.0: files: greet/__init__.py changed\n"
    pkg(empty, *command)


def test_remove_takes_what_nothing_needs_any_more(empty: Path, greet: Path) -> None:
    before = manifest(empty)
    pkg(empty, "add", "greet")
    assert pkg(empty, "remove", "greet").stdout == "- base 1.2.0 (transitive)\n- greet 1.0.0\n"
    assert locked(empty) == {}
    assert manifest(empty)["project"] == before["project"]
    assert report(empty, "remove", "greet", code=20)["error"]["code"] == "X07PKG_DEP_NOT_FOUND"


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('[tool.x07]\ndependencies.greet = "1.0.0"\n', "[tool.x07]\n"),
        ('[tool]\nx07.dependencies.greet = "1.0.0"\n\n[tool.z]\na = 1\n', "[tool]\n\n[tool.z]\na = 1\n"),
        ('tool.x07.dependencies.greet = "1.0.0"\n', ""),
        ('tool.x07.world = "run-os"\ntool.x07.dependencies.greet = "1.0.0"\n', 'tool.x07.world = "run-os"\n'),
    ],
)
def test_the_last_dotted_key_goes_as_any_other(text: str, left: str, end: str, empty: Path, greet: Path) -> None:
    file = empty / "pyproject.toml"
    file.write_bytes(text.replace("\n", end).encode())
    pkg(empty, "remove", "greet")
    assert file.read_bytes() == left.replace("\n", end).encode()
    pkg(empty, "add", "greet@1.0.0")
    assert manifest(empty)["tool"]["x07"]["dependencies"] == {"greet": "1.0.0"}


def test_lock_check_names_every_difference_and_changes_nothing(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    (greet / "greet/__init__.py").write_text("VERSION = 'evil'\n")
    (greet / "base/more.py").write_text("")
    before = tree_state(empty)
    error = report(empty, "lock", "--check", code=20)["error"]
    assert error["code"] == "X07PKG_LOCK_MISMATCH"
    assert error["details"]["differences"] == [
        "base: files: base/more.py is new",
        "greet: files: greet/__init__.py changed",
    ]
    assert tree_state(empty) == before


@pytest.mark.parametrize(
    ("file", "named"),
    [
        ("greet/__init__.py", "greet/__init__.py"),
        ("greet/x07-package.json", "greet/x07-package.json"),
        ("greet-1.0.0.dist-info/METADATA", "distribution_version was 1.0.0, is 1.0.9"),
        (
            "greet-1.0.0.dist-info/entry_points.txt",
            "greet-1.0.0.dist-info/entry_points.txt:4 registers driver spool as evil:DRIVER, was greet:DRIVER",
        ),
        ("client-3.0.dist-info/METADATA", "clients was client 3.0, is client 3.9"),
    ],
)
def test_verify_names_what_was_tampered_with(file: str, named: str, empty: Path, site: Path) -> None:
    install(site, "client", "3.0", {"client.py": ""})
    points = {"x07.packages": {"greet": "greet"}, "x07.drivers": {"spool": "greet:DRIVER"}}
    files = package_files("greet", "1.0.0", driver_kinds=["spool"], clients=["client"])
    install(site, "greet", "1.0.0", files, points, ["client"])
    pkg(empty, "add", "greet")
    assert "greet 1.0.0: ok, 2 files compared" in pkg(empty, "verify").stdout
    text = (site / file).read_text()
    for old, new in (
        ("Version: 1.0.0", "Version: 1.0.9"),
        ("Version: 3.0", "Version: 3.9"),
        ("greet:DRIVER", "evil:DRIVER"),
    ):
        text = text.replace(old, new)
    (site / file).write_text(text + "\n")
    done = pkg(empty, "verify", code=20)
    assert "greet 1.0.0: CHANGED" in done.stdout
    assert named in done.stdout
    assert report(empty, "verify", code=20)["ok"] is False


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("spool = ", "spoon = ", "entry_points.txt registers driver spool as nothing, was greet:DRIVER"),
        (
            "spool = greet:DRIVER",
            "; none\nspool=evil.more : OTHER",
            "entry_points.txt:5 registers driver spool as evil",
        ),
        ("greet = greet\n", "greet = greet.inner\n", "entry_points.txt:2"),
        ("greet = greet\n", "greet = nowhere\n", "entry_points.txt:2"),
    ],
    ids=["another kind", "another target", "another package", "no package"],
)
def test_a_changed_entry_point_is_named_with_its_line(old: str, new: str, said: str, empty: Path, site: Path) -> None:
    points = {"x07.packages": {"greet": "greet"}, "x07.drivers": {"spool": "greet:DRIVER"}}
    install(site, "greet", "1.0.0", package_files("greet", "1.0.0", driver_kinds=["spool"]), points)
    pkg(empty, "add", "greet")
    file = site / "greet-1.0.0.dist-info/entry_points.txt"
    file.write_text(file.read_text().replace(old, new))
    done = pkg(empty, "verify", code=20)
    assert f"greet-1.0.0.dist-info/{said}" in (done.stdout + done.stderr).replace("\n", "")
    check = pkg(empty, "lock", "--check", code=20)
    assert f"greet-1.0.0.dist-info/{said.partition(' ')[0]}" in check.stderr


def test_what_is_missing_is_named_with_the_command(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    (greet / "base-1.2.0.dist-info").rename(greet / "gone")
    assert "base 1.2.0 is locked and not installed" in pkg(empty, "verify", code=20).stdout
    error = report(empty, "lock", "--check", code=20)["error"]
    assert (error["code"], "x07 pkg sync" in error["hint"]) == ("X07PKG_NOT_SYNCED", True)


def test_tree_why_info_provides_and_list(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    assert pkg(empty, "tree").stdout == "greet 1.0.0\n└── base 1.2.0\n"
    assert pkg(empty, "tree", "--invert").stdout == "base 1.2.0\n└── greet 1.0.0\n"
    assert report(empty, "tree")["result"]["edges"] == [{"from": "greet", "to": "base"}]
    assert pkg(empty, "why", "base").stdout == "project -> greet 1.0.0 -> base 1.2.0\n"
    assert report(empty, "why", "base")["result"]["paths"] == [["greet", "base"]]
    assert report(empty, "why", "ext-msg-core", code=20)["error"]["code"] == "X07PKG_DEP_NOT_FOUND"
    assert report(empty, "info", "text.greet")["result"]["requires"] == ["base@>=1,<2"]
    assert "greet" in pkg(empty, "provides", "greet.deep.module").stdout
    assert pkg(empty, "provides", "kafka").stdout.startswith("ext-msg-kafka-c\n")
    assert pkg(empty, "provides", "msg.kafka").stdout.startswith("ext-msg-kafka-c\n")
    assert report(empty, "provides", "nowhere", code=1)["result"]["providers"] == []
    rows = {row["name"]: row for row in report(empty, "list")["result"]["packages"]}
    assert rows["greet"]["source"] == "greet 1.0.0"
    assert rows["greet"]["locked"] == "1.0.0"
    assert rows["ext-msg-kafka-c"]["spec"] == "ext-msg-kafka-c@0.2.0"


def test_what_needs_no_project_works_in_an_empty_folder(tmp_path: Path) -> None:
    for command in (["list"], ["info", "kafka"], ["provides", "amqp"]):
        assert pkg(tmp_path, *command).stdout
    assert report(tmp_path, "add", "kafka", code=20)["error"]["code"] == "X07PKG_PROJECT_MISSING"


def test_a_world_that_a_package_does_not_allow_is_a_warning(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0", worlds_allowed=["run-os"])
    (empty / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.x07]\nworld = "solve-pure"\n')
    assert "may not be imported in this project's world solve-pure" in pkg(empty, "add", "greet").stderr


@pytest.mark.parametrize("manifest", ["x07.toml", "both"])
def test_a_standalone_manifest(manifest: str, tmp_path: Path, greet: Path) -> None:
    (tmp_path / "x07.toml").write_text("# mine\n")
    if manifest == "both":
        (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    pkg(tmp_path, "add", "greet")
    assert tomllib.loads((tmp_path / "x07.toml").read_text()) == {"dependencies": {"greet": "1.0.0"}}
    if manifest == "both":
        assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["dependencies"] == ["greet"]
    pkg(tmp_path, "lock", "--check")


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"modules": ["greet", "json"], "files": {"json.py": ""}}, "X07PKG_MODULES", "json, a name of the standard"),
        ({"modules": ["greet", "sitecustomize"]}, "X07PKG_MODULES", "sitecustomize"),
        ({"files": {"other.py": ""}}, "X07PKG_MODULES", "brings the module other, which it does not declare"),
        ({"files": {"deep/er/mod.py": ""}}, "X07PKG_MODULES", "brings the module deep.er.mod"),
        ({"files": {"start.pth": "import os\n"}}, "X07PKG_MODULES", "runs code when Python starts"),
        ({"modules": ["greet", "gone"]}, "X07PKG_MODULES", "declares the module gone, which is not at"),
        ({"driver_kinds": ["spool"]}, "X07PKG_MODULES", "driver 'spool', which no entry point registers"),
        ({"modules": ["greet", "pytest"], "files": {"pytest/x.py": ""}}, "X07PKG_MODULE_CLASH", "brings pytest"),
        ({"worlds_allowed": ["moon"]}, "X07PKG_MANIFEST_PARSE", "worlds_allowed"),
        ({"modules": []}, "X07PKG_MANIFEST_PARSE", "modules"),
        ({"clients": "x"}, "X07PKG_MANIFEST_PARSE", "clients is not a list"),
        ({"colour": "red"}, "X07PKG_MANIFEST_PARSE", "does not know: colour"),
        ({"schema_version": "x07.package@9.0.0"}, "X07PKG_MANIFEST_PARSE", "schema_version"),
        ({"requires_packages": ["base@^1"]}, "X07PKG_MANIFEST_PARSE", "requires_packages"),
        ({"clients": ["no-such-client"]}, "X07PKG_DIST_MISSING", "no-such-client, which is not installed"),
    ],
)
def test_a_distribution_that_brings_more_or_less_than_it_says(
    change: dict[str, Any], code: str, said: str, empty: Path, site: Path
) -> None:
    more = {"schema_version": "x07.package@1.0.0", **change}
    extra = more.pop("files", {})
    text = json.dumps({**json.loads(package("greet", "1.0.0")), **more})
    files = {"greet/__init__.py": "", "greet/x07-package.json": text, **extra}
    install(site, "greet", "1.0.0", files, {"x07.packages": {"greet": "greet"}})
    before = tree_state(empty)
    if code == "X07PKG_DIST_MISSING":
        assert said in pkg(empty, "add", "greet").stderr
        assert not (empty / "x07.lock").exists()
        return
    error = report(empty, "add", "greet", code=20)["error"]
    assert error["code"] == code
    assert said in error["message"]
    assert tree_state(empty) == before


THEIRS = {"plain.py": "X = 1\n", "folder/__init__.py": "", "folder/data.json": "{}", "space/one.py": ""}
"""Files of a distribution that is no package."""


@pytest.mark.parametrize(
    ("modules", "files", "clash"),
    [
        (["plain"], ["plain.py"], "plain.py"),
        (["folder"], ["folder/__init__.py"], "folder/__init__.py"),
        (["space.one"], ["space/one.py"], "space/one.py"),
        ([], ["folder/data.json"], "folder/data.json"),
        ([], ["folder/more.txt"], "folder/more.txt"),
        (["space.two"], ["space/two.py"], ""),
    ],
)
def test_files_and_modules_of_another_distribution(
    modules: list[str], files: list[str], clash: str, empty: Path, site: Path
) -> None:
    install(site, "theirs", "3.0", THEIRS)
    ours = package_files("greet", "1.0.0", modules=["greet", *modules]) | dict.fromkeys(files, "X = 2\n")
    install(site, "greet", "1.0.0", ours, {"x07.packages": {"greet": "greet"}})
    if not clash:
        pkg(empty, "add", "greet")
        return
    error = report(empty, "add", "greet", code=20)["error"]
    assert error["code"] == "X07PKG_MODULE_CLASH"
    assert error["message"] == f"greet 1.0.0 brings {clash}, and so does the distribution theirs 3.0"
    assert not (empty / "x07.lock").exists()


def test_verify_names_a_distribution_that_took_a_file_over(empty: Path, greet: Path) -> None:
    pkg(empty, "add", "greet")
    same = (greet / "greet/__init__.py").read_text()
    install(greet, "later", "2.0", {"greet/__init__.py": same})
    done = pkg(empty, "verify", code=20)
    assert "greet 1.0.0 brings greet/__init__.py, and so does the distribution later 2.0" in done.stdout
    assert "base 1.2.0: ok" in done.stdout


def test_an_editable_distribution_is_live_and_the_lock_says_so(empty: Path, site: Path, tmp_path: Path) -> None:
    info = install_package(site, "greet", "1.0.0")
    (info / "direct_url.json").write_text(json.dumps({"url": "file:///src/greet", "dir_info": {"editable": True}}))
    pkg(empty, "add", "greet")
    assert locked(empty)["greet"]["editable"] is True
    assert "files" not in locked(empty)["greet"]
    (site / "greet/__init__.py").write_text("VERSION = 'new'\n")
    assert "greet 1.0.0: live from /src/greet" in pkg(empty, "verify").stdout
    (info / "direct_url.json").unlink()
    assert "editable was True, is False" in pkg(empty, "verify", code=20).stdout


def test_two_distributions_with_one_package(empty: Path, site: Path) -> None:
    install_package(site, "greet", "1.0.0")
    install(
        site,
        "copy",
        "1.0.0",
        {"copy_of/x07-package.json": package("greet", "2.0.0")},
        {"x07.packages": {"greet": "copy_of"}},
    )
    assert report(empty, "add", "greet", code=20)["error"]["code"] == "X07PKG_MODULE_CLASH"
