"""What emulated machines have to show: where `x07 run` confines, by which layers, and where it refuses, how."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.machines.qemu import Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.machines.qemu import Ended

NOBODY = 65534
USERS = (0, NOBODY)
SUITE = "tests"
RACE_SECONDS = "5"  # an emulated processor does in five what a real one does in less than one
_KERNELS_OWN = ("tests/sandbox/test_environments.py", "tests/sandbox/test_attacks.py")
TESTS = {
    "aarch64": (
        "tests/sandbox/test_launch.py",
        "tests/sandbox/test_supervisor.py",
        "tests/sandbox/test_inherited.py",
        "tests/sandbox/test_metadata.py",
        "tests/sandbox/test_clients.py",
        "tests/run/test_solve.py",
        "tests/run/test_accesses.py",
        *_KERNELS_OWN,
    ),
    "x86_64": _KERNELS_OWN,
}
"""What runs on each kind of machine: all where the processor matters, or else what another kernel may decide."""
_PYTEST = (
    "/usr/bin/python3",
    "-m",
    "pytest",
    "-v",
    "--color=no",
    "-p",
    "no:cacheprovider",
    "--tb=short",
    "--durations=10",
)
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")


@dataclass(frozen=True, slots=True)
class Probe:
    """What `x07 run` has to do for one user.

    Args:
        uid: the user.
        options: more options of `x07 run`.
        layers: what the report has to say of some layers of the sandbox, by how it begins.
        sandbox: words of the refusal to run the sandbox; None if it has to hold.
        solve: words of the refusal to run a solve world; None if it has to repeat.
    """

    uid: int
    options: tuple[str, ...] = ()
    layers: Mapping[str, str] = field(default_factory=dict)
    sandbox: str | None = None
    solve: str | None = None

    @property
    def name(self) -> str:
        """How the probe is called in orders and results."""
        return " ".join(("root" if self.uid == 0 else "nobody", *self.options))

    @property
    def expected(self) -> str:
        """What has to happen, in words."""
        words = [
            f"sandbox {'holds' if self.sandbox is None else 'refused'}",
            f"solve world {'repeats' if self.solve is None else 'refused'}",
        ]
        return ", ".join(words)

    def order(self) -> Order:
        """Return the order that makes this probe."""
        argv = ("/usr/bin/python3", "-m", "tests.machines.probe", str(self.uid), *self.options)
        return Order(self.name, argv)

    def problems(self, ended: Ended) -> list[str]:
        """Return how what happened differs from what has to."""
        lines = [line for line in ended.lines if line.startswith("@probe ")]
        if ended.exit != 0 or not lines:
            return [f"{self.name}: the probe ended with {ended.exit}"]
        found = json.loads(lines[0].removeprefix("@probe "))
        wrong = [*self._of_sandbox(found["sandbox"]), *self._of_solve(found["solve"])]
        return [f"{self.name}: {one}" for one in wrong]

    def _of_sandbox(self, run: Mapping[str, Any]) -> list[str]:
        if self.sandbox is not None:
            refused = _refused(run, self.sandbox)
            return [] if refused and (run["allowed"], run["denied"]) == (0, 0) else [f"not refused: {run}"]
        reached = (run["exit"], run["stdout"].split()[:2], run["allowed"], run["denied"])
        wrong = [] if reached == (0, ["reached", "refused"], 1, 0) else [f"does not hold: {run}"]
        for layer, begin in self.layers.items():
            if not run["layers"].get(layer, "").startswith(begin):
                wrong.append(f"layer {layer} is {run['layers'].get(layer)!r}, not {begin!r}")
        return wrong

    def _of_solve(self, runs: list[Mapping[str, Any]]) -> list[str]:
        if self.solve is not None:
            return [f"not refused: {run}" for run in runs if not _refused(run, self.solve)]
        first, second = runs
        if first != second or first["exit"] or not first["stdout"].startswith("1000000000.0 "):
            return [f"does not repeat: {runs}"]
        return []


def _refused(run: Mapping[str, Any], words: str) -> bool:
    return (run["exit"], run["stdout"]) == (125, "") and words in " ".join(run["stderr"].split())


@dataclass(frozen=True, slots=True)
class Scenario:
    """One boot.

    Args:
        name: what is special about the machine.
        newest: whether it runs the backports' kernel instead of Debian 12's own.
        probes: what `x07 run` has to do there.
        options: more words for the kernel's command line.
        setup: a shell command that comes first.
        suite: whether the sandbox's own tests run there too, with the attacks.
    """

    name: str
    newest: bool
    probes: tuple[Probe, ...]
    options: str = ""
    setup: str = ""
    suite: bool = False

    def orders(self, tests: Iterable[str]) -> list[Order]:
        """Return what the machine is to run; `tests` is the suite."""
        first = [Order("setup", ("/bin/sh", "-c", self.setup))] if self.setup else []
        last = (
            [Order(SUITE, (*_PYTEST, *tests), {"X07_SKIP_LIVE": "1", "X07_RACE_SECONDS": RACE_SECONDS})]
            if self.suite
            else []
        )
        return [*first, *(probe.order() for probe in self.probes), *last]


_NEW, _OLD, _NONE = "ABI 6", "Landlock ABI 2 (needs 3)", "Landlock ABI 0 (needs 3)"
_APART, _TOGETHER = {"namespaces": "network", "proc": "own"}, {"namespaces": "absent"}
_JUDGED = {"landlock": _NEW, "supervisor": "connects"}
_ACCEPT = ("--i-accept-weaker-isolation",)
SCENARIOS = (
    Scenario("as it is", True, tuple(Probe(uid, layers=_JUDGED | _APART) for uid in USERS), suite=True),
    Scenario(
        "user namespaces off",
        True,
        (
            Probe(0, layers=_JUDGED | _APART),
            Probe(NOBODY, layers=_JUDGED | _TOGETHER, solve="a repeatable world needs namespaces"),
        ),
        setup="echo 0 >/proc/sys/user/max_user_namespaces",
    ),
    Scenario(
        "Landlock off", True, tuple(Probe(uid, sandbox=_NONE, solve=_NONE) for uid in USERS), options="lsm=capability"
    ),
    Scenario(
        "Landlock too old",
        False,
        (
            *(Probe(uid, sandbox=_OLD, solve=_OLD) for uid in USERS),
            *(Probe(uid, _ACCEPT, {"landlock": f"absent: {_OLD}", "supervisor": "connects"} | _APART) for uid in USERS),
        ),
    ),
)


def tally(ended: Ended) -> dict[str, int]:
    """Return how many tests of a suite passed, failed and so on, from its last line."""
    last = next((line for line in reversed(ended.lines) if _COUNT.search(line)), "")
    return {word: int(number) for number, word in _COUNT.findall(last)}


def failed(ended: Ended) -> list[str]:
    """Return the tests of a suite that failed."""
    return [line for line in ended.lines if line.startswith(("FAILED ", "ERROR "))]
