"""What ordinary programs need works in the sandbox, and of the machine they share nothing that was not granted."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.project import x07

PROGRAMS = {
    "pool": """
import multiprocessing as mp
def square(x): return x * x
if __name__ == "__main__":
    with mp.Pool(2) as pool: print(pool.map(square, range(4)))""",
    "executor": """
import concurrent.futures as futures, multiprocessing as mp
def square(x): return x * x
if __name__ == "__main__":
    with futures.ProcessPoolExecutor(2, mp_context=mp.get_context("spawn")) as pool:
        print(list(pool.map(square, range(4))))""",
    "shared memory": """
from multiprocessing import Lock, Semaphore, shared_memory
memory = shared_memory.SharedMemory(create=True, size=10)
memory.buf[0] = 7
again = shared_memory.SharedMemory(memory.name)
print(again.buf[0], Lock().acquire(), Semaphore(2).acquire())
again.close(); memory.close(); memory.unlink()""",
    "manager": """
import multiprocessing as mp
def change(shared): shared["b"] = 2
if __name__ == "__main__":
    context = mp.get_context("forkserver")
    with context.Manager() as manager:
        shared = manager.dict(a=1)
        one = context.Process(target=change, args=(shared,))
        one.start(); one.join(); print(dict(shared))""",
    "unix server": """
import asyncio, os, socket
async def greet(reader, writer):
    writer.write(await reader.read(5)); writer.close()
async def main():
    os.umask(0o077)
    for path in ("here", os.environ["TMPDIR"] + "/there"):
        async with await asyncio.start_unix_server(greet, path) as server:
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello")
            same = server.sockets[0].getsockname() == os.path.abspath(path)
            print(await reader.read(), oct(os.stat(path).st_mode), same)
            writer.close()
os.chdir(os.environ["TMPDIR"]); asyncio.run(main())""",
    "a file without a name": """
import os, tempfile
with tempfile.TemporaryFile() as file:
    os.fchmod(file.fileno(), 0o600); os.utime(file.fileno(), (1, 1)); print(os.fstat(file.fileno()).st_mtime)""",
    "server": """
import socket, threading
with socket.create_server(("127.0.0.1", 0)) as server:
    threading.Thread(target=lambda: server.accept()[0].sendall(b"hello")).start()
    with socket.create_connection(server.getsockname()) as client: print(client.recv(9))
with socket.create_server(("0.0.0.0", 0)) as server: print(server.getsockname()[0])""",
    "a port that was free": """
import socket
for _ in range(2):
    with socket.socket() as found: found.bind(("127.0.0.1", 0)); own = found.getsockname()
    try: socket.create_connection(own)
    except ConnectionRefusedError: print("nobody yet")
    with socket.create_server(own): socket.create_connection(own).close(); print("reached")""",
    "own threads": """
import ctypes, os, threading
c, zero = ctypes.CDLL(None, use_errno=True), ctypes.byref(ctypes.c_int(0))
c.pthread_self.restype = ctypes.c_void_p
print(c.pthread_setschedparam(ctypes.c_void_p(c.pthread_self()), 0, zero))
wait, mine = threading.Event(), os.sched_getaffinity(0)
other = threading.Thread(target=wait.wait); other.start()
for thread in (threading.get_native_id(), other.native_id):
    os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
    print(os.sched_getscheduler(thread) == os.SCHED_BATCH)
    os.sched_setaffinity(thread, {min(mine)}); print(os.sched_getaffinity(thread) == {min(mine)})
    os.setpriority(os.PRIO_PROCESS, thread, 3); print(os.getpriority(os.PRIO_PROCESS, thread))
    for act in (os.setpriority, (os.PRIO_PROCESS, thread, 0)), (os.sched_setscheduler, (thread, 1, os.sched_param(1))):
        try: act[0](*act[1]); print("raised")
        except PermissionError: pass
wait.set()
for number in (os.getppid(), 999_999):
    for act in (os.sched_setaffinity, mine), (os.sched_setparam, os.sched_param(0)):
        try: act[0](number, act[1]); print("changed another")
        except ProcessLookupError: pass
print(c.capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()))""",
    "a terminal of its own": """
import os, pty
child, terminal = pty.fork()
if child == 0: print(os.isatty(0), os.get_terminal_size() is not None, flush=True); os._exit(0)
print(os.read(terminal, 99), os.waitpid(child, 0)[1])""",
    "what libraries try": """
import ctypes, errno, socket
one, _ = socket.socketpair()
one.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
c, found = ctypes.CDLL(None, use_errno=True), ctypes.c_void_p()
print(c.getifaddrs(ctypes.byref(found)), errno.errorcode[ctypes.get_errno()])""",
}
EXPECTED = {
    "pool": "[0, 1, 4, 9]\n",
    "executor": "[0, 1, 4, 9]\n",
    "shared memory": "7 True True\n",
    "manager": "{'a': 1, 'b': 2}\n",
    "unix server": "b'hello' 0o140700 True\n" * 2,
    "a file without a name": "1.0\n",
    "server": "b'hello'\n0.0.0.0\n",
    "a port that was free": "nobody yet\nreached\n" * 2,
    "own threads": "0\n" + "True\nTrue\n3\n" * 2 + "0\n",
    "a terminal of its own": "b'True True\\r\\n' 0\n",
    "what libraries try": "-1 ENOTSUP\n",
}
OPTIONS = {
    "executor": [f"--allow-run={Path(sys.executable).resolve()}"],
    "manager": [f"--allow-run={Path(sys.executable).resolve()}"],
    "server": ["--allow-listen", "127.0.0.1:0", "--allow-listen", "0.0.0.0:0"],
    "a port that was free": ["--allow-listen", "127.0.0.1:0"],
    "a terminal of its own": ["--allow-write", "/dev/ptmx,/dev/pts"],
}


def sandboxed(place: Path, program: str, *options: str, **env: str) -> tuple[int, str, str]:
    (place / "x07.toml").write_text('entry = "main.py"\n')
    (place / "main.py").write_text(program)
    done = x07("run", "--profile", "sandbox", *options, cwd=place, **env)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_runs(tmp_path: Path, name: str) -> None:
    assert sandboxed(tmp_path, PROGRAMS[name], *OPTIONS.get(name, [])) == (0, EXPECTED[name], "")


CHANGES_SHARED = """
import os, sys
print(os.listdir("/dev/shm"))
theirs = sys.argv[1]
own = "/dev/shm/own"
open(own, "w").close()
os.symlink(theirs, "/dev/shm/link")
os.chdir("/dev/shm")
for path in (theirs, "../.." + theirs, "link", own, "own", "../shm/own"):
    try: os.chmod(path, 0o606); os.utime(path, (1, 1)); print("changed", path.replace(theirs, "theirs"))
    except FileNotFoundError: pass
