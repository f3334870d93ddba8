"""A recording process for the crash tests: records numbered entries until it is killed, or as many as it is told.

    python -m tests.rr.writer ROOT MODE COUNT [HOLD]

Prints the number of each entry once it is written; COUNT 0 goes on for ever. With HOLD it keeps the session open for
that many seconds before ending it.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.rr.builders import entry, opened
from x07py.errors import X07Error
from x07py.rr import Mode


def main() -> int:
    """Record and say how far."""
    root, mode, count = Path(sys.argv[1]), Mode.parse(sys.argv[2]), int(sys.argv[3])
    try:
        with opened(root, mode) as session:
            number = 0
            while not count or number < count:
                session.append(entry(number, resp=bytes(number % 4000)))
                sys.stdout.write(f"{number}\n")
                sys.stdout.flush()
                number += 1
            if len(sys.argv) > 4:
                time.sleep(float(sys.argv[4]))
    except X07Error as error:
        sys.stdout.write(f"error {error.code}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
