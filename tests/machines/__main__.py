"""Boots the scenarios on one kind of machine, runs the sandbox's tests there, and writes what came of it.

Argument: ``aarch64`` or ``x86_64``. Exit 1 if anything was not as it has to be.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.measure import table, write
from tests.machines import image
from tests.machines.debian import Archive
from tests.machines.qemu import MACHINES, boot
from tests.machines.scenarios import SCENARIOS, SUITE, TESTS, failed, tally

if TYPE_CHECKING:
    from pathlib import Path

    from tests.machines.qemu import Machine
    from tests.machines.scenarios import Scenario

BOOT_SECONDS, SUITE_SECONDS = 900.0, 7200.0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a kind of machine boots: an archive with its system, the backports' kernel and Debian's own."""

    folder: Path
    system: Path
    kernels: dict[bool, image.Kernel]


def prepare(machine: Machine) -> Ready:
    """Fetch packages and make a system of them, below the project's build folder."""
    folder = image.REPOSITORY / "build" / "machines" / machine.name
    archive = Archive(folder / "apt", machine.architecture)
    archive.update()
    kernels = {
        newest: image.kernel(archive.kernel(newest=newest), folder / ("newest" if newest else "own"))
        for newest in (True, False)
    }
    image.system(folder / "root", archive.closure(image.PACKAGES), machine.name)
    image.pack(folder / "root", folder / "system.cpio")
    return Ready(folder, folder / "system.cpio", kernels)


def play(machine: Machine, ready: Ready, scenario: Scenario) -> tuple[list[dict[str, str]], list[str]]:
    """Boot a scenario; return a row for each thing that it has to show, and what was wrong."""
    kernel = ready.kernels[scenario.newest]
    found = boot(
        machine,
        kernel,
        ready.system,
        scenario.orders(TESTS[machine.name]),
        log=ready.folder / f"{scenario.name.replace(' ', '-')}.log",
        timeout=BOOT_SECONDS + SUITE_SECONDS * scenario.suite,
        options=scenario.options,
    )
    known = {"kernel": kernel.image.name.removeprefix("vmlinuz-"), "machine": scenario.name}
    rows: list[dict[str, str]] = []
    wrong = []
    for probe in scenario.probes:
        problems = probe.problems(found[probe.name])
        wrong += problems
        rows.append(known | {"who": probe.name, "expected": probe.expected, "found": "differs" if problems else "so"})
    if scenario.suite:
        suite = found[SUITE]
        counts = ", ".join(f"{number} {word}" for word, number in tally(suite).items())
        wrong += failed(suite) or ([] if suite.exit == 0 else [f"the tests ended with {suite.exit}"])
        rows.append(
            known | {"who": "tests, root and nobody", "expected": "all pass", "found": f"{counts} in {suite.seconds} s"}
        )
    return rows, [f"{scenario.name}: {one}" for one in wrong]


def main(machine: Machine) -> int:
    """Run the campaign on a kind of machine; return the exit code."""
    ready = prepare(machine)
    rows, wrong = [], []
    for scenario in SCENARIOS:
        more, problems = play(machine, ready, scenario)
        rows += more
        wrong += problems
    text = table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    write(f"machine-{machine.name}", f"make {machine.name}", ("x07py",), {"rows": rows, "wrong": wrong}, text)
    print("\n".join(wrong), file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(MACHINES[sys.argv[1]]))
