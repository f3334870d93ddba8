"""Where the ``x07`` command starts: tells in one line that x07py itself is damaged, whatever of it does not import."""

from __future__ import annotations

import sys
from typing import NoReturn

_EXIT = {"run": 126, "policy": 126, "arch": 3}
_EXIT_OTHERS = 20


def main() -> NoReturn:
    """Run one ``x07`` command line and exit with its code."""
    try:
        from x07py.cli.main import main as run

        run()
    except Exception as error:  # noqa: BLE001 (what a damaged module raises is anybody's guess)
        from x07py import damage

        sys.stderr.write(damage.told(error))
    sys.exit(_EXIT.get(sys.argv[1] if len(sys.argv) > 1 else "", _EXIT_OTHERS))
