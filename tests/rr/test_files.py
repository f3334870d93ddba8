"""Nothing is lost: killed recordings, several writers, changed files, a full disk, a folder that cannot be written."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.rr.builders import entry, framed, opened, stored
from tests.support.project import REPOSITORY, x07
from tests.support.tmpfs import small_tmpfs
from x07py.contracts.schemas import load_schema
from x07py.errors import CassetteError, FileError
from x07py.files import replace_file
from x07py.rr import Cassette, Mode
from x07py.rr.cassette_files import SideFile

KILLS = 30


def start_writer(root: Path, mode: str, count: int, *hold: str) -> subprocess.Popen[str]:
    args = [sys.executable, "-m", "tests.rr.writer", str(root), mode, str(count), *hold]
    return subprocess.Popen(args, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_recording(tmp_path: Path, number: int) -> None:
    rng = random.Random(number)
    mode = rng.choice(["record", "record_missing", "rewrite"])
    path = stored(tmp_path, entry(100), entry(101))
    before = path.read_bytes()
    with start_writer(tmp_path, mode, 0) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(rng.uniform(0, 0.08))
        process.send_signal(signal.SIGKILL)
        written = 1 + sum(1 for line in process.stdout if line.endswith("\n"))

    assert path.read_bytes() == before
    kept = 0 if mode == "rewrite" else 2
    with pytest.raises(CassetteError) as caught:
        opened(tmp_path, Mode.RECORD).__enter__()
    assert caught.value.code == 2053
    target = tmp_path / "new.x07rr.bin" if mode == "rewrite" else path
    options = ["-o", str(target)] if mode == "rewrite" else []
    done = x07("rr", "recover", "c.x07rr.bin", *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    recovered = Cassette.load(target)
    assert len(recovered) in {kept + written, kept + written + 1}
    assert [one.req for one in recovered.entries[kept:]] == [b"req%d" % n for n in range(len(recovered) - kept)]
    assert path.with_name(path.name + ".partial").exists() == (mode == "rewrite")
    assert x07("rr", "verify", str(target), cwd=tmp_path).returncode == 0
    if mode == "rewrite":
        assert path.read_bytes() == before


def test_a_recovered_partial_ends_at_its_last_whole_entry(tmp_path: Path) -> None:
    path = stored(tmp_path)
    whole = framed(entry(0), entry(1))
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(whole + framed(entry(2))[:-3])
    done = x07("rr", "recover", "c.x07rr.bin", cwd=tmp_path)
    assert done.returncode == 0
    assert "dropped" in done.stderr
    assert path.read_bytes() == whole


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(entry(0))
        other = start_writer(tmp_path, "record", 1)
        assert other.communicate()[0] == "error 2052\n"
        with pytest.raises(CassetteError) as caught:
            opened(tmp_path, Mode.REWRITE).__enter__()
        assert caught.value.code == 2052
    assert len(Cassette.load(tmp_path / ".x07_rr" / "c.x07rr.bin")) == 1


def test_three_writers_in_turn_lose_nothing(tmp_path: Path) -> None:
    """Each tries again until it gets its turn; one that read before it held the lock would drop another's entries."""
    turns, workers = 12, 3
    script = (
        "import sys, pathlib\n"
        "from tests.rr.builders import entry, opened\n"
        "from x07py.errors import CassetteError\n"
        "from x07py.rr import Mode\n"
        "done = 0\n"
        f"while done < {turns}:\n"
        "    try:\n"
        "        with opened(pathlib.Path(sys.argv[1]), Mode.RECORD) as session:\n"
        "            session.append(entry(done, key=sys.argv[2]))\n"
        "        done += 1\n"
        "    except CassetteError as error:\n"
        "        assert error.code == 2052, error\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path), f"writer{number}"], cwd=REPOSITORY)
        for number in range(workers)
    ]
    assert [writer.wait(600) for writer in writers] == [0] * workers
    found = [(one.key, one.req) for one in Cassette.load(tmp_path / ".x07_rr" / "c.x07rr.bin").entries]
    assert sorted(found) == sorted((f"writer{w}", b"req%d" % n) for w in range(workers) for n in range(turns))


def test_an_interrupted_session_keeps_its_partial(tmp_path: Path) -> None:
    path = tmp_path / ".x07_rr" / "c.x07rr.bin"
    with pytest.raises(KeyError):
        _record_and_fail(tmp_path)
    assert not path.exists()
    assert path.with_name(path.name + ".partial").read_bytes() == framed(entry(0))
    assert x07("rr", "recover", "--discard", "c.x07rr.bin", cwd=tmp_path).returncode == 0
    assert list(path.parent.iterdir()) == []


def test_a_recording_is_private_until_it_is_published(tmp_path: Path) -> None:
    cassette = tmp_path / ".x07_rr" / "c.x07rr.bin"
    partial = cassette.with_name(cassette.name + ".partial")
    before = os.umask(0o022)
    try:
        for mode in (0o644, 0o640):
            with opened(tmp_path, Mode.RECORD) as session:
                session.append(entry())
                assert partial.stat().st_mode & 0o777 == 0o600
            assert cassette.stat().st_mode & 0o777 == mode
            cassette.chmod(0o640)  # what was published keeps what its owner gave it
    finally:
        os.umask(before)


