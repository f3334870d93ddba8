"""Runs x07 in real containers, each under another set of an engine's options, and prints what held there.

An engine of its own is started (as root; Debian's docker.io), without rules for the network and without a bridge; or,
with ``--podman``, Podman is used as root and as nobody. The image is an empty tree, imported; the machine's own system,
Python and this repository are mounted into it, read-only but for /tmp. Arguments: names of ways, by default all;
``--no-attacks`` leaves the attack program out. Exit 1 if a container was started in which something did not hold.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

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
_LIMITS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]
ROOTLESS = "rootless"
PODMAN_WAYS = {"as root": _LIMITS, "as 65534": ["--user=65534", *_LIMITS], ROOTLESS: _LIMITS}
"""Podman's own limits are more than root without all rights may give."""
NOBODY = 65534
_SITE = Path(sysconfig.get_path("purelib")).resolve()
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


def missing(program: str, package: str) -> str:
    """Say what is not there for this, or nothing."""
    if os.geteuid() != 0:
        return "an engine can be started by root alone"
    return "" if shutil.which(program) else f"no {program}: apt-get install --no-install-recommends {package}"


class Client(NamedTuple):
    """How containers start: words of a command to the engine, the Python in them, whether nobody starts them."""

    words: list[str]
    python: Path = ROOT / ".venv/bin/python"
    rootless: bool = False


@contextlib.contextmanager
def podman(place: Path, way: str) -> Iterator[Client]:
    """Give a client of Podman, which needs no engine that runs."""
    words = ["podman", f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]
    words += ["--cgroup-manager=cgroupfs", "--runtime=runc"]  # crun refuses the cgroups of some machines
    if way == ROOTLESS:  # with a Python of its own, as every other may lie where nobody may not look
        os.chown(place, NOBODY, NOBODY)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", place / "venv"], check=True)
        (next(place.glob("venv/lib/*/site-packages")) / "x07.pth").write_text(f"{ROOT}\n{_SITE}\n")
        words = [*user, "env", f"HOME={place}", f"XDG_RUNTIME_DIR={place}", f"TMPDIR={place}", *words]
        yield Client(words, place / "venv/bin/python", rootless=True)
    else:
        yield Client(words)


@contextlib.contextmanager
def engine(place: Path) -> Iterator[Client]:
    """Run an engine of its own and give a client of it."""
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
            yield Client(client)
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


def container(client: Client, options: list[str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a new container."""
    python = client.python.parents[1] if client.rootless else sys.base_prefix
    mounted = {"/usr", str(ROOT), str(_SITE.parents[2]), str(python)}
    volumes = [f"--volume={path}:{path}:ro" for path in sorted(mounted)]
    fixed = [
        "run",
        "--rm",
        "--network=none",
        *([] if client.rootless else ["--sysctl=net.ipv6.conf.all.disable_ipv6=0"]),
        "--tmpfs=/tmp:exec,mode=1777",
        f"--workdir={ROOT}",
        "--env=HOME=/tmp",
        "--env=PYTHONDONTWRITEBYTECODE=1",
    ]
    words = [*client.words, *fixed, *volumes, *options, "empty", *command]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=500)


def look(client: Client, options: list[str], *, attack: bool) -> dict[str, Any]:
    """Return what doctor, a solve world and, if asked for, the attack program say in a container."""
    python = str(client.python)
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
        f"test_nothing_gets_out and (plain or namespaces) {'and self' if client.rootless else ''}",
    ]
    attacks = container(client, options, python, "-m", "pytest", *tests)
    return found | {"attacks": (attacks.returncode, attacks.stdout.splitlines()[-12:], attacks.stderr[-300:])}


def holds(found: dict[str, Any]) -> bool:
    """Tell whether two replays were the same and nothing got out; also where the engine could start no container."""
    code, lines, _ = found["replay"]
    if code == _NOT_STARTED:
        return True
    same = code == 0 and len(lines) == 2 and lines[0] == lines[1]
    return same and found.get("attacks", (0,))[0] == 0


def show(client: Client, name: str, options: list[str]) -> bool:
    """Print what one way showed; tell whether it holds."""
    print(f"== {name}")
    found = look(client, options, attack="--no-attacks" not in sys.argv)
    for what, told in found.items():
        print(f"{what}: {json.dumps(told)}", flush=True)
    return holds(found)


def main() -> None:
    """Try each way and print what it showed."""
    by_podman = "--podman" in sys.argv
    if why := missing("podman", "podman runc") if by_podman else missing("dockerd", "docker.io"):
        raise SystemExit(why)
    ways = PODMAN_WAYS if by_podman else WAYS
    wanted = [one for one in sys.argv[1:] if one in ways] or list(ways)
    held = True
    for names in [[one] for one in wanted] if by_podman else [wanted]:
        place = Path(tempfile.mkdtemp(prefix="x07-engine-"))
        try:
            with podman(place, names[0]) if by_podman else engine(place) as client:
                subprocess.run([*client.words, "import", "-", "empty"], input=tree(), check=True, capture_output=True)
                for name in names:
                    held = show(client, name, ways[name]) and held
        finally:
            shutil.rmtree(place, ignore_errors=True)
    raise SystemExit(0 if held else 1)


if __name__ == "__main__":
    main()
