"""The index: what it offers, what it may not do, and what is left when it fails. Over real HTTP and file URLs."""

from __future__ import annotations

import json
import sqlite3
import stat
import time
from collections.abc import Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.pkg.builders import Packages, pkg, tree_state
from tests.pkg.server import Misbehave, reply, serving
from x07py.errors import FileError, PackageError
from x07py.pkg.cache import Cache
from x07py.pkg.credentials import credentials_path, read_tokens, store_token
from x07py.pkg.entry import Entry
from x07py.pkg.fetch import ATTEMPTS, Fetcher
from x07py.pkg.index import SparseIndex
from x07py.pkg.install import install
from x07py.pkg.layout import page_path
from x07py.pkg.lockfile import locked_package

PAGE = "/gr/ee/greet"


def entries_of(name: str, url: str, **options: Any) -> Sequence[Entry]:
    with SparseIndex(url, **options) as index:
        return index.entries(name)


def archive_of(name: str, url: str, **options: Any) -> bytes:
    with SparseIndex(url, **options) as index:
        entry = index.entries(name)[-1]
        return index.archive(locked_package(entry, direct=True, patched=False, required_by=()))


def test_page_paths_are_those_of_sparse_indexes() -> None:
    assert [page_path(name) for name in ("a", "ab", "abc", "abcd")] == ["1/a", "2/ab", "3/a/abc", "ab/cd/abcd"]


@pytest.mark.parametrize("way", ["file", "http"])
def test_add_from_an_index(empty: Path, published: Packages, way: str) -> None:
    with serving(published.index) as server:
        url = published.url if way == "file" else server.url
        (empty / "pyproject.toml").write_text(f'[tool.x07.index]\nurl = "{url}"\n', encoding="utf-8")
        shown = pkg(empty, "add", "greet", "--sync").stdout
        assert "+ greet 1.1.0\n" in shown
        assert "+ base 1.2.0 (transitive)" in shown
        assert (empty / ".x07/deps/base/1.2.0/modules/base.py").read_text(encoding="utf-8") == 'VERSION = "1.2.0"\n'
        pkg(empty, "lock", "--check")
        pkg(empty, "verify")
        assert "  index, x07 pkg add" not in pkg(empty, "provides", "greet").stdout
        assert "1.0.0\n1.1.0\n" in pkg(empty, "versions", "greet").stdout
        assert "did you mean greet?" in pkg(empty, "add", "grete", code=20).stderr


def test_everything_works_again_without_the_network(empty: Path, published: Packages, tmp_path: Path) -> None:
    with serving(published.index) as server:
        pkg(empty, "add", "greet", "--sync", "--index", server.url)
    first = tree_state(empty)
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "shop"\n', encoding="utf-8")
    pkg(other, "add", "greet", "--sync", "--offline", "--index", server.url)
    assert tree_state(other) == first
    missing = pkg(other, "add", "never-seen", "--index", server.url, code=20, X07_OFFLINE="1").stderr
    assert "X07PKG_OFFLINE_MISSING_DEP" in missing


def test_pages_are_asked_for_with_their_etag(published: Packages) -> None:
    with serving(published.index) as server:
        entries_of("greet", server.url)
        entries = entries_of("greet", server.url)
        assert [headers.get("If-None-Match") is not None for path, headers in server.asked] == [False, True]
        assert [entry.version.text for entry in entries] == ["1.0.0", "1.1.0"]
        published.publish("greet", "1.2.0")
        assert entries_of("greet", server.url)[-1].version.text == "1.2.0"


def test_another_archive_than_locked_is_refused_and_nothing_is_lost(empty: Path, published: Packages) -> None:
    with serving(published.index) as server:
        pkg(empty, "add", "greet@1.0.0", "--sync", "--index", server.url)
        before = tree_state(empty)
        server.odd["/dl/greet/1.1.0/download"] = lambda request: reply(request, 200, b"another archive")
        failed = pkg(empty, "update", "greet", "--sync", "--index", server.url, code=20).stderr
        assert "X07PKG_DOWNLOAD_FAILED" in failed
        assert "the lock says" in failed
        assert tree_state(empty) == before
        pkg(empty, "verify")
        del server.odd["/dl/greet/1.1.0/download"]
        pkg(empty, "update", "greet", "--sync", "--index", server.url)


