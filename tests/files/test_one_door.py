"""No module reads a file by itself: `x07py.files` reads what a checkout may hold, and each other place says why."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import x07py
from tests.support.project import x07
from x07py.files import open_file, read_file

PACKAGE = Path(x07py.__file__).parent
DOOR = "files/"
METHODS = {"read_text", "read_bytes", "open"}
FUNCTIONS = {
    *(("os", name) for name in ("open", "sendfile")),
    *(("shutil", name) for name in ("copy", "copy2", "copyfile", "copytree")),
    *((name, "open") for name in ("io", "codecs", "tokenize", "tarfile", "gzip", "bz2", "lzma", "dbm", "shelve")),
    *(("linecache", name) for name in ("getline", "getlines")),
    *{"io": "open_code", "runpy": "run_path", "zipfile": "ZipFile", "sqlite3": "connect", "mmap": "mmap"}.items(),
}
OWN = "a file of this package"
KERNEL = "a file that the kernel makes, or a device by its fixed name"
NO_FILE = "a method `open` of our own that opens no file"
METADATA = "what an installed distribution says of itself, which importlib.metadata reads"
FOLDER = "a folder, to sync or to lock it"
WRITES = "opened to be written, where the program that is run, or the user, says"
ALLOWED = {
    "arch/draw.py:page": OWN,
    "arch/store.py:_version": OWN,
    "brokers/native.py:_hold_to_sums": OWN,
    "brokers/process.py:_spawn": "the log of a broker in the user's own folder, opened to be written",
    "brokers/process.py:_started": KERNEL,
    "brokers/process.py:starting": "a file to lock in the user's own folder",
    "catalog/__init__.py:capabilities": OWN,
    "cli/effects_page.py:effects_page": OWN,
    "cli/main.py:_known_help": OWN,
    "cli/main.py:_silence": KERNEL,
    "cli/output.py:output_aside": "the standard output of this process, kept aside",
    "cli/msg.py:read_input": "one message, which the user may give as a pipe; 256 MiB at most",
    "codes/__init__.py:all_codes": OWN,
    "contracts/journal.py:_sync": FOLDER,
    "contracts/journal.py:project_lock": "a file to lock, through no link; nothing in it is read",
    "contracts/schemas.py:schema_bytes": OWN,
    "damage.py:_compiles_to_its_bytecode": OWN,
    "damage.py:_digest": OWN,
    "damage.py:recorded_files": METADATA,
    "contracts/starter.py:read": OWN,
    "effects/primitives.py:primitives": OWN,
    "effects/store.py:_made_by": OWN,
    "explore/runner.py:world": KERNEL,
    "explore/wire/program.py:_handles": KERNEL,
    "explore/wire/program.py:begin": KERNEL,
    "explore/wire/program.py:is_at_work": KERNEL,
    "explore/wire/world.py:_life": NO_FILE,
    "osbound.py:os_bound_table": OWN,
    "pkg/orphans.py:_asked_for_by_hand": METADATA,
    "pumping/stores.py:__init__": "the user's own database, which the user's program names",
    "rr/cassette_files.py:__enter__": FOLDER,
    "rr/view.py:page": OWN,
    "run/audit.py:_appending": WRITES,
    "run/bootstrap.py:_enter": NO_FILE,
    "run/hosts.py:hosts_file": "the machine's own /etc/hosts",
    "run/replay_guard.py:_refuse_clients": NO_FILE,
    "sandbox/confine.py:_fork_traced": NO_FILE,
    "sandbox/connects.py:_code_of": KERNEL,
    "sandbox/connects.py:_process_of": KERNEL,
    "sandbox/connects.py:library": KERNEL,
    "sandbox/kernel.py:_by_file": KERNEL,
    "sandbox/kernel.py:_strict_yama": KERNEL,
    "sandbox/kernel.py:syscall_numbers": OWN,
    "sandbox/landlock.py:grant": "a path by O_PATH, which opens no content",
    "sandbox/listeners.py:owner_of_listener": KERNEL,
    "sandbox/names.py:name_servers": "the machine's own /etc/resolv.conf",
    "sandbox/namespaces.py:_write": KERNEL,
    "sandbox/namespaces.py:replace_hosts": "a file system of this process alone",
    "sandbox/notifications.py:process_name": KERNEL,
    "sandbox/observe.py:_with_interpreters": "256 bytes of what the program starts, if it is a regular file",
    "sandbox/priorities.py:_number_inside": KERNEL,
    "sandbox/own_sockets.py:_may_be_the_programs": KERNEL,
    "sandbox/patience.py:_at_standard_stream": KERNEL,
    "sandbox/patience.py:state_of": KERNEL,
    "sandbox/places.py:_open": "a path by O_PATH, which opens no content",
    "sandbox/places.py:descriptor": "a path by O_PATH, which opens no content",
    "sandbox/procs.py:_parents": KERNEL,
    "sandbox/procs.py:join": KERNEL,
    "sandbox/recipe.py:hold_folder": "a path by O_PATH, which opens no content",
    "sandbox/unix_sockets.py:_keep": "a path by O_PATH, which opens no content",
    "sandbox/unix_sockets.py:_umask": KERNEL,
    "sandbox/waits.py:_sent": KERNEL,
    "sandbox/reaper.py:children": KERNEL,
    "scaffold/create.py:_copy": OWN,
    "scaffold/create.py:_name_checkout": METADATA,
    "testing/cassette.py:__enter__": NO_FILE,
    "testing/children.py:join_parent": NO_FILE,
    "testing/explored.py:begin": NO_FILE,
    "testing/inject/sitecustomize.py:": "the user's own sitecustomize, which Python would have run",
    "testing/network.py:no_network": KERNEL,
    "testing/starting.py:_run": "the program that is explored, as Python would have run it",
    "wire/process/entrance.py:open": NO_FILE,
    "wire/process/listeners.py:_listening": KERNEL,
    "wire/process/replacing.py:_waiting": KERNEL,
    "wire/waiting.py:_call": KERNEL,
    "wire/waiting.py:waits_as_long": KERNEL,
}


def _reads(node: ast.AST, function: str = "") -> Iterator[str]:
    """Yield the function of each call below a node that opens a file."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and _opens(child.func):
            yield function
        yield from _reads(child, child.name if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) else function)


