"""Solve worlds: nothing real gets in, nothing gets out, and every run is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.arch.trees import manifest, node, write
from tests.arch.trees import run as check_of
from tests.support.project import REPOSITORY, x07, x07_here
from x07py.sandbox.kernel import syscall_numbers

if TYPE_CHECKING:
    from collections.abc import Callable

HIDDEN = """
from importlib import import_module
def load(*names):  # not by an import statement, which the guard would refuse before the kernel could
    for name in names: globals()[name] = import_module(name)
"""
REPEATABLE = (
    HIDDEN
    + """
import datetime, os, random, sys, time, uuid
load("asyncio", "secrets", "ssl", "tempfile", "threading", "resource")
print(time.time(), time.time_ns(), time.monotonic(), time.perf_counter(), time.process_time(), time.thread_time())
print(datetime.datetime.now(), datetime.datetime.now(datetime.UTC), datetime.date.today(), time.localtime())
print(time.clock_gettime(time.CLOCK_BOOTTIME), time.clock_gettime(time.CLOCK_TAI), os.times())
print(random.random(), random.SystemRandom().random(), secrets.token_hex(8), os.urandom(8), os.getrandom(8))
print(uuid.uuid4(), uuid.uuid1(), ssl.RAND_bytes(8), tempfile.gettempprefix(), next(tempfile._get_candidate_names()))
print(hash("x"), {"a", "b", "c", "d"}, id(object()), object(), os.getpid(), os.getppid(), threading.get_native_id())
print(dict(os.environ), sys.flags.hash_randomization, os.getcwd() == sys.argv[1])
begin = time.monotonic()
time.sleep(86400)
asyncio.run(asyncio.sleep(3600))
async def racing():
    return await asyncio.wait_for(asyncio.sleep(5, "late"), 10)
print(time.monotonic() - begin, asyncio.run(racing()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)
worker = threading.Thread(target=lambda: print("thread"))
worker.start(); worker.join()
"""
)

ESCAPES = (
    HIDDEN
    + f"NUMBERS = {syscall_numbers()}"
    + """
import os, sys
load("ctypes", "multiprocessing", "signal", "socket", "subprocess", "threading")
libc = ctypes.CDLL(None, use_errno=True)
def raw(name, *args):
    result = libc.syscall(NUMBERS.get(name, -1), *args)  # -1: this machine type has no such call
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
ATTEMPTS = {
    "tcp": lambda: socket.socket(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX),
    "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
    "connect": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))),
    "resolve": lambda: socket.getaddrinfo("x07.invalid", 80),
    "fork": os.fork,
    "spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "subprocess": lambda: subprocess.run(["/bin/true"]),
    "multiprocessing": lambda: multiprocessing.get_context("fork").Process(target=print).start(),
    "exec": lambda: os.execv(sys.executable, [sys.executable, "-c", "pass"]),
    "raw fork": lambda: raw("fork"),
    "raw vfork": lambda: raw("vfork"),
    "io_uring": lambda: raw("io_uring_setup", 1, ctypes.create_string_buffer(256)),
    "write file": lambda: open("written", "w"),
    "append file": lambda: open(__file__, "a"),
    "make folder": lambda: os.mkdir("made"),
    "rename": lambda: os.rename(__file__, "other"),
    "unlink": lambda: os.unlink(__file__),
    "symlink": lambda: os.symlink("/", "link"),
    "chmod": lambda: os.chmod(__file__, 0o777),
    "utime": lambda: os.utime(__file__, (1, 1)),
    "temporary file": lambda: open("/tmp/x07-solve", "w"),
    "urandom device": lambda: open("/dev/urandom", "rb"),
    "random device": lambda: open("/dev/random", "rb"),
    "uptime": lambda: open("/proc/uptime").read(),
    "process status": lambda: open("/proc/self/stat").read(),
    "kernel uuid": lambda: open("/proc/sys/kernel/random/uuid").read(),
    "boot id": lambda: open("/proc/sys/kernel/random/boot_id").read(),
    "machine id": lambda: open("/etc/machine-id").read(),
    "hardware clock": lambda: open("/dev/rtc0").read(),
    "cpu times": lambda: open("/proc/stat").read(),
    "timer of processor time": lambda: signal.setitimer(signal.ITIMER_PROF, 1),
    "timer of POSIX": lambda: raw("timer_create", 1, None, ctypes.create_string_buffer(8)),
    "timerfd": lambda: raw("timerfd_create", 1, 0),
    "perf": lambda: raw("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "ptrace": lambda: raw("ptrace", 0, 0, 0, 0),
    "set time": lambda: raw("clock_settime", 0, ctypes.create_string_buffer(16)),
    "namespace": lambda: raw("unshare", 0x10000000),
    "home": lambda: os.listdir(os.path.expanduser("~")),
    "outside": lambda: open(sys.argv[2]).read(),
}
for name, attempt in ATTEMPTS.items():
    try:
        attempt()
    except (OSError, RuntimeError):
        continue
    print(name)
