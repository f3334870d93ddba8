"""``make right``: the programs that are right, in as many histories as are asked for.

Run as ``python -m tests.explore.right HISTORIES SEED``: so many histories of each program, in rounds of 2,000 with
seeds that begin at the given one. Ends with 1 at the first finding.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.explore.test_planted import CORRECT, HERE, explore, make_project

ROUND = 2000


def main(histories: int, seed: int) -> int:
    """Explore each program, and say after each round how many histories there were by now."""
    total, started = 0, time.monotonic()
    with tempfile.TemporaryDirectory(prefix="x07-right-") as folder:
        project = make_project(Path(folder))
        for number in range(-(-histories // ROUND)):
            for name, promises in CORRECT.items():
                code, output = explore(project, HERE / f"correct/{name}.py", promises, ROUND, seed + number)
                if code:
                    sys.stdout.write(f"{name}, seed {seed + number}:\n{output}\n")
                    return 1
                total += ROUND
                sys.stdout.write(
                    f"{total:,} histories, {time.monotonic() - started:.0f} s: {name}, seed {seed + number}\n"
                )
                sys.stdout.flush()
    sys.stdout.write(f"{total:,} histories of {len(CORRECT)} programs, nothing found\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
