"""Makes x07py/cli/help.json, from which `--help` is answered; ``--check`` fails, and says so, if it is not current."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from x07py.cli.main import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parents[1] / "x07py/cli/help.json"


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command and group by its words."""
    for name in COMMANDS:
        yield from _below(name, get_command(import_module(f"x07py.cli.{name}").app.typer()))


def _below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    yield words, command
    for name, child in getattr(command, "commands", {}).items():
        yield from _below(f"{words} {name}", child)


def help_text(words: str, command: Any) -> str:
    """Return what ``--help`` prints at a width of 80 columns."""
    out = io.StringIO()
    with redirect_stdout(out):
        command.main(args=["--help"], prog_name=f"x07 {words}", standalone_mode=False)
    return out.getvalue()


def main() -> int:
    """Write the file, or tell whether it is current."""
    os.environ["COLUMNS"] = "80"
    texts = json.dumps({words: help_text(words, command) for words, command in commands()}, indent=1) + "\n"
    if sys.argv[1:] == ["--check"]:
        current = FILE.is_file() and FILE.read_text(encoding="utf-8") == texts
        if not current:
            sys.stderr.write("x07py/cli/help.json is not current: run `make help-pages` and commit it\n")
        return not current
    FILE.write_text(texts, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
