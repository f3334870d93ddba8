"""The sandbox against no sandbox, bubblewrap and sandlock: starting a program, and what it pays for each call.

bubblewrap has no allowlist: its programs share the host's whole network. Needs ``apt-get install bubblewrap``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import table, write
from bench.sandbox_brokers import ROOT, brokers, rates
from x07py.sandbox import landlock
from x07py.sandbox.confine import Confinement
from x07py.sandbox.launch import run as confined
from x07py.sandbox.network import Range, Rules, mapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROUNDS = 15
PROBE_ROUNDS = 5
READABLE = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", sys.prefix, sys.base_prefix, "/proc", str(ROOT))

SERVER = """
import socket, threading
listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
print(listener.getsockname()[1], flush=True)
def serve(one):
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := one.recv(65536): one.sendall(data)
    one.close()
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""

PROBE = """
import json, os, socket, statistics, sys, time
port, out, file = int(sys.argv[1]), sys.argv[2], sys.argv[2] + ".open"
open(file, "w").close()
def median(count, call):
    found = []
    for _ in range(count):
        begin = time.perf_counter(); call(); found.append(time.perf_counter() - begin)
    return statistics.median(found) * 1e6
def connect():
    socket.create_connection(("127.0.0.1", port)).close()
def opening():
    os.close(os.open(file, os.O_RDONLY))
one = socket.create_connection(("127.0.0.1", port))
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
message = b"x" * 64
def round_trip():
    one.sendall(message); one.recv(64)
result = {"connect": median(300, connect), "open and close": median(3000, opening),
          "stat": median(3000, lambda: os.stat(file)), "64-byte round trip": median(3000, round_trip)}
with open(out, "w") as target: json.dump(result, target)
"""


def main() -> None:
    """Measure in turns, print and write the results."""
    if shutil.which("bwrap") is None:
        sys.exit("bwrap is missing: apt-get install bubblewrap")
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            runners = _runners(port, folder)
            starts = {
                name: _starts(runners, argv)
                for name, argv in (("true", ["/bin/true"]), ("python -c pass", [sys.executable, "-c", "pass"]))
            }
            calls = _calls(runners, port, folder)
            sent = _sent(folder)
    finally:
        server.kill()
        server.wait()
    _report(starts, calls, sent)


def _sent(folder: str) -> dict[str, dict[str, float | None]]:
    """Return messages a second of clients of brokers, by what they do and by runner."""
    found: dict[str, dict[str, float | None]] = {}
    with tempfile.TemporaryDirectory() as root:
        for kind, address in brokers(Path(root)):
            found |= rates(lambda port: _runners(port, folder), kind, address, Path(folder))
    return found


def _runners(port: int, folder: str) -> dict[str, Callable[[Sequence[str]], object]]:
    from sandlock import Sandbox

    home = Range(mapped(bytes([127, 0, 0, 1])), 128, port, port)
    paths = tuple((path, landlock.READ | landlock.EXECUTE) for path in READABLE)
    paths += ((folder, landlock.WRITE), ("/dev/null", landlock.DEVICE))

    def own(argv: Sequence[str], *, namespaces: bool) -> None:
        spec = Confinement(tuple(argv), {}, "/", paths, connect=Rules((home,)), namespaces=namespaces)
        if confined(spec).status:
            raise RuntimeError(argv)

    readable = [path for path in READABLE if Path(path).exists()]
    peer = Sandbox(fs_readable=[*readable, "/dev"], fs_writable=[folder], net_allow=[f"127.0.0.1:{port}"])

    def sandlock(argv: Sequence[str]) -> None:
        if not peer.run(list(argv)).success:
            raise RuntimeError(argv)

    bwrap = ["bwrap", "--unshare-all", "--share-net", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev"]
    bwrap += ["--bind", folder, folder, "--proc", "/proc"]
    return {
        "bare": lambda argv: subprocess.run(argv, env={}, check=True),
        "x07py": lambda argv: own(argv, namespaces=True),
        "x07py, no namespaces": lambda argv: own(argv, namespaces=False),
        "bubblewrap": lambda argv: subprocess.run([*bwrap, *argv], env={"PATH": "/usr/bin"}, check=True),
        "sandlock": sandlock,
    }


def _starts(runners: dict[str, Callable[[Sequence[str]], object]], argv: list[str]) -> dict[str, float]:
    """Return the median milliseconds of a whole run, by runner."""
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(ROUNDS):
        for name, run in runners.items():
            begin = time.perf_counter()
            run(argv)
            seconds[name].append(time.perf_counter() - begin)
    return {name: 1000 * statistics.median(found) for name, found in seconds.items()}


def _calls(
    runners: dict[str, Callable[[Sequence[str]], object]], port: int, folder: str
) -> dict[str, dict[str, float]]:
    """Return the median microseconds of each call inside, by runner."""
    out = Path(folder) / "result"
    found: dict[str, list[dict[str, float]]] = {name: [] for name in runners}
    for _ in range(PROBE_ROUNDS):
        for name, run in runners.items():
            run([sys.executable, "-c", PROBE, str(port), str(out)])
            found[name].append(json.loads(out.read_text(encoding="utf-8")))
    return {
        name: {call: statistics.median(row[call] for row in rows) for call in rows[0]} for name, rows in found.items()
    }


def _report(
    starts: dict[str, dict[str, float]],
    calls: dict[str, dict[str, float]],
    sent: dict[str, dict[str, float | None]],
) -> None:
    names = list(calls)
    rows = [[f"start {what}, ms", *(f"{one[name]:.1f}" for name in names)] for what, one in starts.items()]
    for call in calls["bare"]:
        bare = calls["bare"][call]
        rows.append([f"{call}, µs", *(f"{calls[name][call]:.1f} ({calls[name][call] / bare:.2f})" for name in names)])
    for what, one in sent.items():
        bare = one["bare"] or 0.0
        found = (one[name] for name in names)
        rows.append([f"{what}, a second", *(f"{rate:,.0f} ({rate / bare:.2f})" if rate else "fails" for rate in found)])
    text = table(["", *names], rows)
    text += "\nIn brackets: times bare. Starting counts from a Python process that has x07py imported already.\n"
    measured = {"start_ms": starts, "calls_us": calls, "messages_a_second": sent}
    write("sandbox", "make bench-sandbox", ["x07py", "sandlock", "aio-pika", "confluent-kafka"], measured, text)


if __name__ == "__main__":
    main()
