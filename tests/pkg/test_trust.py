"""What lock, index and archive say must agree; servers, caches and folders that misbehave end in typed errors."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.pkg.builders import Packages, pkg, tree_state
from tests.pkg.server import reply, serving
from x07py.contracts.lockfile import LOCK_NAME
from x07py.contracts.packages import installed_packages
from x07py.contracts.project import read_project
from x07py.contracts.semver import parse_range
from x07py.errors import PackageError
from x07py.pkg.archive import pack
from x07py.pkg.cache import Cache
from x07py.pkg.fetch import Fetcher
from x07py.pkg.index import SparseIndex
from x07py.pkg.local import read_folder
from x07py.pkg.publish import publish
from x07py.pkg.signing import make_key


def name_index(project: Path, packages: Packages, keys: str = "") -> None:
    text = f'[tool.x07.index]\nurl = "{packages.url}"\n{keys}\n[tool.x07.dependencies]\n'
    (project / "pyproject.toml").write_text(text, encoding="utf-8")


def edit_lock(project: Path, old: str, new: str) -> None:
    lock = project / LOCK_NAME
    text = lock.read_text(encoding="utf-8")
    assert old in text
    lock.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.parametrize("source", ["toolchain", "path", "index"])
def test_a_world_that_was_added_to_the_lock_is_not_believed(empty: Path, packages: Packages, source: str) -> None:
    if source == "toolchain":
        pkg(empty, "add", "kafka", "--sync")
    elif source == "path":
        pkg(empty, "add", "greet", "--path", str(packages.make("greet", "1.0.0")), "--sync")
    else:
        packages.publish("greet", "1.0.0")
        name_index(empty, packages)
        pkg(empty, "add", "greet", "--sync")
    good = (empty / LOCK_NAME).read_bytes()
    edit_lock(empty, '  "run-os",\n', '  "run-os",\n  "solve-fs",\n')
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "lock", "--check", code=20).stderr
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "sync", code=20).stderr
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "verify", "--format", "json", code=20).stdout
    with pytest.raises(PackageError, match="X07PKG_LOCK_MISMATCH"):
        installed_packages(empty, "solve-fs")
    pkg(empty, "lock")
    assert (empty / LOCK_NAME).read_bytes() == good
    installed_packages(empty, "solve-fs")


def replace_archive(packages: Packages, contents: dict[str, bytes], **entry: Any) -> None:
    """Serve another archive of greet 1.0.0, with an entry that fits its bytes."""
    import hashlib

    data = pack(contents, where="t")
    page = packages.index / "gr" / "ee" / "greet"
    row = json.loads(page.read_text(encoding="utf-8"))
    files = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    row |= {"cksum": hashlib.sha256(data).hexdigest(), "files": files, **entry}
    page.write_text(json.dumps(row), encoding="utf-8")
    (packages.index / "dl" / "greet" / "1.0.0" / "download").write_bytes(data)


@pytest.mark.parametrize("damage", ["name", "worlds", "no manifest", "compiled", "pyc"])
def test_an_archive_must_hold_what_the_index_says(empty: Path, packages: Packages, damage: str) -> None:
    row = packages.publish("greet", "1.0.0")
    manifest = row["package"]
    contents = {"x07-package.json": json.dumps(manifest).encode(), "modules/greet.py": b""}
    if damage == "name":
        contents["x07-package.json"] = json.dumps({**manifest, "name": "other"}).encode()
    elif damage == "worlds":
        contents["x07-package.json"] = json.dumps({**manifest, "meta": {"worlds_allowed": ["run-os"]}}).encode()
    elif damage == "no manifest":
        del contents["x07-package.json"]
    else:
        contents["modules/greet.pyc" if damage == "pyc" else "modules/__pycache__/greet.x"] = b"code"
    replace_archive(packages, contents)
    name_index(empty, packages)
    before = tree_state(empty)
    failed = pkg(empty, "add", "greet", "--sync", code=20).stderr
    expected = "X07PKG_ARCHIVE_UNSAFE" if damage in {"compiled", "pyc"} else "X07PKG_LOCK_MISMATCH"
    assert expected in failed
    assert tree_state(empty) == before


def test_keys_that_are_named_later_bind_the_lock(empty: Path, packages: Packages, tmp_path: Path) -> None:
    public = make_key(tmp_path / "team.key")
    packages.publish("greet", "1.0.0")
    name_index(empty, packages)
    pkg(empty, "add", "greet", "--sync")
    manifest = empty / "pyproject.toml"
    text = manifest.read_text(encoding="utf-8")
    manifest.write_text(f'{text}\n[tool.x07.index.keys]\nteam = "{public}"\n', encoding="utf-8")
    assert "X07PKG_UNSIGNED" in pkg(empty, "lock", "--check", code=20).stderr
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "sync", code=20).stderr
    packages.publish("greet", "1.0.0", key=tmp_path / "team.key")
    pkg(empty, "lock")
    assert f'signed_by = "{public}"' in (empty / LOCK_NAME).read_text(encoding="utf-8")
    pkg(empty, "lock", "--check")
    pkg(empty, "sync")


@pytest.mark.parametrize(
    "fields",
    [
        {"meta": {"worlds_allowed": ["run-os"], "requires_dists": ["x'; touch /tmp/x07-evil; '"]}},
        {"modules": ["a b"]},
        {"modules": ["a-b"]},
        {"modules": ["a\ud800"]},
        {"description": "\ud800"},
    ],
)
def test_a_manifest_with_odd_texts_is_refused(packages: Packages, fields: dict[str, Any]) -> None:
    folder = packages.make("greet", "1.0.0")
    file = folder / "x07-package.json"
    file.write_text(json.dumps(json.loads(file.read_text(encoding="utf-8")) | fields), encoding="utf-8")
    with pytest.raises(PackageError, match="X07PKG_MANIFEST_PARSE"):
        read_folder(folder, source="path+.")


def test_update_never_goes_below_a_pre_release_pin(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    packages.publish("greet", "2.0.0-rc.1")
    name_index(empty, packages)
    pkg(empty, "add", "greet@2.0.0-rc.1")
    pkg(empty, "update", "greet")
    assert [row.requirement for row in read_project(empty).dependencies] == ["2.0.0-rc.1"]
    packages.publish("greet", "2.0.0")
    pkg(empty, "update")
    assert [row.requirement for row in read_project(empty).dependencies] == ["2.0.0"]


def test_update_to_a_range_keeps_the_path(empty: Path, packages: Packages) -> None:
    pkg(empty, "add", "greet", "--path", str(packages.make("greet", "1.0.0")))
    pkg(empty, "update", "greet@^1")
    (row,) = read_project(empty).dependencies
    assert (row.path, row.requirement) == ("../packages/greet-1.0.0", "^1")


def test_the_hint_for_another_folder_mends(empty: Path, packages: Packages) -> None:
    first, second = (packages.make("greet", version) for version in ("1.0.0", "2.0.0"))
    second = second.rename(second.with_name("with space"))
    pkg(empty, "add", "greet", "--path", str(first))
    hint = pkg(empty, "add", "greet", "--path", str(second), code=20).stderr.partition("help: ")[2]
    for command in "".join(hint.splitlines()).split(" && "):
        pkg(empty, *shlex.split(command)[2:])
    assert [row.path for row in read_project(empty).dependencies] == ["../packages/with space"]


@pytest.mark.parametrize("table", ["", "[tool.x07]\n", "[tool.x07.index] # ours\n"])
def test_an_index_of_the_command_line_is_written_where_the_lock_needs_it(
    empty: Path, packages: Packages, table: str
) -> None:
    packages.publish("greet", "1.0.0")
    manifest = empty / "pyproject.toml"
    manifest.write_text(table, encoding="utf-8")
    pkg(empty, "add", "kafka", "--index", packages.url)
    assert read_project(empty).index_url is None
    assert "index.url" in pkg(empty, "add", "greet", "--index", packages.url, "--sync").stderr
    assert read_project(empty).index_url == packages.url
    assert table.strip() in manifest.read_text(encoding="utf-8")
    for command in (["lock", "--check"], ["sync"], ["update"], ["remove", "greet"]):
        pkg(empty, *command)


@pytest.mark.parametrize("command", [["lock"], ["update"]])
def test_lock_and_update_write_the_index_too(empty: Path, packages: Packages, command: list[str]) -> None:
    packages.publish("greet", "1.0.0")
    manifest = empty / "pyproject.toml"
    manifest.write_text('[tool.x07.dependencies]\ngreet = "1.0.0"\n', encoding="utf-8")
    pkg(empty, *command, "--index", packages.url)
    assert read_project(empty).index_url == packages.url
    pkg(empty, "lock", "--check")


def test_the_ways_out_of_a_conflict_work_from_a_folder_and_an_index(empty: Path, packages: Packages) -> None:
    for version in ("1.0.0", "2.0.0"):
        packages.publish("base", version)
    (empty / "pyproject.toml").write_text('[tool.x07.dependencies]\nbase = "1.0.0"\n', encoding="utf-8")
    folder = packages.make("greet", "1.0.0", "base@^2")
    failed = pkg(empty, "add", "greet", "--path", str(folder), "--index", packages.url, code=20).stderr
    ways = "".join(line.strip() for line in failed.partition("help: ")[2].splitlines()).split("or: ")
    assert len(ways) == 2
    for way in ways:
        before = tree_state(empty)
        for command in way.split(" && "):
            pkg(empty, *shlex.split(command)[2:])
        assert read_project(empty).dependencies[-1].path == "../packages/greet-1.0.0"
        pkg(empty, "lock", "--check")
        shutil.rmtree(empty)
        for name, data in before.items():
            (empty / name).parent.mkdir(parents=True, exist_ok=True)
            (empty / name).write_bytes(data)


def test_the_hint_for_a_range_can_be_pasted(empty: Path) -> None:
    pkg(empty, "add", "kafka@0.2.0")
    assert "x07 pkg update 'ext-msg-kafka-c@>=0.2,<0.3'" in pkg(empty, "add", "kafka@>=0.2,<0.3", code=20).stderr


def test_versions_that_differ_in_build_metadata_alone(packages: Packages) -> None:
    row = packages.publish("greet", "1.0.0+a")
    with pytest.raises(PackageError, match="X07PKG_PUBLISH_EXISTS"):
        packages.publish("greet", "1.0.0+b")
    page = packages.index / "gr" / "ee" / "greet"
    row["package"]["version"] = "1.0.0+b"
    page.write_text(page.read_text(encoding="utf-8") + json.dumps(row) + "\n", encoding="utf-8")
    with SparseIndex(packages.url) as index, pytest.raises(PackageError, match="X07PKG_INDEX_PARSE"):
        index.entries("greet")


def test_a_transitive_package_that_the_world_refuses_is_named(empty: Path, packages: Packages) -> None:
    packages.publish("base", "1.0.0", worlds_allowed=["run-os"])
    packages.publish("greet", "1.0.0", "base@^1")
    name_index(empty, packages)
    manifest = empty / "pyproject.toml"
    manifest.write_text('[tool.x07]\nworld = "solve-pure"\n' + manifest.read_text(encoding="utf-8"), encoding="utf-8")
    assert "base 1.0.0 may not be imported" in pkg(empty, "add", "greet").stderr


@pytest.mark.parametrize("damage", ['version = "00.2.0"', 'version = "0.2"'])
def test_a_lock_with_an_impossible_version_is_made_anew(empty: Path, damage: str) -> None:
    pkg(empty, "add", "kafka")
    good = (empty / LOCK_NAME).read_bytes()
    edit_lock(empty, 'version = "0.2.0"', damage)
    for command in (["tree"], ["why", "kafka"], ["outdated"]):
        assert "X07PKG_LOCK_PARSE" in pkg(empty, *command, code=20).stderr
    pkg(empty, "lock")
    assert (empty / LOCK_NAME).read_bytes() == good


@pytest.mark.parametrize("target", ["http://[", "/\xe9", "http://127.0.0.1:x/", "\xe9"])
def test_a_redirect_to_no_url_is_an_error(packages: Packages, target: str) -> None:
    with serving(packages.folder) as server, closing(Fetcher()) as fetcher:
        server.odd["/page"] = lambda request: reply(request, 302, b"", Location=target)
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH|X07PKG_INDEX_CONFIG"):
            fetcher.get(server.url + "page", limit=10, code="X07PKG_INDEX_FETCH")


@pytest.mark.parametrize("dl", ["http://[", "http://127.0.0.1/\xe9", "\ud800", "file:///%00"])
def test_a_download_place_that_is_no_url_is_an_error(empty: Path, packages: Packages, dl: str) -> None:
    packages.publish("greet", "1.0.0")
    (packages.index / "config.json").write_text(json.dumps({"dl": dl}), encoding="utf-8")
    name_index(empty, packages)
    failed = pkg(empty, "add", "greet", "--sync", code=20).stderr
    assert "X07PKG_DOWNLOAD_FAILED" in failed or "X07PKG_INDEX_CONFIG" in failed


def test_an_index_url_that_is_not_ascii_is_an_error(empty: Path) -> None:
    assert "X07PKG_INDEX_CONFIG" in pkg(empty, "versions", "greet", "--index", "https://\xe9/", code=20).stderr


@pytest.mark.parametrize("names", ["{", "{}", "[1]"])
def test_a_broken_list_of_names_stops_publishing_before_it_writes(packages: Packages, names: str) -> None:
    packages.publish("greet", "1.0.0")
    (packages.index / "names.json").write_text(names, encoding="utf-8")
    before = tree_state(packages.index)
    with pytest.raises(PackageError, match="X07PKG_INDEX_PARSE"):
        packages.publish("base", "1.0.0")
    assert tree_state(packages.index) == before


def test_what_cannot_be_signed_is_not_published(packages: Packages, tmp_path: Path) -> None:
    make_key(tmp_path / "team.key")
    with pytest.raises(PackageError, match="X07PKG_PACK_FAILED"):
        publish(packages.make("greet", "1.0.0", size=2**60), packages.index, tmp_path / "team.key")
    assert not packages.index.exists()


def test_a_cache_that_cannot_be_used_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = Cache(tmp_path / "file")
    cache.keep_archive("0" * 64, b"x")
    assert cache.archive("0" * 64) is None


def test_a_kept_page_does_not_hold_the_cache(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    cache.keep_page("a", None, b"x")
    with closing(sqlite3.connect(tmp_path / "pages.sqlite3", timeout=0)) as other:
        other.execute("DELETE FROM pages")
        other.commit()
    cache.close()


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_never_ends_is_cut_off(tmp_path: Path, part: str) -> None:
    def dribble(request: BaseHTTPRequestHandler) -> bool:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if part == "body" else b""))
        try:
            while True:
                request.wfile.write(b"a: b\r\n")
                time.sleep(0.01)
        except OSError:
            return True

    with serving(tmp_path) as server:
        server.odd["/page"] = dribble
        with pytest.raises(PackageError, match=r"it takes more than 0\.3 s"):
            Fetcher(deadline_s=0.3).get(server.url + "page", limit=1 << 30, code="X07PKG_INDEX_FETCH")


def test_offline_by_setting_audits_what_is_recorded(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    with serving(packages.index) as server:
        name_index(empty, packages)
        (empty / "pyproject.toml").write_text(f'[tool.x07.index]\nurl = "{server.url}"\n', encoding="utf-8")
        pkg(empty, "add", "greet")
    (Cache().folder / "pages.sqlite3").unlink()
    assert "0 findings" in pkg(empty, "audit", X07_OFFLINE="1").stdout


def test_digits_of_other_scripts_are_no_version() -> None:
    with pytest.raises(PackageError, match="X07PKG_SPEC_INVALID"):
        parse_range(">=1\u0661")
