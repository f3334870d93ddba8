"""The sandbox against no sandbox, bubblewrap and sandlock: starting a program, and what it pays for each call.

Each round runs a measurement once in every sandbox and compares each with that round's bare one: a machine that is slow
for a minute is slow for all of them. What is shown are medians over the rounds, and the quartiles between which half of
the rounds lie. Needs ``apt-get install bubblewrap``.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import table, write
from bench.sandbox_runners import SANDBOXES, in_turns, runners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.sandbox_runners import Runner

Rounds = list[dict[str, float]]
"""What was measured: by round, the value of each sandbox that did not fail."""

Summary = dict[str, dict[str, float] | None]
"""What the rounds come to, by sandbox; None for one that failed."""

START_SECONDS, CALL_SECONDS = 15, 40
AIMS = {
    "python -c pass": ("at most", 6.0),
    "open and close": ("at most", 1.3),
    "stat": ("at most", 1.3),
    "64-byte round trip": ("at most", 1.3),
    "aio-pika confirms": ("at least", 0.95),
    "librdkafka produce": ("at least", 0.98),
    "librdkafka consume": ("at least", 0.98),
}
"""What is aimed at: milliseconds over bare for a start, else times bare."""
PROGRAMS = {"true": ["/bin/true"], "python -c pass": [sys.executable, "-c", "pass"]}

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
one = socket.create_connection(("127.0.0.1", port))
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
message = b"x" * 64
def connect():
    socket.create_connection(("127.0.0.1", port)).close()
def opening():
    os.close(os.open(file, os.O_RDONLY))
def round_trip():
    one.sendall(message); one.recv(64)
calls = {"connect": (20, connect), "open and close": (300, opening), "stat": (300, lambda: os.stat(file)),
         "64-byte round trip": (300, round_trip)}
seconds = {what: [] for what in calls}
for _ in range(10):
    for what, (count, call) in calls.items():
        for _ in range(count):
            begin = time.perf_counter(); call(); seconds[what].append(time.perf_counter() - begin)
with open(out, "w") as target: json.dump({what: statistics.median(found) for what, found in seconds.items()}, target)
"""


def main() -> None:
    """Measure in turns, print and write the results."""
    if shutil.which("bwrap") is None:
        sys.exit("bwrap is missing: apt-get install bubblewrap")
    with tempfile.TemporaryDirectory() as folder, runners(folder) as sandboxes:
        server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            starts = {what: _starts(sandboxes, argv, port) for what, argv in PROGRAMS.items()}
            calls = _calls(sandboxes, port, Path(folder, "result"))
        finally:
            server.kill()
            server.wait()
        sent = _sent(sandboxes, Path(folder))
    _report(starts, calls, sent)


def _starts(sandboxes: Mapping[str, Runner], argv: list[str], port: int) -> Rounds:
    """Return the milliseconds of a whole run."""
    return in_turns(START_SECONDS, sandboxes, lambda sandbox: 1000 * sandbox.run(argv, port))


def _calls(sandboxes: Mapping[str, Runner], port: int, out: Path) -> dict[str, Rounds]:
    """Return the median microseconds of each call inside, by call."""

    def probe(sandbox: Runner) -> dict[str, float]:
        sandbox.run([sys.executable, "-c", PROBE, str(port), str(out)], port)
        found: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
        return found

    rounds = in_turns(CALL_SECONDS, sandboxes, probe)
    return {
        call: [{name: 1e6 * found[call] for name, found in one.items()} for one in rounds] for call in rounds[0]["bare"]
    }


def _sent(sandboxes: Mapping[str, Runner], folder: Path) -> dict[str, Rounds]:
    """Return messages a second of clients of brokers, by what they do."""
    from bench.sandbox_brokers import brokers, rates

    found: dict[str, Rounds] = {}
    with tempfile.TemporaryDirectory() as root:
        for kind, address in brokers(Path(root)):
            found |= rates(sandboxes, kind, address, folder)
    return found


def _against_bare(rounds: Rounds, compare: Callable[[float, float], float]) -> Summary:
    """Return the median of each sandbox, and the quartiles of what comparing it with each round's bare gives."""
    summary: Summary = {}
    for name in SANDBOXES:
        values = [one[name] for one in rounds if name in one]
        summary[name] = None
        if len(values) == len(rounds):
            low, middle, high = statistics.quantiles([compare(one[name], one["bare"]) for one in rounds], n=4)
            summary[name] = {"median": statistics.median(values), "low": low, "against bare": middle, "high": high}
    return summary


def _cells(summary: Summary, number: str, share: str) -> Iterator[str]:
    for name, one in summary.items():
        if one is None:
            yield "fails"
        elif name == "bare":
            yield format(one["median"], number)
        else:
            yield f"{one['median']:{number}} ({_share(one, share)})"


def _share(one: dict[str, float], spelled: str) -> str:
    low, middle, high = (format(one[key], spelled) for key in ("low", "against bare", "high"))
    return f"{middle}; {low} to {high}"


def _aimed(summary: Summary, sign: str, limit: float, share: str) -> Iterator[str]:
    own = summary["x07py"]
    if own is None:
        yield f"{sign} {limit:g}: missed"
    else:
        met = own["against bare"] <= limit if sign == "at most" else own["against bare"] >= limit
        noise = ", within the noise" if own["low"] <= limit <= own["high"] else ""
        yield f"{sign} {limit:g}: {'met' if met else 'missed'}{noise}"
    for name, one in summary.items():
        if name != "bare":
            yield _share(one, share) if one else "fails"


def _report(starts: dict[str, Rounds], calls: dict[str, Rounds], sent: dict[str, Rounds]) -> None:
    rounds = {what: len(found) for what, found in (starts | calls | sent).items()}
    kinds = (
        ("start, ms", starts, float.__sub__, ".1f", "+.1f"),
        ("call, µs", calls, float.__truediv__, ".1f", ".2f"),
        ("messages a second", sent, float.__truediv__, ",.0f", ".2f"),
    )
    measured, rows, aims = {}, [], []
    for kind, found, compare, number, share in kinds:
        measured[kind] = {what: _against_bare(one, compare) for what, one in found.items()}
        for what, summary in measured[kind].items():
            rows.append([f"{what}: {kind}", rounds[what], *_cells(summary, number, share)])
            if what in AIMS:
                aims.append([what, *_aimed(summary, *AIMS[what], share)])
    peers = [name for name in SANDBOXES if name != "bare"]
    text = table(["", "rounds", *SANDBOXES], rows)
    text += (
        "\nMedians over the rounds. In brackets: milliseconds more than bare, or times bare, in the same round, and the"
        "\nquartiles of that. Starting counts from a process that has imported what the sandbox needs.\n\n"
    )
    text += table(["against bare", "aim", *peers], aims)
    text += "\nWithin the noise: the aim lies between the quartiles.\n"
    results = {"rounds": rounds, **measured}
    write("sandbox", "make bench-sandbox", ["x07py", "sandlock", "aio-pika", "confluent-kafka"], results, text)


if __name__ == "__main__":
    main()
