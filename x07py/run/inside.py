"""Where the process of a solve world starts: `x07py.run.bootstrap`, or one line that says why x07py cannot go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EXIT_CANNOT = 125


def _entrance() -> Callable[[Sequence[str]], object]:
    try:
        from x07py.run.bootstrap import main
    except Exception as error:  # noqa: BLE001 (what a damaged module raises is anybody's guess)
        from x07py import damage

        sys.stderr.write(damage.told(error))
        sys.exit(_EXIT_CANNOT)
    return main


if __name__ == "__main__":
    sys.exit(_entrance()(sys.argv[1:]))  # type: ignore[arg-type]
