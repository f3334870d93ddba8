"""JSON and manifests that others have made: nested, of other types, in half characters, behind links, endless."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import x07py
from tests.rr.builders import entry, framed
from tests.support.project import x07, x07_here
from x07py.files import TooLargeError, load_json, read_file
from x07py.files.nested import DEPTH
from x07py.msg import Envelope, MessageRecord
from x07py.rr.cassette_files import SIDE_FILE

PACKAGE = Path(x07py.__file__).parent
OWN = "a file of this package, or of its installation"
ALLOWED = {
    "asyncapi/reader.py:_yaml": "what was just written from YAML, whose depth and aliases are bounded",
    "catalog/__init__.py:capabilities": OWN,
    "cli/main.py:_known_help": OWN,
    "contracts/schemas.py:load_schema": OWN,
    "contracts/starter.py:read": OWN,
    "drivers/amqp_management.py:_fetch": "an answer of the broker; too deep a nesting is told as no JSON",
    "files/nested.py:load_json": "the door",
    "files/notebook.py:_holds": "one line of a notebook, which is a text or not",
    "files/notebook.py:notebook_code": "a notebook; too deep a nesting is told",
    "msg/native.py:extra_headers": "a header; too deep a nesting is told, and no room below may be used",
    "run_report_channel.py:read_channel": "a program's report; too deep a nesting is told, and no room below is used",
    "scaffold/create.py:_name_checkout": OWN,
    "serialization/avro.py:document_of": "a schema in a solve world, which reads no file; too deep a nesting is told",
    "serialization/json_schema.py:_document": "a schema, likewise",
    "serialization/json_schema.py:decode": "a message, likewise",
}


def _loads(node: ast.AST, function: str = "") -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        called = child.func if isinstance(child, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in {"loads", "load"}:
            owner = called.value.id if isinstance(called.value, ast.Name) else ""
            if owner == "json":
                yield function
        yield from _loads(child, child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function)


def test_json_is_read_by_the_one_door() -> None:
    found = {
        f"{name}:{function}"
        for file in PACKAGE.rglob("*.py")
        if not (name := file.relative_to(PACKAGE).as_posix()).startswith("sandbox/")
        for function in _loads(ast.parse(file.read_bytes()))
    }
    assert sorted(found - ALLOWED.keys()) == [], "read it by load_json of x07py.files, or say here why not"
    assert sorted(ALLOWED.keys() - found) == [], "an exception that excuses nothing"


def test_what_is_nested_too_deep_is_no_json() -> None:
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        for depth in (DEPTH + 2, 5_000, 200_000):
            with pytest.raises(ValueError, match="nested more than"):
                load_json(opening * depth + "1" + closing * depth)
        deep = opening * DEPTH + "1" + closing * DEPTH
        assert load_json(deep) == load_json(deep.encode()) == json.loads(deep)
    wide = json.dumps([[one] for one in range(5_000)])
    assert load_json(wide) == json.loads(wide)


ENVELOPE = Envelope("orders", b"k", b'{"password":"x"}', {"authorization": "token"}).encode()
METAS = {
    "a list": "[1]",
    "no JSON": "x",
    "places of other types": '{"partition":{},"topic":[],"offset":{},"queue":{},"delivery_tag":[],"redelivered":true}',
    "deep": "[" * 5_000 + "]" * 5_000,
    "no numbers": '{"partition":NaN,"offset":1e999}',
    "a huge partition": '{"partition":4000000000,"offset":1}',
    "half a character": '{"a":"\\ud800","queue":"\\ud800"}',
}


@pytest.mark.parametrize("meta", METAS.values(), ids=METAS)
def test_what_a_broker_is_said_to_have_told_may_be_anything(tmp_path: Path, meta: str) -> None:
    folder = tmp_path / ".x07_rr"
    folder.mkdir()
    operations = {"kafka.poll_env_v1": (2, 1), "amqp.poll_env_v1": (2, 2), "kafka.publish_env_v1": (1, 1)}
    rows = [
        entry(op=f"std.msg.{op}", resp=MessageRecord(tag, kind, "p", ENVELOPE, 1, b"x").encode(), meta=meta)
        for op, (tag, kind) in operations.items()
    ]
    content = framed(*rows)
    (tmp_path / "work.py").write_text("raise SystemExit(0)\n")
    name = "c.x07rr.bin"
    for command in (
        ("rr", "redact", "--check", name),
        ("rr", "redact", name),
        ("explore", name, "--histories", "1", "--cores", "1", "--", "work.py"),
        ("rr", "scan"),
        ("rr", "verify", name),
    ):
        (folder / name).write_bytes(content)
        done = x07_here(*command, cwd=tmp_path)
        assert "X07_INTERNAL" not in done.stderr, (command, done.stderr)
        if command == ("rr", "redact", name):
            assert b"token" not in (folder / name).read_bytes()


def test_an_integrity_file_that_is_nested_is_told(tmp_path: Path) -> None:
    (tmp_path / ".x07_rr").mkdir()
    (tmp_path / ".x07_rr" / "c.x07rr.bin").write_bytes(framed(entry(0)))
    (tmp_path / ".x07_rr" / SIDE_FILE).write_text("[" * 100_000)
    for command in (("rr", "list"), ("rr", "verify", "c.x07rr.bin")):
        done = x07_here(*command, cwd=tmp_path)
        assert "X07_INTERNAL" not in done.stderr
        assert "2054" in done.stdout + done.stderr


def test_a_file_without_a_size_is_read_to_its_limit() -> None:
    assert b"Name:" in read_file(Path("/proc/self/status"), limit=2**20)
    with pytest.raises(TooLargeError):
        read_file(Path("/proc/self/status"), limit=10)


def test_a_file_that_has_nothing_to_say_is_not_waited_for() -> None:
    with pytest.raises(OSError, match=r"nothing can be read|not permitted|ermission|No such file"):
        read_file(Path("/proc/kmsg"), limit=2**30)  # where nobody but an administrator may read it, that is said


@pytest.mark.parametrize("name", ["pyproject.toml", "x07.toml", "x07.lock"])
@pytest.mark.parametrize("command", ["arch check", "pkg lock --check", "run --profile sandbox --explain"])
def test_a_manifest_or_lock_outside_of_the_project_is_not_read(tmp_path: Path, name: str, command: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text("[tool.x07.profiles.sandbox]\n")
    (project / "pkg.py").write_text("")
    assert x07_here("arch", "init", cwd=project).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("arch = 'profiles'\n")
    (project / name).unlink(missing_ok=True)
    (project / name).symlink_to(elsewhere)
    done = x07(*command.split(), cwd=project)
    assert done.returncode not in {0, 1}
    assert "a symbolic link leads out of the project" in done.stdout + done.stderr