"""
)


@pytest.fixture
def app(project: Path) -> Path:
    (project / "x07.toml").write_text("")
    (project / "repeatable.py").write_text(REPEATABLE)
    (project / "escapes.py").write_text(ESCAPES)
    (project / "fixtures" / "fs").mkdir(parents=True)
    return project


def test_a_run_is_the_same_whatever_the_conditions(app: Path) -> None:
    """In solve-rr; `test_accesses` compares the worlds. The runs compare their reports too."""
    report = ("--report", "report")
    done = x07(
        *(
            "run",
            "--world",
            "solve-rr",
            "--entry",
            "repeatable.py",
            "--verify-determinism",
            "3",
            *report,
            "--",
            str(app),
        ),
        cwd=app,
    )
    assert done.returncode == 0, done.stderr
    assert "3 runs are identical" in done.stderr
    assert json.loads((app / "report").read_text())["exit"]["code"] == 0
    assert [path for path in app.rglob("report") if path.parent != app] == []
    lines = done.stdout.splitlines()
    assert lines[0].startswith("1000000000.0 ")
    assert lines[-3:] == ["90000.000002 late", "0.0", "thread"]


def test_a_pipe_is_the_same_one_under_every_descriptor(app: Path) -> None:
    (app / "pipes.py").write_text("""
import os
ends, others = os.pipe(), os.pipe()
copy = os.dup(ends[1])
inodes = [os.fstat(one).st_ino for one in (*ends, *others, copy)]
for one in ends: os.close(one)
print(len({*inodes[:2]}), len({*inodes[:1], *inodes[2:4]}), inodes[1] == inodes[4] == os.fstat(copy).st_ino)
os.dup2(copy, others[0])
print(os.fstat(others[0]).st_ino == inodes[4], inodes[4] < 100)
""")
    done = x07("run", "--world", "solve-rr", "--entry", "pipes.py", cwd=app)
    assert (done.returncode, done.stdout) == (0, "1 2 True\nTrue True\n"), done.stderr


def test_nothing_gets_out_of_a_solve_world(app: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "file"
    outside.write_text("x")
    before = sorted(path.name for path in app.iterdir())
    done = x07("run", "--world", "solve-full", "--entry", "escapes.py", "--", "1", str(outside), cwd=app)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(path.name for path in app.iterdir()) == before


@pytest.mark.parametrize("statement", ["import smtplib", "from xmlrpc import server", "import confluent_kafka"])
def test_an_os_bound_import_is_refused_in_the_words_of_the_architecture_check(app: Path, statement: str) -> None:
    (app / "inner.py").write_text(statement)
    (app / "outer.py").write_text("import inner")
    done = x07("run", "--world", "solve-rr", "--entry", "outer", cwd=app)
    assert done.returncode == 126
    assert done.stderr.startswith("error[X07RUN_OS_IMPORT]: inner (solve-rr) reaches ")
    assert "Traceback" not in done.stderr
    (app / "outer.py").write_text("try: import inner\nexcept ImportError: print('without')")
    assert x07("run", "--world", "solve-rr", "--entry", "outer", cwd=app).stdout == "without\n"


def test_a_type_of_a_library_for_the_network_passes_the_check_and_the_run_and_its_calls_pass_neither(
    tmp_path: Path,
) -> None:
    parse = "from urllib3.util import parse_url\nprint(parse_url('http://host/at').path)\n"
    fetch = "import urllib3\ndef fetch(url): urllib3.PoolManager(retries=False).request('GET', url)\n"
    externals = {"allowed_import_prefixes": ["urllib3"], "allowed_exact": []}
    document = manifest(node("parse", "solve-pure"), node("fetch", "solve-pure"), externals=externals)
    write(tmp_path, document, {"parse.py": parse, "fetch.py": f"{fetch}fetch('http://127.0.0.1:9/')\n"})
    found = {(row.data.get("capability"), row.data.get("module_id")) for row in check_of(tmp_path).findings}
    assert ("network", "fetch") in found
    assert not [row for row in found if row[1] == "parse"], found
    done = x07("run", "--world", "solve-pure", "--entry", "parse.py", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "/at\n"), done.stderr
    refused = x07("run", "--world", "solve-pure", "--entry", "fetch.py", cwd=tmp_path)
    assert refused.returncode != 0
    assert "Permission denied" in refused.stderr


def test_a_difference_fails_and_is_shown(app: Path) -> None:
    program = f"import os\nprint(os.stat({str(app / 'mark')!r}).st_mtime_ns)\n"
    (app / "different.py").write_text(program)
    (app / "mark").write_text("")
    began = (app / "mark").stat().st_mtime_ns
    watcher = "import os,sys,time\nwhile True: os.utime(sys.argv[1]); time.sleep(0.01)"
    process = subprocess.Popen([sys.executable, "-c", watcher, str(app / "mark")])
    try:
        while (app / "mark").stat().st_mtime_ns == began:
            assert process.poll() is None
        done = x07("run", "--world", "solve-fs", "--entry", "different.py", "--verify-determinism", "2", cwd=app)
    finally:
        process.kill()
        process.wait()
    assert done.returncode == 126
    assert "error[X07RUN_NOT_DETERMINISTIC]" in done.stderr
    assert "in run 2" in done.stderr


def test_refused_runs_are_not_called_identical(app: Path) -> None:
    (app / "refused.py").write_text("import smtplib")
    done = x07("run", "--world", "solve-rr", "--entry", "refused.py", "--verify-determinism", "2", cwd=app)
    assert (done.returncode, "identical" in done.stderr, "runs were refused" in done.stderr) == (126, False, True)


def test_a_killed_comparison_leaves_nothing(app: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("place")
    (app / "busy.py").write_text("import sys\nwhile True: pass")
    words = ("run", "--world", "solve-rr", "--entry", "busy.py", "--verify-determinism", "2", "--", str(place))
    run = [sys.executable, "-m", "x07py", *words]
    started = subprocess.Popen(run, cwd=app, env={**os.environ, "TMPDIR": str(place)}, stderr=subprocess.DEVNULL)

    def running() -> list[str]:
        lines = (path.joinpath("cmdline") for path in Path("/proc").iterdir() if path.name.isdigit())
        return [found for line in lines if str(place) in (found := _text_of(line))]

    try:
        until(lambda: any("x07py.run.inside" in line for line in running()))
    finally:
        started.kill()
        started.wait()
    until(lambda: not running())
    until(lambda: not [one for one in place.iterdir() if one.name.startswith("x07-verify-")])


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize(
    "args",
    [
        ("--world", "solve-rr", "--allow-host", "127.0.0.1:1"),
        ("--world", "solve-rr", "--rr", "record", "--cassette", "x.x07rr.bin"),
        ("--world", "run-os", "--verify-determinism", "2"),
        ("--world", "solve-rr", "--verify-determinism", "1"),
    ],
)
def test_what_a_world_cannot_do_is_refused(app: Path, args: tuple[str, ...]) -> None:
    done = x07_here("run", *args, "--entry", "repeatable.py", cwd=app)
    assert done.returncode == 126
    assert "error[X07RUN_CONTRADICTION]" in done.stderr


def test_a_cassette_that_is_missing_is_the_programs_error() -> None:
    done = x07(
        "run",
        "--profile",
        "replay",
        "--cassette",
        "none.x07rr.bin",
        "--",
        "work",
        cwd=REPOSITORY / "docs/examples/flight_delays",
    )
    assert done.returncode == 1
    assert "[2002]" in done.stderr


READS = """
import os
for path in ("data.txt", "fixtures/fs/in.txt", ".x07_rr/some.bin", "arch/rr/index.x07rr.json", "package/data.txt"):
    try: open(path).read(); print(path)
    except OSError: pass
