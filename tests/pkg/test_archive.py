"""Archives: the same bytes for the same content, and a reader that no archive can lead outside or exhaust."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.damage import changed_bytes, truncations
from tests.pkg.builders import Packages, pkg, tree_state
from tests.pkg.server import serving
from x07py.contracts.lockfile import is_inside
from x07py.errors import PackageError
from x07py.pkg import archive as archive_module
from x07py.pkg.archive import MAX_ARCHIVE, pack, unpack
from x07py.pkg.publish import pack_folder

Attack = Callable[[], bytes]


def member(name: str, data: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), 0, 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def tar(*members: tuple[tarfile.TarInfo, bytes], layout: int = tarfile.USTAR_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout) as file:
        for info, data in members:
            file.addfile(info, io.BytesIO(data))
    return out.getvalue()


def with_header(**fields: bytes) -> bytes:
    """Return an archive of one file whose header has other bytes in some fields and a checksum that fits."""
    places = {"name": 0, "size": 124, "type": 156, "link": 157}
    header = bytearray(pack({"a": b"x"}, where="t")[:512])
    for name, data in fields.items():
        header[places[name] : places[name] + len(data)] = data
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + pack({"a": b"x"}, where="t")[512:]


ATTACKS: dict[str, Attack] = {
    "absolute path": lambda: with_header(name=b"/tmp/x07-evil"),
    "parent path": lambda: with_header(name=b"../../evil"),
    "parent path inside": lambda: with_header(name=b"a/../../evil"),
    "dot path": lambda: with_header(name=b"./a"),
    "backslash": lambda: with_header(name=b"..\\evil"),
    "symbolic link": lambda: with_header(type=b"2", link=b"/etc/passwd", size=b"00000000000"),
    "hard link": lambda: with_header(type=b"1", link=b"/etc/passwd", size=b"00000000000"),
    "character device": lambda: with_header(type=b"3"),
    "block device": lambda: with_header(type=b"4"),
    "folder": lambda: with_header(type=b"5"),
    "fifo": lambda: with_header(type=b"6"),
    "sparse file": lambda: with_header(type=b"S", size=b"77777777777"),
    "pax header": lambda: tar(member("a", pax_headers={"path": "../evil"}), layout=tarfile.PAX_FORMAT),
    "gnu long name": lambda: tar(member("a/" * 120 + "b"), layout=tarfile.GNU_FORMAT),
    "duplicate": lambda: pack({"a": b"x"}, where="t")[:1024] * 2 + bytes(1024),
    "file and folder": lambda: pack({"a": b"x"}, where="t")[:1024] + pack({"a/b": b"y"}, where="t"),
    "size beyond the end": lambda: with_header(size=b"77777777777"),
    "negative size": lambda: with_header(size=b"-0000000001")[:512] + bytes(1024),
    "hidden in padding": lambda: pack({"a": b"x"}, where="t")[:600] + b"evil" + pack({"a": b"x"}, where="t")[604:],
    "second archive behind": lambda: pack({"a": b"x"}, where="t") * 2,
    "other mode": lambda: tar(member("a", mode=0o4755)),
    "too many files": lambda: b"".join(pack({f"f{n}": b""}, where="t")[:512] for n in range(5000)) + bytes(1024),
    "too large": lambda: bytes(MAX_ARCHIVE + 1),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_the_reader_refuses(attack: Attack) -> None:
    with pytest.raises(PackageError, match="X07PKG_ARCHIVE_UNSAFE"):
        unpack(attack(), where="t")


@pytest.mark.parametrize("way", ["file", "http"])
def test_no_attack_writes_anything_when_it_is_added(empty: Path, packages: Packages, way: str) -> None:
    good = packages.publish("greet", "1.0.0")
    page = packages.index / "gr" / "ee" / "greet"
    before = tree_state(empty)
    outside = {path for path in packages.folder.rglob("*") if packages.index not in path.parents}
    with serving(packages.index) as server:
        url = packages.url if way == "file" else server.url
        for name in sorted(ATTACKS.keys() - {"too large"}):
            data = ATTACKS[name]()
            page.write_text(json.dumps({**good, "cksum": hashlib.sha256(data).hexdigest()}), encoding="utf-8")
            (packages.index / "dl" / "greet" / "1.0.0" / "download").write_bytes(data)
            failed = pkg(empty, "add", "greet", "--sync", "--index", url, code=20)
            assert "X07PKG_ARCHIVE_UNSAFE" in failed.stderr, name
            assert tree_state(empty) == before
    now = {path for path in packages.folder.rglob("*") if packages.index not in path.parents}
    assert {path.name for path in now - outside} <= {".x07", "guard", ".gitignore"}
    assert not Path("/tmp/x07-evil").exists()


def test_a_bomb_is_not_downloaded(empty: Path, packages: Packages) -> None:
    packages.publish("greet", "1.0.0")
    with (packages.index / "dl" / "greet" / "1.0.0" / "download").open("wb") as file:
        file.truncate(1 << 40)
    with serving(packages.index) as server:
        for url in (packages.url, server.url):
            server.odd["/dl/greet/1.0.0/download"] = _endless
            failed = pkg(empty, "add", "greet", "--sync", "--index", url, code=20).stderr
            assert "X07PKG_DOWNLOAD_FAILED" in failed
            assert "more than" in failed


def _endless(handler: BaseHTTPRequestHandler) -> bool:
    handler.send_response(200)
    handler.send_header("Connection", "close")
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 20))
    except OSError:
        return True


@given(st.dictionaries(st.text(min_size=1, max_size=300).filter(is_inside), st.binary(max_size=1500), max_size=6))
def test_what_is_packed_is_unpacked(contents: dict[str, bytes]) -> None:
    try:
        data = pack(contents, where="t")
    except (PackageError, UnicodeEncodeError):
        return
    folders = {path[:cut] for path in contents for cut in range(len(path)) if path[cut] == "/"}
    if folders & contents.keys():
        return
    assert unpack(data, where="t") == contents
    assert pack(dict(reversed(contents.items())), where="t") == data
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        assert {info.name: file.extractfile(info).read() for info in file} == contents  # type: ignore[union-attr]


def test_a_damaged_archive_is_refused_or_has_plain_names() -> None:
    data = pack({"a/b.py": b"code", "c": b""}, where="t")
    for damaged in (*truncations(data), *changed_bytes(data[:600])):
        try:
            files = unpack(damaged, where="t")
        except PackageError as error:
            assert error.code == "X07PKG_ARCHIVE_UNSAFE"
        else:
            assert all(is_inside(path) for path in files)


def test_packing_twice_gives_the_same_bytes(packages: Packages) -> None:
    folder = packages.make("greet", "1.0.0")
    _, first = pack_folder(folder)
    for path in folder.rglob("*"):
        path.touch()
    (folder / "not-listed.txt").write_text("left out", encoding="utf-8")
    assert pack_folder(folder)[1] == first


@pytest.mark.parametrize("field", ["description", "docs", "license"])
def test_what_readers_need_must_be_there(packages: Packages, field: str) -> None:
    manifest = packages.make("greet", "1.0.0") / "x07-package.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    del document[field]
    manifest.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(PackageError, match=f"X07PKG_PACK_FAILED.*{field}"):
        pack_folder(manifest.parent)


def test_a_path_that_no_archive_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("x" * 101, "a/" * 200 + "b", "../x"):
        with pytest.raises(PackageError, match="X07PKG_PACK_FAILED"):
            pack({path: b""}, where="t")
    monkeypatch.setattr(archive_module, "MAX_FILES", 1)
    with pytest.raises(PackageError, match="X07PKG_PACK_FAILED"):
        pack({"a": b"", "b": b""}, where="t")
