"""Runs x07 in real containers, each under another set of an engine's options, and prints what held there.

An engine of its own is started (as root; Debian's docker.io), without rules for the network and without a bridge. The
image is an empty tree, imported; the machine's own system, Python and this repository are mounted into it, read-only
but for /tmp. Arguments: names of `WAYS`, by default all; ``--no-attacks`` leaves the attack program out. Exit 1 if a
container was started in which something did not hold.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
WAYS: dict[str, list[str]] = {
    "default, as root": [],
    "default, as 65534": ["--user=65534"],
    "no capabilities, no new privileges, as 65534": [
        "--user=65534",
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
    ],
    "read-only": ["--read-only"],
    "SYS_PTRACE": ["--cap-add=SYS_PTRACE"],
    "seccomp=unconfined": ["--security-opt=seccomp=unconfined"],
    "SYS_ADMIN": ["--cap-add=SYS_ADMIN"],
    "--privileged": ["--privileged"],
}
_NOT_STARTED = 125
"""What ``docker run`` ends with where it could not start a container, as with ``--privileged`` without all rights."""
EMPTY = ("dev", "proc", "sys", "tmp", "usr", "root", "run", "mnt", "etc", "var")
LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
SETTINGS = (
    "passwd",
    "group",
    "nsswitch.conf",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "alternatives",
    "localtime",
)
PROGRAM = """
import queue, sqlite3, tempfile, threading, time
waiting = queue.Queue()
threading.Timer(1, waiting.put, ("came",)).start()
with tempfile.NamedTemporaryFile() as file: base = sqlite3.connect(file.name)
print(waiting.get(timeout=9), time.time(), base.execute("select 1").fetchall(), id(object()) == id(object()))
"""


def missing() -> str:
    """Say what is not there for this, or nothing."""
    if os.geteuid() != 0:
        return "an engine can be started by root alone"
    return "" if shutil.which("dockerd") else "no dockerd: apt-get install --no-install-recommends docker.io"


@contextlib.contextmanager
def engine(place: Path) -> Iterator[list[str]]:
    """Run an engine of its own and give the words that a command to it begins with."""
    address = f"unix://{place}/socket"
    words = ["dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs", "-H", address]
    words += ["--data-root", f"{place}/data", "--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid"]
    with (place / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as started:
        client = ["docker", "-H", address]
        try:
            for _ in range(600):
                if not subprocess.run([*client, "info"], capture_output=True, check=False).returncode:
                    break
                if started.poll() is not None:
                    raise SystemExit(f"the engine ended: {(place / 'log').read_text()[-500:]}")
                time.sleep(0.2)
            yield client
        finally:
            started.terminate()


def tree() -> bytes:
    """Return a tree as a tar file that has where to mount things, and the few settings that programs look for."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in EMPTY:
            row = tarfile.TarInfo(name)
            row.type, row.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(row)
        for name in LINKS:
            if Path("/", name).is_symlink():
                archive.add(Path("/", name), name)
        for name in SETTINGS:
            if Path("/etc", name).exists():
                archive.add(Path("/etc", name), f"etc/{name}")
    return made.getvalue()


def container(client: list[str], options: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new container."""
    mounted = {"/usr", sys.base_prefix, str(ROOT)}
    volumes = [f"--volume={path}:{path}:ro" for path in sorted(mounted)]
    fixed = [
        "run",
        "--rm",
        "--network=none",
        "--sysctl=net.ipv6.conf.all.disable_ipv6=0",
        "--tmpfs=/tmp:exec,mode=1777",
        f"--workdir={ROOT}",
        "--env=HOME=/tmp",
    ]
    words = [*client, *fixed, *volumes, *options, "empty", *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)


def look(client: list[str], options: list[str], *, attack: bool) -> dict[str, Any]:
    """Return what doctor, a solve world and, if asked for, the attack program say in a container."""
    python = str(ROOT / ".venv/bin/python")
    told = container(client, options, python, "-m", "x07py", "doctor", "--format", "json")
    try:
        features = json.loads(told.stdout)
    except ValueError:
        features = {"error": told.stdout[-300:] + told.stderr[-300:]}
    place = "/tmp/p"
    script = f"mkdir {place} && cd {place} && : > x07.toml && cat > p.py && " + " && ".join(
        [f"{python} -m x07py run --profile replay --entry p.py"] * 2
    )
    words = ["sh", "-c", f"cat <<'END' | (sh -c '{script}')\n{PROGRAM}\nEND\n"]
    replay = container(client, options, *words)
    found = {"doctor": features, "replay": (replay.returncode, replay.stdout.splitlines(), replay.stderr[-300:])}
    if not attack:
        return found
    tests = [
        "-q",
        "-p",
        "no:cacheprovider",
        "--tb=line",
        "tests/sandbox/test_attacks.py",
        "-rfE",
        "-k",
        "test_nothing_gets_out and (plain or namespaces)",
    ]
    attacks = container(client, ["--env=PYTHONDONTWRITEBYTECODE=1", *options], python, "-m", "pytest", *tests)
    return found | {"attacks": (attacks.returncode, attacks.stdout.splitlines()[-12:], attacks.stderr[-300:])}


def holds(found: dict[str, Any]) -> bool:
    """Tell whether two replays were the same and nothing got out; also where the engine could start no container."""
    code, lines, _ = found["replay"]
    if code == _NOT_STARTED:
        return True
    same = code == 0 and len(lines) == 2 and lines[0] == lines[1]
    return same and found.get("attacks", (0,))[0] == 0


def main() -> None:
    """Try each way and print what it showed."""
    if why := missing():
        raise SystemExit(why)
    held = True
    place = Path(tempfile.mkdtemp(prefix="x07-engine-"))
    try:
        with engine(place) as client:
            subprocess.run([*client, "import", "-", "empty"], input=tree(), check=True, capture_output=True)
            attack = "--no-attacks" not in sys.argv
            for name in [one for one in sys.argv[1:] if one in WAYS] or list(WAYS):
                print(f"== {name}")
                found = look(client, WAYS[name], attack=attack)
                held = holds(found) and held
                for what, told in found.items():
                    print(f"{what}: {json.dumps(told)}", flush=True)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
