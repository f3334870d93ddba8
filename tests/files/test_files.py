"""One way to read and one way to write: kinds of files, links that lead out, full disks, and what is left behind."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.rr.builders import entry, framed, opened
from tests.support.project import x07
from x07py.errors import CassetteError, FileError
from x07py.files import LinkError, NotAFileError, TooLargeError, make_folder, open_folder, read_file, replace_file
from x07py.rr import Mode

MiB = 1 << 20


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1234")
    (tmp_path / "b").symlink_to("a")
    assert read_file(tmp_path / "a", limit=4) == read_file(tmp_path / "b", limit=4, root=tmp_path) == b"1234"


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder", "device", "link to a device", "process"])
def test_what_is_no_file_is_not_opened(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "socket":
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
        case "folder":
            path.mkdir()
        case "device":
            path = Path("/dev/zero")
        case "link to a device":
            path.symlink_to("/dev/zero")
        case _:
            path = Path("/proc/self/fd")
    began = time.monotonic()
    with pytest.raises(NotAFileError, match="not a file"):
        read_file(path, limit=MiB)
    assert time.monotonic() - began < 60


def test_what_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLargeError, match="more than the 1 MiB"):
        read_file(tmp_path / "x", limit=MiB)
    with pytest.raises(TooLargeError):
        read_file(Path("/proc/self/environ"), limit=3)


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "sub/../../outside"])
def test_no_link_leads_out_of_the_project(tmp_path: Path, target: str) -> None:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "outside").write_text("secret")
    (root / "x").symlink_to(target)
    with pytest.raises(LinkError, match="out of the project"):
        read_file(root / "x", limit=MiB, root=root)
    (root / "folder").symlink_to(tmp_path)
    with pytest.raises(LinkError):
        read_file(root / "folder" / "outside", limit=MiB, root=root)


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace_file(path, b"1", mode=0o600)
    replace_file(path, b"2")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"2", 0o600)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("target", ["there", "nowhere", "/dev/null"])
def test_an_output_that_is_a_link_is_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "x").symlink_to(target)
    with pytest.raises(FileError, match=r"X07IO_WRITE.*symbolic link"):
        replace_file(tmp_path / "x", b"new")
    assert (tmp_path / "there").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "x"]


def test_devices_and_streams_are_written_into(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    replace_file(Path("/dev/null"), b"x")
    replace_file(Path("/dev/stdout"), b"hello")
    assert capfd.readouterr().out == "hello"
    os.mkfifo(tmp_path / "pipe")
    reader = threading.Thread(target=(tmp_path / "pipe").read_bytes)
    reader.start()
    replace_file(tmp_path / "pipe", b"x")
    reader.join()
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("at", ["a", "a/b", "a/b/c"])
def test_no_folder_below_the_root_may_be_a_link(tmp_path: Path, at: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "b" / "c").mkdir(parents=True)
    (outside / "c").mkdir()
    (root / at).parent.mkdir(parents=True)
    (root / at).symlink_to(outside)
    with pytest.raises(FileError, match="symbolic link"):
        replace_file(root / "a" / "b" / "c" / "file", b"x", root=root)
    with pytest.raises(FileError, match="symbolic link"):
        make_folder(root / "a" / "b" / "c" / "d", root=root)
    assert not [path for path in outside.rglob("*") if path.is_file()]
    with pytest.raises(FileError, match="leads out"):
        replace_file(root / ".." / "outside" / "file", b"x", root=root)


def test_folders_below_the_root_are_made(tmp_path: Path) -> None:
    replace_file(tmp_path / "a" / "b" / "c", b"x", root=tmp_path)
    assert (tmp_path / "a" / "b" / "c").read_bytes() == b"x"


def test_a_folder_that_becomes_a_link_meanwhile_changes_nothing(tmp_path: Path) -> None:
    """A program swaps a folder for a link all the time; whatever is written lies below the root."""
    root, outside, spare = tmp_path / "root", tmp_path / "outside", tmp_path / "spare"
    for folder in (root / "a", outside):
        folder.mkdir(parents=True)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                (root / "a").rename(spare)
                (root / "a").symlink_to(outside)
                (root / "a").unlink()
                shutil.rmtree(spare)

    thread = threading.Thread(target=swap)
    thread.start()
    written = 0
    for number in range(300):
        try:
            replace_file(root / "a" / "file", b"%d" % number, root=root)
            written += 1
        except (FileError, FileExistsError):
            continue
        finally:
            if number == 299:
                stop.set()
    thread.join()
    assert written
    assert not list(outside.iterdir())


def test_a_limit_of_size_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("old")
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(FileError, match="larger than is allowed"):
            replace_file(tmp_path / "x", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "x").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="the disk is full"):
        replace_file(Path("/dev/full"), b"x")


def test_a_folder_is_opened_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    os.close(open_folder(tmp_path / "link"))
    with pytest.raises(LinkError):
        open_folder(tmp_path / "link", root=tmp_path)


@pytest.mark.parametrize(
    "command",
    [
        ("arch", "check", "--emit-patch", "out"),
        ("rr", "view", "a.x07rr.bin", "-o", "out", "--force"),
    ],
)
def test_no_command_writes_through_a_link(project: Path, command: tuple[str, ...]) -> None:
    (project / ".x07_rr").mkdir()
    (project / ".x07_rr" / "a.x07rr.bin").write_bytes(b"")
    (project / "real").write_text("{}")
    (project / "out").symlink_to("real")
    done = x07(*command, cwd=project)
    assert "X07IO_WRITE" in done.stderr, done.stderr + done.stdout
    assert (project / "real").read_text() == "{}"
    assert (project / "out").is_symlink()


def test_a_recording_does_not_follow_a_folder_of_cassettes_that_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = tmp_path / "project"
    root.mkdir()
    (root / ".x07_rr").symlink_to("../outside")
    with pytest.raises(FileError, match="symbolic link"):
        opened(root, Mode.RECORD).__enter__()
    (tmp_path / "outside" / "c.x07rr.bin").write_bytes(framed(entry()))
    with pytest.raises(CassetteError, match="out of the project"):
        opened(root, Mode.REPLAY).__enter__()
    assert [path.name for path in (tmp_path / "outside").iterdir()] == ["c.x07rr.bin"]