def _opens(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "open"
    if not isinstance(called, ast.Attribute):
        return False
    owner = called.value.id if isinstance(called.value, ast.Name) else ""
    return called.attr in METHODS or (owner, called.attr) in FUNCTIONS


def _readers() -> Iterator[str]:
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith(DOOR):
            yield from (f"{name}:{function}" for function in _reads(ast.parse(file.read_bytes())))


def test_every_file_is_read_by_the_one_door() -> None:
    found = set(_readers())
    assert sorted(found - ALLOWED.keys()) == [], "read it by x07py.files, or say here why not"
    assert sorted(ALLOWED.keys() - found) == [], "an exception that excuses nothing"


@pytest.mark.parametrize(
    ("name", "target", "command"),
    [
        (".importlinter", "", ("arch", "init", "--from-importlinter", ".importlinter")),
        ("tach.toml", "/dev/zero", ("arch", "init", "--from-tach", "tach.toml")),
        ("in.jsonl", "", ("explore", "in.jsonl", "--", "work.py")),
        ("a.audit", "/dev/zero", ("policy", "learn", "a.audit")),
    ],
)
def test_pipes_and_devices_are_refused_and_not_waited_for(
    project: Path, name: str, target: str, command: tuple[str, ...]
) -> None:
    (project / "arch" / "manifest.x07arch.json").unlink()
    (project / "work.py").write_text("")
    if target:
        (project / name).symlink_to(target)
    else:
        os.mkfifo(project / name)
    done = x07(*command, cwd=project)
    assert done.returncode not in {0, 1}, done.stdout
    assert f"it is a {'device' if target else 'pipe'}, not a file" in done.stdout + done.stderr


def test_a_file_that_is_opened_is_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"data")
    with open_file(tmp_path / "file") as file:
        assert file.read() == read_file(tmp_path / "file", limit=4) == b"data"
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OSError, match="not a file"):
            open_file(place)
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "file")
    with pytest.raises(OSError, match="leads out"):
        open_file(tmp_path / "inside" / "link", root=tmp_path / "inside")