def test_a_damaged_cache_heals(published: Packages) -> None:
    with serving(published.index) as server:
        cache = Cache()
        good = archive_of("greet", server.url)
        (kept,) = (cache.folder / "archives").rglob("*.x07pkg")
        kept.write_bytes(b"damaged")
        assert archive_of("greet", server.url) == good
        assert kept.read_bytes() == good
        pages = cache.folder / "pages.sqlite3"
        with closing(sqlite3.connect(pages)) as rows:
            assert rows.execute("UPDATE pages SET body = ?", (b"damaged",)).rowcount > 0
            rows.commit()
        assert archive_of("greet", server.url) == good
        pages.write_bytes(b"damaged " * 1000)
        assert archive_of("greet", server.url) == good
        assert archive_of("greet", server.url, offline=True) == good


def test_an_index_that_names_other_files_than_the_archive_holds(empty: Path, published: Packages) -> None:
    page = published.index / PAGE.lstrip("/")
    rows = [json.loads(line) for line in page.read_text(encoding="utf-8").splitlines()]
    rows[-1]["files"]["modules/greet.py"] = "0" * 64
    page.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    before = tree_state(empty)
    assert "X07PKG_SOURCE_CHANGED" in pkg(empty, "add", "greet", "--sync", "--index", published.url, code=20).stderr
    assert tree_state(empty) == before


def test_a_token_goes_to_its_host_alone(published: Packages) -> None:
    with serving(published.index) as mirror, serving(published.index) as server:
        server.odd["/config.json"] = lambda request: reply(
            request, 200, json.dumps({"dl": mirror.url + "dl/"}).encode()
        )
        path = store_token(server.url, "secret-token")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        archive_of("greet", server.url)
        assert server.tokens() == {"Bearer secret-token"}
        assert mirror.tokens() == {None}
        mirror.asked.clear()
        server.odd["/ba/se/base"] = lambda request: reply(request, 302, b"", Location=mirror.url + "ba/se/base")
        assert entries_of("base", server.url)
        assert mirror.tokens() == {None}


def test_login_stores_for_the_owner_alone(empty: Path) -> None:
    import subprocess
    import sys

    command = [str(Path(sys.executable).parent / "x07"), "pkg", "login", "--index", "https://packages.invalid/index/"]
    subprocess.run(command, input="abc\n", text=True, check=True, cwd=empty, capture_output=True)
    assert read_tokens() == {"https://packages.invalid:443": "abc"}
    assert stat.S_IMODE(credentials_path().stat().st_mode) == 0o600
    failed = subprocess.run(command, input="a b", text=True, check=False, cwd=empty, capture_output=True)
    assert "X07PKG_LOGIN_TOKEN" in failed.stderr
    credentials_path().chmod(0o644)
    with pytest.raises(PackageError, match=r"X07PKG_CREDENTIALS.*others can read"):
        read_tokens()
    credentials_path().write_text("{}", encoding="utf-8")
    credentials_path().chmod(0o600)
    with pytest.raises(PackageError, match="X07PKG_CREDENTIALS"):
        read_tokens()


def test_a_home_that_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_PKG_HOME", "/proc/x07")
    with pytest.raises(FileError, match="X07IO_WRITE"):
        store_token("https://packages.invalid/", "abc")


@pytest.mark.parametrize(
    "url",
    [
        "http://packages.invalid/index/",
        "ftp://packages.invalid/",
        "https://user:word@packages.invalid/",
        "file://elsewhere/index/",
        "index",
        "https://",
        "https://[bad/",
    ],
)
def test_urls_that_are_never_fetched(empty: Path, url: str) -> None:
    with pytest.raises(PackageError, match="X07PKG_INDEX_CONFIG") as caught:
        SparseIndex(url)
    assert "word" not in str(caught.value)


def test_a_server_that_fails_is_asked_again(published: Packages) -> None:
    failures = iter([503, 500])

    def odd(request: BaseHTTPRequestHandler) -> bool:
        status = next(failures, None)
        return status is not None and reply(request, status, b"")

    with serving(published.index) as server:
        server.odd[PAGE] = odd
        assert len(entries_of("greet", server.url)) == 2
        server.odd[PAGE] = lambda request: reply(request, 503, b"")
        server.asked.clear()
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*answers 503, 3 times"):
            entries_of("greet", server.url)
        assert len(server.asked) == ATTEMPTS


def test_a_server_that_hangs_or_dawdles_does_not_hold_us(published: Packages) -> None:
    def dawdle(request: BaseHTTPRequestHandler) -> bool:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        try:
            for _ in range(1000):
                request.wfile.write(b"x")
                time.sleep(0.05)
        except OSError:
            pass
        return True

    def hang(request: BaseHTTPRequestHandler) -> bool:
        time.sleep(2)
        return True

    with serving(published.index) as server:
        server.odd[PAGE] = dawdle
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*takes more than"):
            entries_of("greet", server.url, fetcher=Fetcher(timeout_s=60, deadline_s=0.3))
        server.odd[PAGE] = hang
        fetcher = Fetcher(timeout_s=0.2, deadline_s=60)
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*no answer in time, 3 times"):
            entries_of("greet", server.url, fetcher=fetcher)
    with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*refused"):
        entries_of("greet", server.url, fetcher=fetcher)


