"""Makes x07py/cli/help.json, from which `--help` is answered, and docs/reference/commands.md, from the Typer apps.

``python .ci/help_pages.py`` writes both; with ``--check`` it writes nothing and fails if one is not current.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

from x07py.cli.entry import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = {"help.json": ROOT / "x07py/cli/help.json", "commands.md": ROOT / "docs/reference/commands.md"}
HEAD = """# Commands

What `--help` of each command prints. `x07` and `x07py` are the same program. Made by `make help-pages` from the source.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield every command and group by its words."""
    for name in COMMANDS:
        yield from _below(name, get_command(import_module(f"x07py.cli.{name}").app))


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


def made() -> dict[str, str]:
    """Return what both files shall hold."""
    os.environ["COLUMNS"] = "80"
    texts = {words: help_text(words, command) for words, command in commands()}
    page = HEAD
    for words, text in texts.items():
        level = "##" if " " not in words else "###"
        page += f"\n{level} x07 {words}\n\n```text\n{text.strip()}\n```\n"
    return {
        "help.json": json.dumps(texts, indent=1) + "\n",
        "commands.md": re.sub(r" +$", "", page, flags=re.MULTILINE),
    }


def main() -> int:
    """Write both files, or tell whether they are current."""
    pages = made()
    if sys.argv[1:] == ["--check"]:
        return any(PAGES[name].read_text(encoding="utf-8") != text for name, text in pages.items())
    for name, text in pages.items():
        PAGES[name].write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
