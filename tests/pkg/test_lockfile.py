"""Writing a lock and reading it: what comes back is what went in, and the quick reader never differs from tomllib."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.pkg.test_installed import lock_text
from x07py.contracts.lockfile import LockedPackage, _as_written, parse_lock
from x07py.errors import PackageError
from x07py.pkg.lockfile import differences, render_lock

TEXTS = st.lists(st.text(max_size=8), max_size=3).map(tuple)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
PATHS = st.text("abc-_. \"'\\é✓", min_size=1, max_size=6).filter(
    lambda text: "\\" not in text and text not in {".", ".."}
)


@st.composite
def packages(draw: st.DrawFn) -> dict[str, LockedPackage]:
    names = draw(st.lists(st.from_regex(r"[a-z][a-z0-9_-]{0,9}", fullmatch=True), unique=True, max_size=4))
    return {
        name: LockedPackage(
            name=name,
            version=draw(st.sampled_from(["1.0.0", "0.1.2-rc.1+b"])),
            source=draw(st.text(max_size=8)),
            direct=draw(st.booleans()),
            patched=draw(st.booleans()),
            required_by=tuple(draw(st.lists(st.sampled_from(names), max_size=3))),
            requires=tuple(f"{other}@^1" for other in draw(st.lists(st.sampled_from(names), max_size=3))),
            requires_dists=draw(TEXTS),
            x07py_compat=draw(st.sampled_from([None, ">=0.1", "^0.1"])),
            worlds=draw(TEXTS),
            module_root=draw(st.sampled_from([".", "modules"])),
            modules=draw(TEXTS),
            archive_sha256=draw(st.none() | DIGESTS),
            signed_by=draw(st.none() | st.text(max_size=8)),
            files=draw(st.dictionaries(PATHS, DIGESTS, max_size=3)),
            yanked=draw(st.booleans()),
            advisories=draw(TEXTS),
        )
        for name in names
    }


@given(packages())
def test_a_lock_that_is_written_is_read_again(chosen: dict[str, LockedPackage]) -> None:
    data = render_lock(chosen)
    assert parse_lock(data, where="x07.lock").packages == chosen
    assert render_lock(dict(reversed(chosen.items()))) == data
    text = data.decode()
    assert _as_written(text) in (None, tomllib.loads(text))


@given(packages(), st.data())
def test_the_quick_reader_agrees_with_tomllib_on_what_is_not_as_written(
    chosen: dict[str, LockedPackage], data: st.DataObject
) -> None:
    text = render_lock(chosen).decode()
    at = data.draw(st.integers(0, len(text)))
    insert = data.draw(
        st.sampled_from(['"', "\\", "]", "[", "\n", "\r", "=", " ", "#", "\x01", "[package.files]\n", "x = 1\n"])
    )
    changed = text[:at] + insert + text[at + data.draw(st.integers(0, 3)) :]
    quick = _as_written(changed)
    if quick is not None:
        assert quick == tomllib.loads(changed)


@given(st.binary(max_size=200))
def test_no_bytes_surprise_the_reader(data: bytes) -> None:
    for text in (data, lock_text().encode()[:60] + data):
        try:
            parse_lock(text, where="x07.lock")
        except PackageError as error:
            assert error.code == "X07PKG_LOCK_PARSE"


def test_the_quick_reader_reads_what_x07_writes() -> None:
    package = parse_lock(lock_text().encode(), where="x07.lock").packages["greet"]
    text = render_lock({"greet": package}).decode()
    assert _as_written(text) == tomllib.loads(text)


def test_differences_name_each_fact() -> None:
    lock = parse_lock(lock_text().encode(), where="x07.lock")
    package = lock.packages["greet"]
    changed = replace(package, direct=False, worlds=("run-os",), files={**package.files, "new.py": "0" * 64})
    assert differences(lock, {"greet": changed}) == [
        "greet: direct is True in the lock, should be False",
        "greet: worlds is run-os, solve-pure in the lock, should be run-os",
        "greet: files differ: new.py",
    ]
