"""Forty-nine ways to learn what differs from run to run or to get out: each is stopped, or the same in every run."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.project import REPOSITORY

PAGE = REPOSITORY / "docs/reference/repeatable.md"
NEW_HOST_NAME = 0x04000000
CONDITIONS = (
    {"TZ": "Etc/GMT+12", "LANG": "C", "X07_NOISE": "1"},
    {"TZ": "Etc/GMT-14", "LANG": "C.UTF-8", "X07_NOISE": "other", "PYTHONHASHSEED": "random"},
)
ACCESSES = """
import json
import os
import sys
import time
from importlib import import_module

FILE, FOLDER = sys.argv[1:]


def load(name):  # not by a statement, which the import guard would refuse before the kernel could
    return import_module(name)


for name in (
    "_random _socket _thread asyncio ctypes datetime io random resource secrets signal socket ssl subprocess tempfile"
    " threading uuid"
).split():
    globals()[name] = load(name)


def in_thread():
    told = []
    lock = _thread.allocate_lock()
    lock.acquire()
    _thread.start_new_thread(lambda: (told.append(time.time()), lock.release()), ())
    lock.acquire()
    return told[0]


def slept():
    begin = time.monotonic()
    time.sleep(0.01)
    return time.monotonic() - begin


def raw_socket():
    libc = ctypes.CDLL(None, use_errno=True)
    made = libc.socket(2, 1, 0)
    if made < 0:
        raise OSError(ctypes.get_errno(), "libc.socket")
    return made


def forked():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


async def loop_time():
    return asyncio.get_running_loop().time()


PROBES = {
    "time.time": time.time,
    "time.time_ns": time.time_ns,
    "time.monotonic": time.monotonic,
    "time.perf_counter": time.perf_counter,
    "time.process_time": time.process_time,
    "time.thread_time": time.thread_time,
    "time.clock_gettime": lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    "time.localtime": time.localtime,
    "time.sleep": slept,
    "datetime.now": datetime.datetime.now,
    "date.today": datetime.date.today,
    "loop.time": lambda: asyncio.run(loop_time()),
    "os.times": os.times,
    "resource.getrusage": lambda: resource.getrusage(resource.RUSAGE_SELF),
    "eval of a clock": lambda: eval("__import__('time').time()"),
    "a clock in _thread": in_thread,
    "random.random": random.random,
    "random.SystemRandom": lambda: random.SystemRandom().random(),
    "_random.Random": lambda: _random.Random().random(),
    "os.urandom": lambda: os.urandom(8),
    "os.getrandom": lambda: os.getrandom(8),
    "secrets": lambda: secrets.token_hex(8),
    "uuid.uuid1": uuid.uuid1,
    "uuid.uuid4": uuid.uuid4,
    "ssl.RAND_bytes": lambda: ssl.RAND_bytes(8),
    "tempfile names": lambda: next(tempfile._get_candidate_names()),
    "hash of a string": lambda: hash("x"),
    "order of a set": lambda: {str(number) for number in range(50)},
    "id of an object": lambda: id(object()),
    "process": os.getpid,
    "parent process": os.getppid,
    "thread": threading.get_native_id,
    "environment": lambda: sorted(os.environ.items()),
    "working folder": os.getcwd,
    "host name": lambda: os.uname().nodename,
    "processors": lambda: os.sched_getaffinity(0),
    "open": lambda: open(FILE).read(),
    "io.FileIO": lambda: io.FileIO(FILE).read(),
    "os.stat": lambda: os.stat(FILE).st_mtime_ns,
    "os.listdir": lambda: os.listdir(FOLDER),
    "a new file": lambda: open(FOLDER + "/new", "w").close(),
    "/dev/urandom": lambda: open("/dev/urandom", "rb").read(8),
    "socket.socket": socket.socket,
    "_socket.socket": lambda: _socket.socket(2, 1),
    "socket of the C library": raw_socket,
    "subprocess": lambda: subprocess.run(["/bin/true"], check=True),
    "os.fork": forked,
    "a timer": lambda: (signal.setitimer(signal.ITIMER_REAL, 100), time.sleep(0.01), signal.getitimer(0))[2],
}


