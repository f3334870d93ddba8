"""Runs `x07 run` in an emulated machine and tells what came of it, as JSON.

Arguments: a user id, then more options of `x07 run`. One program connects to an allowed and to a denied listener in the
sandbox, the other shows time and randomness in a solve world. Connections wait in the listeners' queues, so what they
hold afterwards is what got out.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

CONNECT = """
import socket, sys
for port in sys.argv[1:]:
    try:
        socket.create_connection(("127.0.0.1", int(port)), timeout=20).close()
        print("reached")
    except OSError as error:
        print("refused", error.errno)
"""
REPEAT = """
import os, random, time, uuid
print(time.time(), time.monotonic(), random.random(), os.urandom(8), uuid.uuid4(), hash("x"))
time.sleep(86400)
print(time.time())
"""


def arrived(listener: socket.socket) -> int:
    """Return how many connections wait in a listener's queue."""
    listener.setblocking(False)
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


def run(folder: Path, uid: int, *args: str) -> dict[str, object]:
    """Run a command line as a user in a folder; return all that it shows."""
    done = subprocess.run(
        ["x07", "run", *args],
        cwd=folder,
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    return {"exit": done.returncode, "stdout": done.stdout, "stderr": done.stderr}


def main(uid: int, options: list[str]) -> dict[str, object]:
    """Probe as a user, with more options of `x07 run`."""
    folder = Path(tempfile.mkdtemp())
    for name, text in (("x07.toml", ""), ("connect.py", CONNECT), ("repeat.py", REPEAT)):
        (folder / name).write_text(text)
    for path in (folder, *folder.iterdir()):
        os.chown(path, uid, uid)
    with socket.create_server(("127.0.0.1", 0)) as allowed, socket.create_server(("127.0.0.1", 0)) as denied:
        ports = [str(one.getsockname()[1]) for one in (allowed, denied)]
        flags = ("--profile", "sandbox", "--allow-host", f"127.0.0.1:{ports[0]}", "--report", "report.json", *options)
        sandbox = run(folder, uid, *flags, "--entry", "connect.py", "--", *ports)
        counts = {"allowed": arrived(allowed), "denied": arrived(denied)}
    report = folder / "report.json"
    layers = json.loads(report.read_text())["layers"] if report.exists() else {}
    solve = [run(folder, uid, "--world", "solve-pure", *options, "--entry", "repeat.py") for _ in range(2)]
    return {"sandbox": sandbox | counts | {"layers": layers}, "solve": solve}


if __name__ == "__main__":
    print("@probe " + json.dumps(main(int(sys.argv[1]), sys.argv[2:])))
