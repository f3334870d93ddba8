"""The sandboxes of ``bench.sandbox``, each in a process of its own that has imported what it needs and nothing else.

So no peer pays for the memory, the threads or the descriptors of another when it forks.
"""

from __future__ import annotations

import contextlib
import functools
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

T = TypeVar("T")
LEAST_ROUNDS = 3
ROOT = Path(__file__).parents[1]
READABLE = ("/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", sys.prefix, sys.base_prefix, "/proc", str(ROOT))


class Runner:
    """Runs programs in one sandbox."""

    def __init__(self, name: str, folder: str) -> None:
        command = [sys.executable, "-m", "bench.sandbox_runners", name, folder]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def run(self, argv: Sequence[str], port: int) -> float:
        """Run a program that may connect to a port of this machine, and return the seconds from its start to its end.

        Raises:
            RuntimeError: it could not be run, or failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([list(argv), port]) + "\n")
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return float(answer)

    def close(self) -> None:
        """End the process that runs them."""
        self._process.communicate()


@contextlib.contextmanager
def runners(folder: str) -> Iterator[dict[str, Runner]]:
    """Start a runner for each sandbox, with `folder` for programs to write to; "bare" is the first."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(contextlib.closing(Runner(name, folder))) for name in SANDBOXES}


def in_turns(seconds: float, sandboxes: Mapping[str, Runner], measure: Callable[[Runner], T]) -> list[dict[str, T]]:
    """Return what `measure` returns for each sandbox, by round; a peer that fails is left out of its round.

    The order is drawn anew for each round, as what one leaves behind for the kernel to tidy up meets the next. A round
    before the first, in which all warms up, does not count. There are as many as `seconds` have room for, and three at
    least.
    """
    draw = random.Random(1)
    found: list[dict[str, T]] = []
    begin = time.perf_counter()
    while len(found) < LEAST_ROUNDS + 1 or time.perf_counter() - begin < seconds:
        found.append({})
        for name in draw.sample(list(sandboxes), len(sandboxes)):
            try:
                found[-1][name] = measure(sandboxes[name])
            except RuntimeError as error:
                if name == "bare":
                    raise
                sys.stderr.write(f"{name}: {error}\n")
    return found[1:]


def _bare(_: str) -> Callable[[list[str], int], bool]:
    return lambda argv, _: subprocess.run(argv, env={}, check=False).returncode == 0


def _x07py(folder: str, *, namespaces: bool = True) -> Callable[[list[str], int], bool]:
    from x07py.sandbox import landlock
    from x07py.sandbox.confinement import Confinement
    from x07py.sandbox.launch import run
    from x07py.sandbox.network import AddressRules, Range, mapped

    paths = tuple((path, landlock.READ | landlock.EXECUTE) for path in READABLE)
    paths += ((folder, landlock.WRITE), ("/dev/null", landlock.DEVICE))

    def confined(argv: list[str], port: int) -> bool:
        home = Range(mapped(bytes([127, 0, 0, 1])), 128, port, port)
        spec = Confinement(tuple(argv), {}, "/", paths, connect=AddressRules((home,)), namespaces=namespaces)
        return run(spec).status == 0

    return confined


def _bubblewrap(folder: str) -> Callable[[list[str], int], bool]:
    """It has no allowlist: its programs share the host's whole network."""
    command = ["bwrap", "--unshare-all", "--share-net", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev"]
    command += ["--bind", folder, folder, "--proc", "/proc"]
    return lambda argv, _: subprocess.run([*command, *argv], env={"PATH": "/usr/bin"}, check=False).returncode == 0


def _sandlock(folder: str) -> Callable[[list[str], int], bool]:
    from sandlock import Sandbox

    readable = [*(path for path in READABLE if Path(path).exists()), "/dev"]

    @functools.cache
    def sandbox(port: int) -> Sandbox:
        return Sandbox(fs_readable=readable, fs_writable=[folder], net_allow=[f"127.0.0.1:{port}"])

    return lambda argv, port: bool(sandbox(port).run(argv).success)


SANDBOXES: dict[str, Callable[[str], Callable[[list[str], int], bool]]] = {
    "bare": _bare,
    "x07py": _x07py,
    "x07py, no namespaces": functools.partial(_x07py, namespaces=False),
    "bubblewrap": _bubblewrap,
    "sandlock": _sandlock,
}


def main(name: str, folder: str) -> None:
    """Answer each line of standard input, a command and a port, with its seconds, or with what went wrong."""
    run = SANDBOXES[name](folder)
    for line in sys.stdin:
        argv, port = json.loads(line)
        begin = time.perf_counter()
        try:
            succeeded = run(argv, port)
            seconds = time.perf_counter() - begin
            answer: float | str = seconds if succeeded else f"{argv[0]} failed"
        except Exception as error:  # noqa: BLE001 (a peer that cannot do it is told of, whatever it raises)
            answer = repr(error)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