def answer(probe):
    try:
        return ["got", repr(probe())]
    except OSError as error:
        return ["refused", type(error).__name__]


answers = {name: answer(probe) for name, probe in PROBES.items()}
sys.stdout.flush()
say = "import sys; print(sys.argv[1])"
try:
    os.execv(sys.executable, [sys.executable, "-c", say, json.dumps(answers | {"os.exec": ["got", ""]})])
except OSError as error:
    print(json.dumps(answers | {"os.exec": ["refused", type(error).__name__]}))
"""
SHOWN = {"os.stat"}
"""Not refused, and the file's own: the same as long as the file is."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("accesses")
    (folder / "project" / "fixtures" / "fs").mkdir(parents=True)
    (folder / "other").mkdir()
    (folder / "project" / "accesses.py").write_text(ACCESSES)
    (folder / "project" / "x07.toml").write_text("")
    return folder


def another_machine() -> None:
    """One processor, another name, less priority: as far as this user may."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    os.nice(3)
    libc = ctypes.CDLL(None)
    if libc.unshare(NEW_HOST_NAME) == 0:
        libc.sethostname(b"elsewhere", 9)


def answers(place: Path, number: int, command: list[str], cwd: Path) -> dict[str, list[str]]:
    """Run the program under the conditions of one of two runs; what it asks for outside differs too."""
    outside = place / "outside"
    shutil.rmtree(outside, ignore_errors=True)
    outside.mkdir()
    (outside / f"file{number}").touch()
    secret = place / "secret"
    secret.write_text(str(number))
    os.utime(secret, (number + 1, number + 1))
    setup: Callable[[], None] | None = another_machine if number else None
    parent = ["/bin/sh", "-c", '"$@"; exit $?', "another parent"] if number else []
    done = subprocess.run(
        [*parent, *command, str(secret), str(outside)],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], **CONDITIONS[number]},
        preexec_fn=setup,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def outside(place: Path) -> dict[str, str]:
    """Return what each access does in two runs without x07: it differs, or it only works."""
    runs = [
        answers(place, number, [sys.executable, str(place / "project" / "accesses.py")], place / folder)
        for number, folder in enumerate(("project", "other"))
    ]
    assert {name for run in runs for name, (word, _) in run.items() if word != "got"} == set()
    return {name: "differs" if first != runs[1][name] else "works" for name, first in runs[0].items()}


def inside(place: Path, world: str) -> dict[str, str]:
    """Return what each access does in two runs in a world."""
    x07 = [str(Path(sys.executable).with_name("x07")), "run", "--world", world, "--entry", "accesses.py", "--"]
    runs = [
        answers(place, number, x07, place / folder) for number, folder in enumerate(("project", "project/fixtures"))
    ]
    words = {}
    for name, first in runs[0].items():
        if first == runs[1][name]:
            words[name] = "stopped" if first[0] == "refused" else "repeatable"
        else:
            words[name] = "differs"
    return words


def test_every_access_is_stopped_or_repeatable(place: Path) -> None:
    without = outside(place)
    worlds = [inside(place, world) for world in ("solve-pure", "solve-fs", "solve-rr", "solve-full")]
    assert all(world == worlds[0] for world in worlds)
    within = worlds[0]
    assert len(within) == 49
    assert {name for name, word in within.items() if word == "differs"} == SHOWN
    assert {name for name, word in within.items() if word == "repeatable" and without[name] != "differs"} <= unchanged()
    rows = [f"| {name} | {'the file' if name in SHOWN else within[name]} |" for name in within]
    assert [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")][1:] == rows


def unchanged() -> set[str]:
    """What this user, on this machine, cannot make differ in the control."""
    names = set() if os.geteuid() == 0 else {"host name"}
    return names if len(os.sched_getaffinity(0)) > 1 else names | {"processors"}
