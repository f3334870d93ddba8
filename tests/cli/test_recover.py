"""``x07 rr recover`` loses nothing: what it replaces is kept, and what it cannot recover it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import refused
from tests.rr.builders import entry, framed, opened, stored
from tests.rr.test_files import start_writer
from tests.support.project import x07
from x07py.rr import Cassette, Mode

NAME = "c.x07rr.bin"


@pytest.mark.parametrize("content", [b"notes of a meeting", b"", framed(entry(0))[:-1], framed(entry(0), entry(1))])
def test_a_file_with_nothing_to_recover_stays(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    refused("rr", "recover", "notes.txt", cwd=tmp_path, code="2063")
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]


def test_a_damaged_cassette_is_kept(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0), entry(1), entry(2))
    damaged = path.read_bytes()[:-3]
    path.write_bytes(damaged)
    assert x07("rr", "recover", NAME, cwd=tmp_path).returncode == 0
    assert len(Cassette.load(path)) == 2
    kept = path.with_name(NAME + ".damaged")
    assert kept.read_bytes() == damaged
    path.write_bytes(damaged)
    refused("rr", "recover", NAME, cwd=tmp_path, code="X07IO_EXISTS")
    assert path.read_bytes() == damaged
    assert kept.read_bytes() == damaged


def test_an_interrupted_rewrite_does_not_replace_the_old_cassette(tmp_path: Path) -> None:
    path = stored(tmp_path, *(entry(number) for number in range(50)))
    before = path.read_bytes()
    session = opened(tmp_path, Mode.REWRITE)
    session.__enter__()
    session.append(entry(99))
    session.__exit__(RuntimeError, RuntimeError(), None)
    refused("rr", "recover", NAME, cwd=tmp_path, code="2064")
    assert path.read_bytes() == before
    other = tmp_path / "new.x07rr.bin"
    assert x07("rr", "recover", NAME, "-o", str(other), cwd=tmp_path).returncode == 0
    assert len(Cassette.load(other)) == 1


@pytest.mark.parametrize("options", [(), ("--discard",)])
def test_a_recording_that_goes_on_is_left_alone(tmp_path: Path, options: tuple[str, ...]) -> None:
    with start_writer(tmp_path, "record", 3, "300") as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        refused("rr", "recover", NAME, *options, cwd=tmp_path, code="2052")
        partial = tmp_path / ".x07_rr" / f"{NAME}.partial"
        assert len(Cassette.load(partial)) == 3
        process.kill()


def test_an_output_folder_that_does_not_exist(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0), entry(1))
    path.write_bytes(path.read_bytes()[:-1])
    refused("rr", "recover", NAME, "-o", "no/such/folder.bin", cwd=tmp_path, code="X07IO_WRITE")