import package.module
print(package.module.VALUE)
"""


@pytest.mark.parametrize(
    ("world", "readable"),
    [
        ("solve-pure", []),
        ("solve-fs", ["fixtures/fs/in.txt"]),
        ("solve-rr", [".x07_rr/some.bin"]),
        ("solve-full", ["fixtures/fs/in.txt", ".x07_rr/some.bin"]),
        ("run-os-sandboxed", ["data.txt", "fixtures/fs/in.txt", ".x07_rr/some.bin", "package/data.txt"]),
    ],
)
def test_a_world_reads_code_contracts_and_what_it_promises(app: Path, world: str, readable: list[str]) -> None:
    for name in ("data.txt", "fixtures/fs/in.txt", ".x07_rr/some.bin", "package/data.txt"):
        (app / name).parent.mkdir(exist_ok=True)
        (app / name).write_text("x")
    (app / "package/module.py").write_text("VALUE = 'imported'")
    (app / "reads.py").write_text(READS)
    done = x07("run", "--world", world, "--entry", "reads.py", cwd=app)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted([*readable, "arch/rr/index.x07rr.json", "imported"])


def test_a_world_with_fixtures_needs_some(app: Path) -> None:
    (app / "fixtures/fs").rmdir()
    for world in ("solve-fs", "solve-full"):
        done = x07_here("run", "--world", world, "--entry", "repeatable.py", cwd=app)
        assert (done.returncode, done.stdout) == (126, "")
        assert "error[X07RUN_FIXTURES]" in done.stderr
