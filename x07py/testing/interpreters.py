"""Which commands start a Python that has x07py and reads its environment, and so puts itself on a cassette."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.files import open_file

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(python|pypy)[0-9.]*(\.exe)?")
_LONGEST_LINE = 4096
_ASK = "import importlib.util, sys; sys.exit(importlib.util.find_spec('x07py.testing.started') is None)"


def opens_cassette(program: Path, arguments: Sequence[str]) -> bool:
    """Tell whether a command starts a Python with x07py installed, or a script for one, and lets it find its cassette.

    A Python of another environment is started once, to ask it.

    Args:
        program: the path of a file that can be executed.
        arguments: what it is given.
    """
    python, options = _interpreter_of(program)
    if python is None or _ignores_environment([*options, *(arguments if python == program else ())]):
        return False
    own = Path(sys.executable)
    if python.parent == own.parent and python.resolve() == own.resolve():
        return True
    asked = subprocess.run(
        [str(python), "-c", _ASK], capture_output=True, stdin=subprocess.DEVNULL, check=False, cwd="/"
    )
    return asked.returncode == 0


def _interpreter_of(program: Path) -> tuple[Path | None, list[str]]:
    """Return the Python that a program is or that its first line names, and the options there."""
    if _PYTHON.fullmatch(program.name):
        return program, []
    first = ""
    with suppress(OSError), open_file(program) as file:  # what may be run and not read is no script
        first = os.fsdecode(file.readline(_LONGEST_LINE))
    words = first[2:].split() if first.startswith("#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if word != "-S" and "=" not in word]
        words[:1] = filter(None, map(shutil.which, words[:1]))
    is_python = bool(words) and _PYTHON.fullmatch(Path(words[0]).name) is not None
    return (Path(words[0]), words[1:]) if is_python else (None, [])


def _ignores_environment(options: Sequence[str]) -> bool:
    """Tell whether options of Python, before its program, keep it from the module that opens the cassette."""
    rest = iter(options)
    for option in rest:
        if not option.startswith("-") or option == "-":
            return False
        letters = "" if option.startswith("--") else option[1:]
        for letter in letters:
            if letter in "cm":
                return False
            if letter in "IES":
                return True
            if letter in "WX":
                if letters.endswith(letter):
                    next(rest, None)
                break
    return False
