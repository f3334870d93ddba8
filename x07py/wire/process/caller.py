"""Who makes a connection: the package, and the line of the program, for errors and summaries."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from types import FrameType

_STANDARD = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib")})
_INSTALLED = tuple({sysconfig.get_path(name) for name in ("purelib", "platlib")} | set(site.getsitepackages()))
_OWN = str(Path(__file__).parents[2])


class Caller(NamedTuple):
    """Package that connects (empty if the program itself does), and file and line of the program (empty if unknown)."""

    package: str
    line: str

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.package or "the program", self.line)))


def caller() -> Caller:
    """Return who makes the connection that is being made."""
    package = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        installed = next((folder for folder in _INSTALLED if name.startswith(folder)), None)
        if installed is not None:
            package = package or Path(name).relative_to(installed).parts[0].removesuffix(".py")
        elif not name.startswith((*_STANDARD, _OWN, "<")):
            return Caller(package, f"{_short(name)}:{frame.f_lineno}")
        frame = frame.f_back
    return Caller(package, "")


def _short(name: str) -> str:
    path = Path(name)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else name
