"""The ``x07`` command once the package imports: tells in one line that x07py itself is damaged further inside."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run one ``x07`` command line and exit with its code."""
    try:
        from x07py.cli.main import main as run

        run()
    except Exception as error:  # noqa: BLE001 (what a damaged module raises is anybody's guess)
        from x07py import damage

        damage.end(error)