def redirect(target: str) -> Misbehave:
    return lambda request: reply(request, 301, b"", Location=target)


@pytest.mark.parametrize(
    ("target", "code"),
    [
        (PAGE, "X07PKG_INDEX_FETCH"),
        ("file:///etc/hostname", "X07PKG_INDEX_FETCH"),
        ("http://packages.invalid/", "X07PKG_INDEX_CONFIG"),
    ],
)
def test_redirects_lead_nowhere_bad(published: Packages, target: str, code: str) -> None:
    with serving(published.index) as server:
        server.odd[PAGE] = redirect(target)
        with pytest.raises(PackageError, match=code):
            entries_of("greet", server.url)


def test_a_page_that_is_too_large_is_not_read(published: Packages) -> None:
    with serving(published.index) as server:
        server.odd[PAGE] = lambda request: reply(request, 200, b"x" * (8 * 1024 * 1024 + 1))
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*more than"):
            entries_of("greet", server.url)
        server.odd[PAGE] = lambda request: reply(request, 403, b"")
        with pytest.raises(PackageError, match=r"X07PKG_INDEX_FETCH.*403") as caught:
            entries_of("greet", server.url)
        assert "x07 pkg login" in str(caught.value.hint)


def test_the_names_of_the_toolchain_are_reserved(empty: Path, packages: Packages) -> None:
    with pytest.raises(PackageError, match="X07PKG_PUBLISH_EXISTS"):
        packages.publish("ext-msg-core", "9.0.0")
    packages.publish("base", "9.0.0")
    page = packages.index / page_path("ext-msg-core")
    page.parent.mkdir(parents=True)
    row = json.loads((packages.index / page_path("base")).read_text(encoding="utf-8"))
    row["package"]["name"] = "ext-msg-core"
    page.write_text(json.dumps(row), encoding="utf-8")
    assert "+ ext-msg-core 0.2.0" in pkg(empty, "add", "ext-msg-core", "--index", packages.url).stdout