open(theirs, "w").write("mine")
"""


def test_shared_memory_is_the_programs_own(tmp_path: Path) -> None:
    theirs = Path("/dev/shm", f"x07-test-{os.getpid()}")
    theirs.write_text("theirs")
    before = theirs.stat()
    try:
        code, text, told = sandboxed(tmp_path, CHANGES_SHARED, "--report", "report.json", "--", str(theirs))
        assert (code, told) == (0, "")
        assert text.splitlines() == ["[]", "changed /dev/shm/own", "changed own", "changed ../shm/own"]
        after = theirs.stat()
        assert (after.st_mode, after.st_mtime_ns, theirs.read_text()) == (before.st_mode, before.st_mtime_ns, "theirs")
        assert json.loads((tmp_path / "report.json").read_text())["layers"]["shm"] == "own"
    finally:
        theirs.unlink()


BINDS = """
import socket
for address in (("127.0.0.1", 0), ("0.0.0.0", 0), ("127.0.0.2", 0)):
    try:
        with socket.create_server(address): print("listens")
    except OSError as error: print(type(error).__name__)
try:
    with socket.socket(socket.AF_INET6) as one: one.bind(("::1", 0))
except OSError as error: print(type(error).__name__)
"""


def test_port_0_is_granted_by_address_and_told_where_it_is_not(tmp_path: Path) -> None:
    code, text, told = sandboxed(tmp_path, BINDS, "--allow-listen", "127.0.0.1:0")
    assert (code, text.split()) == (0, ["listens", *["PermissionError"] * 3])
    assert [line.partition("allow with ")[2] for line in told.splitlines()] == [
        "--allow-listen 0.0.0.0:0",
        "--allow-listen 127.0.0.2:0",
    ]


REACHES = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as own:
    print(socket.create_connection(own.getsockname()) is not None)
try: socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
except PermissionError: print("refused")
"""


def test_what_listens_beside_the_program_is_not_its_own(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, text, _ = sandboxed(tmp_path, REACHES, "--allow-listen", "127.0.0.1:0", "--", port)
    assert (code, text) == (0, "True\nrefused\n")


def test_variables_by_pattern_and_in_one_list(tmp_path: Path) -> None:
    program = "import os; print(sorted(name for name in os.environ if name.startswith('SOME_')))"
    given = {"SOME_A": "1", "SOME_B": "2", "SOME_OTHER": "3"}
    code, text, _ = sandboxed(tmp_path, program, "--allow-env", "SOME_?,SOME_OTHER", **given)
    assert (code, text) == (0, "['SOME_A', 'SOME_B', 'SOME_OTHER']\n")
    code, _, told = sandboxed(tmp_path, program, "--allow-env", "NOBODY_HAS_*", **given)
    assert code == 126
    assert "NOBODY_HAS_* is not set" in told


READS = """
import os, sys
sys.path.insert(0, "package")
import module
for name in ("a.txt", "secrets/key", "package/b.txt", "secrets", ".env"):
    try: print(name, os.listdir(name) if os.path.isdir(name) else open(name).read())
    except PermissionError: print(name, "refused")
"""


def test_what_may_not_be_read_is_taken_out_of_what_may(project: Path) -> None:
    for name in ("a.txt", "secrets/key", "package/b.txt", "package/module.py", ".env"):
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("")
    code, out, told = sandboxed(project, READS, "--deny-read", "secrets,.env")
    assert (code, told) == (0, "")
    lines = out.splitlines()
    assert lines == ["a.txt ", "secrets/key refused", "package/b.txt ", "secrets ['key']", ".env refused"]
    code, _, told = sandboxed(project, READS, "--allow-write", ".", "--deny-read", "secrets")
    assert (code, "error[X07RUN_CONTRADICTION]" in told) == (126, True)


def test_lists_may_have_commas(project: Path) -> None:
    for name in ("one", "two", "x,y"):
        (project / name).mkdir()
    options = ("--allow-host", "127.0.0.1:9092,9094,[::1]:1,localhost:5672", "--allow-write", "one,two")
    (project / "main.py").write_text("")
    (project / "x07.toml").write_text('entry = "main.py"\n')
    done = x07("run", "--profile", "sandbox", *options, "--allow-read", "x,y", "--explain", cwd=project)
    shown = json.loads(done.stdout)
    assert [row["rule"] for row in shown["connect"]] == ["127.0.0.1:9092,9094", "[::1]:1", "localhost:5672"]
    assert [Path(row["path"]).name for row in shown["write"]] == ["one", "two"]
    assert [Path(row["path"]).name for row in shown["read"]][-1] == "x,y"
