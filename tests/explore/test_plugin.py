"""``--x07-explore``, the marker's ``explore``, and kept histories as tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.explore.programs import BUGS, RIGHT
from x07py.errors import UsageError
from x07py.explore.campaign import run_kept
from x07py.explore.kept import Schedule
from x07py.explore.promises import Promises
from x07py.msg import Envelope, MessageRecord
from x07py.rr import Cassette, Entry

TEST = """
import pytest

{program}

@pytest.mark.x07(cassette="a.x07rr.bin", allow_unused=True, explore=60)
def test_service():
    asyncio.run(main())
"""


def cassette(folder: Path) -> None:
    """Write the recording of a program that gets four messages, publishes four, and commits."""
    key, envelopes = (
        "local_dev_v1",
        [Envelope("orders", b"k", b'{"id":%d}' % number, {"ce_id": str(number)}) for number in range(4)],
    )
    entries = []
    for number, one in enumerate(envelopes):
        record = MessageRecord(2, 1, key, one.encode(), 1, b"ACK").encode()
        batch = '"batch":4,' if number == 0 else ""
        meta = f'{{{batch}"group":"g","offset":{number},"partition":0,"timestamp_ms":0,"topic":"orders"}}'
        req = b'{"group":"g","max_items":100,"sources":["orders"]}'
        entries.append(Entry("rr", "std.msg.kafka.poll_env_v1", key, req, record, meta=meta, scope="orders@g"))
    for number in range(4):
        req = Envelope("out", b"k", b'{"id": %d}' % number, {"ce_id": str(number)}).encode()
        record = MessageRecord(1, 1, key, req, 1, b"OK").encode()
        meta = f'{{"offset":{number},"partition":0}}'
        entries.append(Entry("rr", "std.msg.kafka.publish_env_v1", key, req, record, meta=meta, scope="out"))
    entries.append(Entry("rr", "std.msg.kafka.ack_v1", key, b'{"ranges":{"orders":{"0":[[0,3]]}}}', b"{}"))
    entries.append(Entry("rr", "std.msg.kafka.commit_v1", key, b"{}", b'{"offsets":{"orders/0":4}}'))
    path = folder / ".x07_rr/a.x07rr.bin"
    path.parent.mkdir()
    path.write_bytes(Cassette.from_entries(entries).to_bytes())


def pytest_in(folder: Path, *args: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args]
    ran = subprocess.run(
        command, cwd=folder, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False
    )
    return ran.stdout + ran.stderr


def test_a_marked_test_is_explored_and_what_is_found_is_a_test_until_it_is_mended(project: Path) -> None:
    cassette(project)
    (project / "test_service.py").write_text(TEST.format(program=BUGS["swallows an error in a callback"][0]))
    first = pytest_in(project)
    assert "is missing" in first
    assert "1 failed" in first
    plain = TEST.replace("explore=60", "explore=0")
    (project / "test_service.py").write_text(plain.format(program=BUGS["swallows an error in a callback"][0]))
    again = pytest_in(project)
    assert "is missing" in again
    assert "1 failed, 1 passed" in again
    (project / "test_service.py").write_text(plain.format(program=RIGHT["a loop"][0]))
    assert "2 passed" in pytest_in(project, "--x07-explore", "40")


HARMLESS = """
import asyncio
from shutil import rmtree
from subprocess import run

async def main():
    pass
"""


@pytest.mark.parametrize(
    ("entry", "call"),
    [
        ("tools.py:run", {"args": "touch ran", "shell": "1"}),
        ("tools:run", {"args": "touch ran", "shell": "1"}),
        ("tools.py:main", {"args": "x"}),
        ("shutil:copy", {"src": "tools.py", "dst": "ran"}),
        ("antigravity", {}),
        ("../outside.py", {}),
        (".hidden/tools.py", {}),
        ("venv/lib/site-packages/tools.py", {}),
        ("plain.py", {}),
        ("tools.py:rmtree", {}),
        ("nothing.py", {}),
        ("", {}),
    ],
)
def test_a_kept_history_runs_nothing_but_programs_and_tests_of_its_project(
    tmp_path: Path, entry: str, call: dict[str, str]
) -> None:
    root = tmp_path / "project"
    for folder in (root, root / ".hidden", root / "venv/lib/site-packages"):
        folder.mkdir(parents=True)
        (folder / "tools.py").write_text(HARMLESS + "open('ran', 'w').close()\n" * (folder != root))
    (root / "plain.py").write_text("open('ran', 'w').close()\n")
    (tmp_path / "outside.py").write_text(HARMLESS + "open('ran', 'w').close()\n")
    schedule = Schedule(entry, (), frozenset(), Promises({}), [], {}, 0, "results", "x", tuple(call.items()))
    first = Entry("rr", "x07.explore.schedule_v1", "explored", json.dumps(schedule.document()).encode(), b"{}")
    file = root / "a.x07rr.bin"
    file.write_bytes(Cassette.from_entries([first]).to_bytes())
    with pytest.raises(UsageError, match="the kept history names") as told:
        run_kept(root, file)
    assert told.value.code == "X07EXPLORE_ENTRY"
    assert not [path for path in tmp_path.rglob("ran") if path.is_file()]
