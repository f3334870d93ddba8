"""Unix sockets as grants: what may be connected to and listened on, what is told of the rest, and what learns them."""

from __future__ import annotations

import json
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from tests.support.project import x07, x07_here

PROGRAM = """
import os, socket, sys
def attempt(what, path):
    one = socket.socket(socket.AF_UNIX)
    one.settimeout(60)
    try:
        if what == "listen": one.bind(path); one.listen(); return "listens"
        one.connect(path); return one.recv(9).decode()
    except OSError as error: return type(error).__name__
for line in sys.argv[1:]:
    what, _, path = line.partition(" ")
    print(attempt(what, path.replace("@", "\\0")))
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name: addresses have 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="x07-unix-") as folder:
        (Path(folder) / "app").mkdir()
        (Path(folder) / "app/app.py").write_text(PROGRAM)
        (Path(folder) / "app/x07.toml").write_text('entry = "app.py"\n')
        yield Path(folder)


@pytest.fixture
def door(place: Path) -> Iterator[str]:
    """A Unix socket that greets whoever connects."""
    path = str(place / "door")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def greet() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                client.sendall(b"welcome")
                client.close()

        thread = Thread(target=greet)
        thread.start()
        yield path
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def run(place: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return x07("run", "--profile", "sandbox", *args, cwd=place / "app")


def test_a_socket_is_granted_by_its_path_and_each_other_is_told_with_its_flag(place: Path, door: str) -> None:
    second = place / "second"
    second.symlink_to(door)
    what = [f"connect {door}", f"connect {second}", "connect @x07-nobody", f"connect {place}/none", "listen @x07-mine"]
    what += [f"listen {place}/made", "connect app.py"]
    done = run(place, "--report", "report.json", "--audit", "audit", "--", *what)
    assert done.stdout.split() == [
        *["PermissionError"] * 3,
        *("FileNotFoundError", "PermissionError", "PermissionError", "ConnectionRefusedError"),
    ]
    targets = [("connect", door), ("connect", "@x07-nobody"), ("listen", "@x07-mine"), ("listen", f"{place}/made")]
    told = [f"x07 run: denied {kind} {target} by" for kind, target in targets]
    assert all(any(line.startswith(one) for line in done.stderr.splitlines()) for one in told), done.stderr
    assert len(done.stderr.splitlines()) == 5  # the first one was tried by two names
    flags = [row["allow"] for row in json.loads((place / "app/report.json").read_text())["denials"]]
    assert sorted(flags) == sorted(f"--allow-unix {target}" for _, target in targets)
    logged = [json.loads(line) for line in (place / "app/audit").read_text().splitlines()]
    assert {(row["kind"], row["target"], row["allowed"]) for row in logged} >= {(*one, False) for one in targets}
    granted = run(place, *(f"--allow-unix={target}" for _, target in targets), "--report=r", "--", *what)
    assert granted.stdout.split() == [
        *("welcome", "welcome", "ConnectionRefusedError", "FileNotFoundError", "listens", "listens"),
        "ConnectionRefusedError",
    ]
    assert granted.stderr == ""
    policy = json.loads((place / "app/r").read_text())["policy"]["unix"]
    assert policy == [{"socket": target, "source": "--allow-unix"} for _, target in targets]


def test_a_policy_that_was_learned_grants_them(place: Path, door: str) -> None:
    (place / "app/out").mkdir()
    what = [f"connect {door}", f"listen {place}/made", "listen out/own", "connect out/own2"]
    learned = run(place, "--learn", "policy.json", "--", *what[:3])
    assert (learned.returncode, learned.stdout.split()) == (0, ["welcome", "listens", "listens"])
    (place / "made").unlink()
    (place / "app/out/own").unlink()
    net = json.loads((place / "app/policy.json").read_text())["net"]
    assert net == {"enabled": True, "allow_hosts": [], "allow_unix": ["out/own", door, f"{place}/made"]}
    again = run(place, "--policy", "policy.json", "--", *what)
    assert again.stdout.split() == ["welcome", "listens", "listens", "FileNotFoundError"]
    shown = x07_here("policy", "show", "policy.json", cwd=place / "app").stdout
    assert f"unix         {door}" in shown


def test_where_it_may_write_it_listens_and_reaches_its_own_sockets_alone(place: Path, door: str) -> None:
    program = f"""
import os, socket
os.chdir({str(place)!r})
own = socket.socket(socket.AF_UNIX); own.bind("own"); own.listen()
other = socket.socket(socket.AF_UNIX)
try: other.connect("door")
except PermissionError: print("refused")
other.connect("own"); print("connected")
os.rename("door", "app/door"); os.rename("app/door", "own")
try: socket.socket(socket.AF_UNIX).connect("own")
except PermissionError: print("refused by its own name too")
"""
    (place / "app/app.py").write_text(program)
    done = run(place, "--allow-write", str(place), "--")
    assert done.stdout.splitlines() == ["refused", "connected", "refused by its own name too"], done.stderr


@pytest.mark.parametrize(
    ("grant", "told"),
    [("app.py", "is no socket"), ("none/door", "there is no folder"), ("link", "goes through the link")],
)
def test_a_grant_that_is_no_socket_is_refused(place: Path, grant: str, told: str) -> None:
    (place / "app/link").symlink_to("/run")
    done = x07_here("run", "--profile", "sandbox", "--allow-unix", grant, cwd=place / "app")
    assert (done.returncode, "error[X07RUN_PATH]" in done.stderr, told in done.stderr) == (126, True, True)


def test_a_folder_grants_the_sockets_in_it(place: Path, door: str) -> None:
    done = run(place, "--allow-unix", str(place), "--", f"connect {door}", f"listen {place}/new", f"connect {door}x")
    assert done.stdout.split() == ["welcome", "listens", "FileNotFoundError"]