def _record_and_fail(root: Path) -> None:
    with opened(root, Mode.RECORD) as session:
        session.append(entry(0))
        raise KeyError


def test_the_integrity_file(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(entry(0))
    path = tmp_path / ".x07_rr" / "c.x07rr.bin"
    side = SideFile(path)
    document = json.loads(side.path.read_text())
    jsonschema.validate(document, load_schema("x07.rr.cassettes.lock"))
    assert document["cassettes"]["c.x07rr.bin"]["entries"] == 1
    path.write_bytes(framed(entry(7)))
    for mode in (Mode.REPLAY, Mode.RECORD, Mode.RECORD_MISSING):
        with pytest.raises(CassetteError) as caught:
            opened(tmp_path, mode).__enter__()
        assert caught.value.code == 2055
    assert x07("rr", "verify", "c.x07rr.bin", cwd=tmp_path).returncode == 20
    assert x07("rr", "verify", "--write", "c.x07rr.bin", cwd=tmp_path).returncode == 0
    with opened(tmp_path, Mode.REPLAY) as session:
        assert session.next("rr", entry().op, "k").resp == b"resp7"
    side.path.write_text("[]")
    with pytest.raises(CassetteError) as caught:
        opened(tmp_path, Mode.REPLAY).__enter__()
    assert caught.value.code == 2054


def test_the_integrity_file_is_found_from_any_folder(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0))
    assert x07("rr", "verify", "--write", path.name, cwd=tmp_path).returncode == 0
    assert "as recorded here" in x07("rr", "verify", path.name, cwd=path.parent).stdout
    path.write_bytes(framed(entry(1)))
    assert "error[2055]" in x07("rr", "verify", path.name, cwd=path.parent).stderr


def test_a_crash_before_an_unlisted_cassette_is_replaced(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0))
    with SideFile(path) as side:
        side.expect("0" * 64, 1, 1)
    assert SideFile(path).verify(path.read_bytes())


def test_a_pipe_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE) as reader:
        replace_file(pipe, b"data")
        assert reader.stdout is not None
        assert reader.stdout.read() == b"data"
    assert pipe.is_fifo()


def test_a_crash_between_noting_and_renaming(tmp_path: Path) -> None:
    """The side file then names the cassette before and the one after; both are accepted, a third is not."""
    path = stored(tmp_path, entry(0))
    with SideFile(path) as side:
        side.expect(*_facts(framed(entry(0))))
        side.settle()
        side.expect(*_facts(framed(entry(1))))
    for content, fine in ((framed(entry(0)), True), (framed(entry(1)), True), (framed(entry(2)), False)):
        if fine:
            assert SideFile(path).verify(content)
        else:
            with pytest.raises(CassetteError):
                SideFile(path).verify(content)


def _facts(data: bytes) -> tuple[str, int, int]:
    from hashlib import sha256

    return sha256(data).hexdigest(), len(data), 1


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    with small_tmpfs(tmp_path / "disk", kilobytes=64) as folder:
        yield folder


def test_a_full_disk(tiny_disk: Path) -> None:
    path = stored(tiny_disk, entry(0))
    before = path.read_bytes()
    with pytest.raises(FileError) as caught:
        _fill(tiny_disk)
    assert caught.value.code == "X07IO_WRITE"
    assert "the disk is full" in caught.value.message
    assert path.read_bytes() == before
    partial = path.with_name(path.name + ".partial")
    kept = Cassette.load(partial)
    assert len(kept) > 3
    done = x07("rr", "recover", "c.x07rr.bin", cwd=tiny_disk)
    assert done.returncode == 20
    assert "X07IO_WRITE" in done.stderr
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before
    assert partial.exists()
    elsewhere = tiny_disk.parent / "elsewhere.x07rr.bin"
    assert x07("rr", "recover", "-o", str(elsewhere), "c.x07rr.bin", cwd=tiny_disk).returncode == 0
    assert len(Cassette.load(elsewhere)) == len(kept)


def _fill(root: Path) -> None:
    with opened(root, Mode.RECORD) as session:
        for number in range(1000):
            session.append(entry(number, resp=bytes(5000)))


def test_a_write_is_whole_or_not_at_all(tiny_disk: Path) -> None:
    file = tiny_disk / "file"
    replace_file(file, b"before")
    with pytest.raises(FileError, match="the disk is full"):
        replace_file(file, bytes(10**6))
    assert file.read_bytes() == b"before"
    assert list(tiny_disk.iterdir()) == [file]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "disk", kilobytes=64, read_only=True) as folder:
        with pytest.raises(FileError) as caught:
            opened(folder, Mode.RECORD).__enter__()
        assert caught.value.code == "X07IO_WRITE"
