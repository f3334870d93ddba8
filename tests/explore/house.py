"""``make explore``: x07py's own pump, transactions, dead letters, windows and ledgers, for as long as is asked.

Run as ``python -m tests.explore.house SECONDS``; each round has another seed. Ends with 1 at the first finding.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from tests.explore.programs import RIGHT
from tests.explore.test_explore import order_of
from tests.support.project import EXAMPLE
from x07py.explore.campaign import explore
from x07py.explore.story import tell

HISTORIES = 2000
ALONE = {"a pump in transactions"}
"""Programs with a transactional id of their own, which two instances may not share."""


def main(seconds: float) -> int:
    """Explore each program in turn, alone and with a second instance, until the time is over."""
    until, seed, total = time.monotonic() + seconds, 0, 0
    with tempfile.TemporaryDirectory(prefix="x07-explore-") as folder:
        root = Path(folder)
        shutil.copytree(EXAMPLE / "arch", root / "arch")
        os.chdir(root)
        while time.monotonic() < until:
            for name, program in RIGHT.items():
                for members in (1,) if name in ALONE else (1, 2):
                    order = order_of(root, program)
                    promises = replace(order.promises, instances=members)
                    result = explore(replace(order, seed=seed, promises=promises, here=False), HISTORIES)
                    total += result.coverage.histories
                    sys.stdout.write(
                        f"{name}, {members} instances, seed {seed}: {result.coverage.histories} histories\n"
                    )
                    sys.stdout.flush()
                    for found in result.found:
                        sys.stdout.write("\n".join(tell(found)) + "\n")
                    if result.unshrunk:
                        return 1
                    if time.monotonic() > until:
                        break
            seed += 1
        sys.stdout.write(f"{total:,} histories, nothing found\n")
        os.chdir("/")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
