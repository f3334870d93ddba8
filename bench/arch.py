"""`x07 arch check` against import-linter and tach: whole commands, on made-up trees with the same rules.

Three cases, in turns: no cache; nothing changed since the last run; one file changed. tach keeps no cache, so its runs
differ by nothing but chance. Each tool is first made to find a broken layer, so that none is measured doing nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from bench.arch_tree import make_tree
from bench.measure import table, write

ROUNDS = {2_000: 5, 10_000: 3, 50_000: 2}
PEERS_UP_TO = 10_000
CASES = ("cold", "unchanged", "one file changed")
COMMANDS = {"x07 arch check": ["x07", "arch", "check"], "import-linter": ["lint-imports"], "tach": ["tach", "check"]}
_CACHES = (".cache", ".import_linter_cache", ".tach")
_SETTLE_SECONDS = 2.2


class Run(NamedTuple):
    """One process: seconds from start to end, and the most memory that it had resident, in MiB."""

    seconds: float
    mebibytes: float


def main() -> None:
    """Measure in turns, print and write the results."""
    results: dict[str, Any] = {}
    rows: list[list[object]] = []
    for modules, rounds in ROUNDS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            edges = make_tree(root, modules)
            tools = list(COMMANDS) if modules <= PEERS_UP_TO else ["x07 arch check"]
            _show_that_they_bite(root, tools)
            found = _measure(root, tools, rounds)
        for tool in tools:
            for case in CASES:
                runs = found[tool, case]
                seconds = statistics.median(run.seconds for run in runs)
                memory = max(run.mebibytes for run in runs)
                results[f"{modules} {tool} {case}"] = {"seconds": seconds, "mebibytes": memory, "imports": edges}
                rows.append([f"{modules:,}", tool, case, f"{1000 * seconds:.0f}", f"{memory:.0f}"])
    text = table(["modules", "tool", "case", "ms, median", "MiB, most"], rows)
    write("arch", "make bench-arch", ["x07py", "import-linter", "grimp", "tach"], results, text)


def _show_that_they_bite(root: Path, tools: list[str]) -> None:
    """Break the layers once and see that each tool says so."""
    extra = root / "src/shop/base/area00/wrong.py"
    extra.write_text("import shop.web.area00\n", encoding="utf-8")
    for tool in tools:
        if _run(root, tool)[1] == 0:
            raise SystemExit(f"{tool} does not find a broken layer")
    extra.unlink()


def _measure(root: Path, tools: list[str], rounds: int) -> dict[tuple[str, str], list[Run]]:
    found: dict[tuple[str, str], list[Run]] = {}
    changed = next((root / "src/shop/service/area05").glob("part*.py"))
    for _ in range(rounds):
        for case in CASES:
            for tool in tools:
                if case == "cold":
                    for name in _CACHES:
                        shutil.rmtree(root / name, ignore_errors=True)
                if case == "one file changed":
                    with changed.open("a", encoding="utf-8") as file:
                        file.write("# one more line\n")
                run, code = _run(root, tool)
                if code:
                    raise SystemExit(f"{tool} ended with {code} on a tree that is right")
                found.setdefault((tool, case), []).append(run)
            if case == "cold":
                # each has a cache that it trusts before "unchanged" is measured
                time.sleep(_SETTLE_SECONDS)
                for tool in tools:
                    _run(root, tool)
    return found


def _run(root: Path, tool: str) -> tuple[Run, int]:
    command = COMMANDS[tool]
    program = str(Path(sys.executable).parent / command[0])
    environment = {**os.environ, "PYTHONPATH": str(root / "src"), "XDG_CACHE_HOME": str(root / ".cache")}
    started = time.perf_counter()
    process = subprocess.Popen(
        [program, *command[1:]], cwd=root, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Run(time.perf_counter() - started, usage.ru_maxrss / 1024), process.returncode


if __name__ == "__main__":
    main()
