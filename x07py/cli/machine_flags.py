"""The reference's flags on ``x07 arch`` and ``x07 pkg``: ``--json``, ``--out FILE``, ``--report-out FILE``.

They may stand anywhere on the line. ``--json`` is ``--format json``; ``--out`` writes what the command prints to a file
instead, ``--report-out`` writes a copy.
"""

from __future__ import annotations

import io
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import UsageError
from x07py.files import replace_file

if TYPE_CHECKING:
    from collections.abc import Callable

_ON, _OFF = ("", "canon", "pretty", "true"), ("off", "false")


class Line(NamedTuple):
    """A command line without these flags, and the files that they name."""

    args: list[str]
    out: str | None
    copy: str | None

    def run(self, command: Callable[[list[str]], int]) -> int:
        """Run a command and return its exit code; what it prints goes where the flags say.

        Raises:
            FileError: ``X07IO_WRITE``.
        """
        out = None if self.out == "-" else self.out
        if out is None and self.copy is None:
            return command(self.args)
        printed = io.StringIO()
        with redirect_stdout(printed):
            code = command(self.args)
        for name in filter(None, (out, self.copy)):
            replace_file(Path(name), printed.getvalue().encode())
        if out is None:
            sys.stdout.write(printed.getvalue())
        return code


def read_flags(args: list[str]) -> Line:
    """Take the flags out of a command line.

    Raises:
        UsageError: ``X07_USAGE`` for one without the file that it needs, or an unknown value.
    """
    rest: list[str] = []
    files: dict[str, str] = {}
    as_json = False
    words = iter(args)
    for word in words:
        name, equals, value = word.partition("=")
        if name == "--json":
            if value not in (*_ON, *_OFF):
                raise UsageError("X07_USAGE", f"--json cannot be {value!r}", hint=f"one of {', '.join(_ON[1:])}, off")
            as_json = value in _ON
        elif name in {"--out", "--report-out"}:
            file = value if equals else next(words, "")
            if not file or (name == "--report-out" and file == "-"):
                raise UsageError("X07_USAGE", f"{name} needs a file", hint=f"{name} report.json")
            files[name] = file
        else:
            rest.append(word)
    return Line([*rest, *(["--format", "json"] if as_json else [])], files.get("--out"), files.get("--report-out"))