def test_installing_from_an_index_needs_one(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    (entry,) = entries_of("greet", packages.url)
    with pytest.raises(PackageError, match="X07PKG_INDEX_NONE"):
        install(empty, [locked_package(entry, direct=True, patched=False, required_by=())], None)


def test_an_index_that_is_none(packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    (packages.index / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(PackageError, match="X07PKG_INDEX_CONFIG"):
        archive_of("greet", packages.url)


def test_a_lock_without_its_index(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    manifest = empty / "pyproject.toml"
    manifest.write_text(f'[tool.x07.index]\nurl = "{packages.url}"\n', encoding="utf-8")
    pkg(empty, "add", "greet")
    (packages.index / "dl/greet/1.0.0/download").unlink()
    assert "the index has no archive of greet 1.0.0" in pkg(empty, "sync", code=20).stderr
    manifest.write_text('[tool.x07.dependencies]\ngreet = "1.0.0"\n', encoding="utf-8")
    assert "X07PKG_LOCK_MISMATCH" in pkg(empty, "sync", code=20).stderr


def test_publishing_never_changes_what_was_published(empty: Path, packages: Packages) -> None:
    first = packages.publish("greet", "1.0.0")
    assert packages.publish("greet", "1.0.0") == first
    folder = packages.make("greet", "1.0.0")
    (folder / "modules" / "greet.py").write_text("changed = True\n", encoding="utf-8")
    failed = pkg(empty, "publish", "--package", str(folder), "--to", str(packages.index), code=20).stderr
    assert "X07PKG_PUBLISH_EXISTS" in failed
    out = empty / "greet.x07pkg"
    pkg(empty, "pack", "--package", str(folder), "-o", str(out))
    assert out.read_bytes()


def test_a_yanked_version_is_for_those_who_have_it(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    packages.publish("greet", "1.1.0")
    manifest = empty / "pyproject.toml"
    manifest.write_text(f'[tool.x07.index]\nurl = "{packages.url}"\n', encoding="utf-8")
    pkg(empty, "add", "greet@^1")
    pkg(empty, "yank", "greet@1.1.0", "--to", str(packages.index))
    assert "1.1.0  yanked" in pkg(empty, "versions", "greet").stdout
    assert "greet 1.1.0: was yanked" in pkg(empty, "audit", code=20).stdout
    pkg(empty, "lock")
    pkg(empty, "lock", "--check")
    assert "greet 1.1.0 -> 1.0.0" in pkg(empty, "lock", "--upgrade").stdout
    assert pkg(empty, "audit").stdout == "1 packages, 0 findings\n"
    pkg(empty, "yank", "greet@1.1.0", "--to", str(packages.index), "--undo")
    assert "newest 1.1.0" in pkg(empty, "outdated").stdout
    assert "X07PKG_INDEX_NO_MATCH" in pkg(empty, "yank", "greet@9.0.0", "--to", str(packages.index), code=20).stderr


def test_a_yanked_pin_moves_to_what_is_left(empty: Path, packages: Packages) -> None:
    for name, version in (("greet", "1.0.0"), ("greet", "2.0.0"), ("wave", "1.0.0")):
        packages.publish(name, version)
    (empty / "pyproject.toml").write_text(f'[tool.x07.index]\nurl = "{packages.url}"\n', encoding="utf-8")
    pkg(empty, "add", "greet")
    pkg(empty, "add", "wave")
    pkg(empty, "yank", "greet@2.0.0", "--to", str(packages.index))
    packages.publish("wave", "1.1.0")
    assert pkg(empty, "update").stdout == "v greet 2.0.0 -> 1.0.0\n^ wave 1.0.0 -> 1.1.0\n"
    pkg(empty, "yank", "greet@1.0.0", "--to", str(packages.index))
    packages.publish("wave", "1.2.0")
    done = pkg(empty, "update")
    assert "^ wave 1.1.0 -> 1.2.0" in done.stdout
    assert "greet 1.0.0 was yanked" in done.stderr


def test_versions_with_advisories_are_the_last_choice(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    packages.publish("greet", "1.1.0")
    page = packages.index / PAGE.lstrip("/")
    rows = [json.loads(line) for line in page.read_text(encoding="utf-8").splitlines()]
    rows[1]["advisories"] = [{"id": "A-1", "severity": "high", "summary": "it bites"}]
    page.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    (empty / "pyproject.toml").write_text(f'[tool.x07.index]\nurl = "{packages.url}"\n', encoding="utf-8")
    assert "+ greet 1.0.0" in pkg(empty, "add", "greet").stdout
    assert "has advisories A-1" in pkg(empty, "update", "greet@1.1.0").stderr
    assert "advisory A-1 high it bites" in pkg(empty, "audit", code=20).stdout
    assert "advisory A-1" in pkg(empty, "audit", "--offline", code=20).stdout
    rows[1]["advisories"][0]["withdrawn_at_utc"] = "2026-01-01T00:00:00Z"
    page.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    pkg(empty, "audit")


def test_a_connection_is_used_again(published: Packages) -> None:
    with serving(published.index) as server:
        entries_of("greet", server.url)
        server.ports.clear()
        with SparseIndex(server.url) as index:
            index.entries("greet")
            index.entries("base")
        assert len(server.ports) == 1


def test_the_index_is_asked_for_what_is_needed_and_side_by_side(published: Packages) -> None:
    with serving(published.index) as server:
        seen: list[tuple[int, int]] = []
        with SparseIndex(server.url, progress=lambda done, known: seen.append((done, known))) as index:
            index.prefetch(["greet"])
        assert {path for path, _ in server.asked} == {PAGE, "/ba/se/base"}
        assert seen[-1] == (2, 2)


def test_two_packages_with_one_module(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0", modules="same")
    packages.publish("base", "1.0.0", modules="same")
    pkg(empty, "add", "greet", "--index", packages.url)
    assert "X07PKG_MODULE_CLASH" in pkg(empty, "add", "base", "--index", packages.url, code=20).stderr


def test_a_package_for_another_x07py_is_passed_over(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    packages.publish("greet", "2.0.0", x07py_compat=">=9")
    assert "+ greet 1.0.0" in pkg(empty, "add", "greet", "--index", packages.url).stdout
    pkg(empty, "remove", "greet", "--index", packages.url)
    failed = pkg(empty, "add", "greet@2.0.0", "--index", packages.url, code=20).stderr
    assert "it needs x07py >=9" in failed
    assert "x07 pkg add greet@1.0.0 --sync" in failed


def test_prereleases_are_for_those_who_ask(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    packages.publish("greet", "1.1.0-rc.1")
    assert "+ greet 1.0.0" in pkg(empty, "add", "greet", "--index", packages.url).stdout
    shown = pkg(empty, "update", "greet@>=1.1.0-rc.1", "--index", packages.url).stdout
    assert "greet 1.0.0 -> 1.1.0-rc.1" in shown
