"""Entries of an index that lie, and their signatures; over real HTTP and file URLs."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pkg.builders import Packages, pkg
from tests.pkg.server import serving
from tests.pkg.test_index import PAGE, entries_of
from x07py.errors import FileError, PackageError
from x07py.pkg.signing import make_key


@pytest.fixture(params=["file", "http"])
def url(packages: Packages, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of the index, by each way of reaching it."""
    with serving(packages.index) as server:
        yield packages.url if request.param == "file" else server.url


BAD_ROWS = {
    "not json": b"{",
    "not an object": b"[]",
    "key twice": b'{"cksum": 1, "cksum": 2}',
    "other schema": b'{"schema_version": "x07.index-entry@9.9.9"}',
}


@pytest.mark.parametrize("line", BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_line_that_is_no_entry(published: Packages, url: str, line: bytes) -> None:
    (published.index / PAGE.lstrip("/")).write_bytes(line + b"\n")
    with pytest.raises(PackageError, match="X07PKG_INDEX_PARSE"):
        entries_of("greet", url)


CHANGES = {
    "other name": ({"package.name": "evil"}, "X07PKG_INDEX_PARSE"),
    "digest": ({"cksum": "x"}, "X07PKG_INDEX_PARSE"),
    "yanked": ({"yanked": "no"}, "X07PKG_INDEX_PARSE"),
    "files": ({"files": {"../evil": "0" * 64}}, "X07PKG_INDEX_PARSE"),
    "advisories": ({"advisories": [1]}, "X07PKG_INDEX_PARSE"),
    "version": ({"package.version": "1"}, "X07PKG_MANIFEST_PARSE"),
    "module": ({"package.modules": ["../evil"]}, "X07PKG_MANIFEST_PARSE"),
    "root": ({"package.module_root": ".."}, "X07PKG_MANIFEST_PARSE"),
    "worlds": ({"package.meta": {"worlds_allowed": ["moon"]}}, "X07PKG_MANIFEST_PARSE"),
    "requires": (
        {"package.meta": {"worlds_allowed": ["run-os"], "requires_packages": ["base"]}},
        "X07PKG_MANIFEST_PARSE",
    ),
}


@pytest.mark.parametrize(("change", "code"), CHANGES.values(), ids=CHANGES)
def test_an_entry_that_lies(published: Packages, url: str, change: dict[str, object], code: str) -> None:
    page = published.index / PAGE.lstrip("/")
    row = json.loads(page.read_text(encoding="utf-8").splitlines()[0])
    for place, value in change.items():
        *outer, last = place.split(".")
        (row[outer[0]] if outer else row)[last] = value
    page.write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(PackageError, match=code):
        entries_of("greet", url)


def test_a_version_twice(published: Packages, url: str) -> None:
    page = published.index / PAGE.lstrip("/")
    page.write_bytes(page.read_bytes() * 2)
    with pytest.raises(PackageError, match=r"X07PKG_INDEX_PARSE.*twice"):
        entries_of("greet", url)


class TestSignatures:
    """With a key in the manifest every entry must be signed by it, over all but yanked and advisories."""

    @pytest.fixture
    def signed(self, packages: Packages, url: str, empty: Path) -> dict[str, str]:
        key = packages.folder / "acme.key"
        public = make_key(key)
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
        packages.publish("greet", "1.0.0", key=key)
        text = f'[tool.x07.index]\nurl = "{url}"\n[tool.x07.index.keys]\nacme = "{public}"\n'
        (empty / "pyproject.toml").write_text(text, encoding="utf-8")
        return {"acme": public}

    def change(self, packages: Packages, **fields: object) -> None:
        page = packages.index / PAGE.lstrip("/")
        page.write_text(json.dumps({**json.loads(page.read_text(encoding="utf-8")), **fields}), encoding="utf-8")

    @pytest.mark.usefixtures("signed")
    def test_a_signed_package_is_added(self, empty: Path) -> None:
        pkg(empty, "add", "greet", "--sync")

    def test_yanking_does_not_break_the_signature(self, signed: dict[str, str], packages: Packages, url: str) -> None:
        self.change(packages, yanked=True)
        assert entries_of("greet", url, keys=signed)[0].yanked

    @pytest.mark.usefixtures("signed")
    @pytest.mark.parametrize("field", ["cksum", "files", "package"])
    def test_a_changed_entry_is_refused(self, packages: Packages, empty: Path, field: str) -> None:
        values = {"cksum": "0" * 64, "files": {}, "package": {"name": "greet", "version": "1.0.0"}}
        self.change(packages, **{field: values[field]})
        assert "X07PKG_SIGNATURE_INVALID" in pkg(empty, "add", "greet", code=20).stderr

    @pytest.mark.parametrize(
        ("signature", "code"),
        [
            (None, "X07PKG_UNSIGNED"),
            ({"kind": "rsa", "key_id": "acme"}, "X07PKG_SIGNATURE_UNSUPPORTED"),
            ({"kind": "ed25519", "key_id": "other"}, "X07PKG_SIGNATURE_KEY_MISSING"),
            ({"kind": "ed25519", "key_id": "acme", "ed25519_sig": "?"}, "X07PKG_SIGNATURE_INVALID"),
        ],
    )
    def test_other_signatures(
        self, signed: dict[str, str], packages: Packages, url: str, signature: object, code: str
    ) -> None:
        self.change(packages, signature=signature)
        with pytest.raises(PackageError, match=code):
            entries_of("greet", url, keys=signed)

    def test_a_file_that_is_no_key(self, packages: Packages) -> None:
        key = packages.folder / "bad.key"
        key.write_text("nonsense", encoding="utf-8")
        with pytest.raises(PackageError, match="X07PKG_KEY"):
            packages.publish("greet", "1.0.0", key=key)
        with pytest.raises(FileError, match="X07IO_WRITE"):
            make_key(key)
