"""The ``x07`` command once the package imports: tells in one line that x07py itself is damaged further inside."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn


def main() -> NoReturn:
    """Run one ``x07`` command line and exit with its code."""
    try:
        from x07py.cli.main import main as run

        run()
    except SystemExit as ended:
        if sys.argv[1:2] == ["run"] and isinstance(ended.code, int):
            with suppress(OSError):  # gone: that was told, or nobody is there to be told
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(ended.code)  # to take all its modules down would cost as much as Python's own start
        raise
    except Exception as error:  # noqa: BLE001 (what a damaged module raises is anybody's guess)
        from x07py import damage

        damage.end(error)
