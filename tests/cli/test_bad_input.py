"""Bad input at every command: one clear error with a code and what to do, no traceback, nothing lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.rr.builders import entry, framed
from tests.support.project import x07
from tests.support.tmpfs import small_tmpfs
from x07py.contracts.schemas import load_schema
from x07py.rr.cassette_files import FOLDER

WHOLE = framed(entry(0), entry(1))
OF_CASSETTES = ["rr show", "rr stats", "rr verify", "rr diff {file}"]


def refused(*args: str, cwd: Path, code: str, exit_code: int = 20, **env: str) -> str:
    """Run a command line that must fail with `code`, as text and as JSON, and return its error text."""
    done = x07(*args, cwd=cwd, **env)
    assert done.returncode == exit_code, (done.stdout, done.stderr)
    assert f"error[{code}]: " in done.stderr
    assert "  help: " in done.stderr
    for text in (done.stdout, done.stderr):
        assert "Traceback" not in text
    as_json = x07(*args, "--format", "json", cwd=cwd, **env)
    assert as_json.returncode == exit_code
    report = json.loads(as_json.stdout)
    jsonschema.validate(report, load_schema("x07.error.report"))
    assert str(report["error"]["code"]) == code
    return done.stderr


@pytest.mark.parametrize("command", OF_CASSETTES)
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", None),
        (WHOLE[:-1], "2014"),
        (WHOLE[: len(WHOLE) // 2 + 2], "2014"),
        (WHOLE + b"\x01\0", "2014"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "2014"),
        (b"%PDF-1.7\n" * 30, "2014"),
        (b"\x08\0\0\0garbage!", "2008"),
        (b"\xff\xff\xff\xff" + bytes(50), "2014"),
    ],
)
def test_a_file_that_is_no_cassette(tmp_path: Path, command: str, content: bytes, code: str | None) -> None:
    file = tmp_path / "c.x07rr.bin"
    file.write_bytes(content)
    args = [*command.format(file=file).split(), str(file)]
    if code is None:
        assert x07(*args, cwd=tmp_path).returncode == 0
    else:
        refused(*args, cwd=tmp_path, code=code)
    assert file.read_bytes() == content


@pytest.mark.parametrize("command", [*OF_CASSETTES, "rr recover"])
def test_a_missing_cassette_names_those_that_are_there(tmp_path: Path, command: str) -> None:
    (tmp_path / FOLDER).mkdir()
    there = tmp_path / FOLDER / "orders.x07rr.bin"
    there.write_bytes(WHOLE)
    error = refused(*command.format(file=there).split(), "oders.x07rr.bin", cwd=tmp_path, code="X07IO_MISSING")
    assert "orders.x07rr.bin" in error


@pytest.mark.parametrize("command", OF_CASSETTES)
def test_a_folder_is_no_cassette(tmp_path: Path, command: str) -> None:
    refused(*command.format(file=tmp_path).split(), str(tmp_path), cwd=tmp_path, code="X07IO_MISSING")


def test_list_without_recordings(tmp_path: Path) -> None:
    refused("rr", "list", cwd=tmp_path, code="X07IO_MISSING")
    (tmp_path / FOLDER).mkdir()
    done = x07("rr", "list", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert "no cassettes" in done.stderr


def test_an_entry_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "c.x07rr.bin").write_bytes(WHOLE)
    refused("rr", "show", "c.x07rr.bin", "--entry", "2", cwd=tmp_path, code="2060")


def test_nothing_to_discard(tmp_path: Path) -> None:
    file = tmp_path / "c.x07rr.bin"
    file.write_bytes(WHOLE)
    refused("rr", "recover", "--discard", str(file), cwd=tmp_path, code="2061")
    assert file.read_bytes() == WHOLE


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "9507"),
        (b"\x3a\0\0\0X7ME\x01\0\0\0", "9507"),
        (b"\x3a\0\0\0XXXX" + bytes(54), "9508"),
        (b"\x31\0\0\0X7MR\x01\0\0\0" + bytes(3), "9603"),
        (b"{" * 100_000, "9507"),
    ],
)
def test_a_file_that_is_no_message(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "message.bin").write_bytes(content)
    refused("msg", "decode", "message.bin", cwd=tmp_path, code=code)


def test_input_that_is_not_in_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "message.hex").write_text("zz")
    for encoding in ("hex", "base64"):
        refused("msg", "decode", "message.hex", "--encoding", encoding, cwd=tmp_path, code="X07_USAGE")


def test_a_missing_and_an_unreadable_message(tmp_path: Path) -> None:
    refused("msg", "decode", "nothing.bin", cwd=tmp_path, code="X07IO_MISSING")
    refused("msg", "decode", str(tmp_path), cwd=tmp_path, code="X07IO_READ")


def test_an_oversized_message_is_not_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "huge.bin"
    with file.open("wb") as output:
        output.truncate(10 * 2**30)
    refused("msg", "decode", "huge.bin", cwd=tmp_path, code="X07IO_TOO_LARGE")


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--topic", "no-such-topic"], "9501"),
        (["--topic", "orders", "--value", "x" * 70_000], "9502"),
        (["--topic", "events", "-H", "no-equals-sign"], "X07_USAGE"),
        (["--topic", "events", "-H", "a=1", "-H", "a=2"], "X07_USAGE"),
        (["--topic", "events", "-H", "=1"], "9504"),
        (["--topic", "events", "-H", "é=1"], "9504"),
        (["--topic", "events", "--value", "v", "--value-file", "f"], "X07_USAGE"),
        (["--topic", "events", "--value-file", "nothing"], "X07IO_MISSING"),
        (["--topic", "events", "-o", "no/such/folder/file"], "X07IO_WRITE"),
    ],
)
def test_a_message_that_cannot_be_encoded(project: Path, args: list[str], code: str) -> None:
    refused("msg", "encode", *args, cwd=project, code=code)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"topics": [{"id": "a"}]}', '{"topics": [], "topics": []}'])
def test_a_topic_catalogue_that_cannot_be_read(project: Path, content: str | None) -> None:
    index = project / "arch" / "msg" / "index.x07msg.json"
    if content is None:
        index.unlink()
    else:
        index.write_text(content)
    refused("msg", "topics", cwd=project, code="9501")
    refused("msg", "encode", "--topic", "events", cwd=project, code="9501")


def test_a_catalogue_that_does_not_list_the_topic_says_which_it_has(project: Path) -> None:
    assert "events" in refused("msg", "encode", "--topic", "event", cwd=project, code="9501")


def test_a_full_disk_and_a_read_only_folder(tmp_path: Path) -> None:
    with small_tmpfs(tmp_path / "full", kilobytes=16) as folder:
        target = folder / "message.bin"
        target.write_bytes(b"before")
        args = ("msg", "encode", "--no-check", "--topic", "t", "--value", "x" * 60_000, "-o", str(target))
        refused(*args, cwd=tmp_path, code="X07IO_WRITE")
        assert target.read_bytes() == b"before"
    with small_tmpfs(tmp_path / "fixed", kilobytes=16, read_only=True) as folder:
        empty = ("msg", "encode", "--no-check", "--topic", "t", "-o", str(folder / "message.bin"))
        refused(*empty, cwd=tmp_path, code="X07IO_WRITE")


def test_explain_does_not_know_every_code(tmp_path: Path) -> None:
    error = refused("explain", "9999", cwd=tmp_path, code="X07_CODE_UNKNOWN", exit_code=2)
    assert "x07 explain --all" in error or "did you mean" in error
    refused("explain", cwd=tmp_path, code="X07_USAGE", exit_code=2)
    refused("explain", "9502", "--all", cwd=tmp_path, code="X07_USAGE", exit_code=2)


def test_doctor_reports_contracts_that_it_cannot_read(project: Path) -> None:
    (project / "arch" / "msg" / "kafka" / "index.x07kafka.json").write_text("{")
    done = x07("doctor", cwd=project)
    assert done.returncode == 0
    assert "[9701]" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", [["no-such-command"], ["rr", "shwo"], ["rr", "show"], ["msg", "encode"], ["rr", "-x"]])
def test_a_command_line_that_cannot_be_meant(tmp_path: Path, args: list[str]) -> None:
    done = x07(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "rror" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_typo_is_answered_with_the_command_that_was_meant(tmp_path: Path) -> None:
    assert "did you mean `x07 doctor`?" in x07("docter", cwd=tmp_path).stderr


@pytest.mark.parametrize("args", [["--version"], ["--help"], ["doctor", "--format", "json"], ["explain", "--all"]])
@pytest.mark.parametrize("target", ["/dev/full", "closed pipe"])
def test_an_output_that_cannot_be_written(tmp_path: Path, args: list[str], target: str) -> None:
    command = f"{Path(sys.executable).parent}/x07 {' '.join(args)} " + (
        f"> {target}" if target == "/dev/full" else "| true; exit ${PIPESTATUS[0]}"
    )
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    if target == "/dev/full":
        assert done.returncode == 2
        assert "error[X07IO_WRITE]" in done.stderr


def test_usage_errors_are_json_when_asked_for(tmp_path: Path) -> None:
    done = x07("rr", "stats", "--format", "json", "--nope", cwd=tmp_path)
    assert done.returncode == 2
    document = json.loads(done.stdout)
    jsonschema.validate(document, load_schema("x07.error.report"))
    assert document["error"]["code"] == "X07_USAGE"
    assert "--nope" in document["error"]["message"]


def test_what_the_system_refuses(tmp_path: Path) -> None:
    refused("rr", "show", "a" * 300, cwd=tmp_path, code="X07IO_SYSTEM")


def test_a_cassette_cannot_write_to_the_terminal(tmp_path: Path) -> None:
    odd = entry(0, op="op\x1b[31m", scope="s\x07", meta='{"a":"\\u001b[0m\\ud800"}', key="\x9b")
    (tmp_path / "c.x07rr.bin").write_bytes(framed(odd))
    for args in (["show"], ["show", "-n", "0"], ["stats"]):
        done = x07("rr", *args, "c.x07rr.bin", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert not set(done.stdout) & {"\x1b", "\x07", "\x9b"}
        assert x07("rr", *args, "c.x07rr.bin", "--format", "json", cwd=tmp_path).returncode == 0


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    file = tmp_path / "many.x07rr.bin"
    file.write_bytes(framed(*(entry(n) for n in range(5000))))
    command = f"{Path(sys.executable).parent}/x07 rr show {file} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize("command", OF_CASSETTES)
def test_a_file_that_fails_while_it_is_read(tmp_path: Path, command: str) -> None:
    refused(*command.format(file="/proc/self/mem").split(), "/proc/self/mem", cwd=tmp_path, code="2002")
