"""Which programs a Python on a cassette starts whose connections nobody sees: those of no Python that joins it."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from x07py.testing.interpreters import opens_cassette
from x07py.testing.order import INJECT
from x07py.wire.process.control import VARIABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHELL = "sh"


class Starts:
    """Takes note of each program that this process starts, from now on until it ends.

    Attributes:
        unseen: the names of those that do not come to the cassette by themselves, in the order of their first start.
    """

    def __init__(self) -> None:
        self.unseen: dict[str, None] = {}
        self._asking = threading.local()
        sys.addaudithook(self._heed)

    def _heed(self, event: str, args: tuple[Any, ...]) -> None:
        """Take an event of Python's audit (PEP 578); what the hook itself starts is none of the program's."""
        if event == "os.system":
            self.unseen[_SHELL] = None
        elif event in {"subprocess.Popen", "os.exec", "os.posix_spawn"} and not getattr(self._asking, "now", False):
            env = args[3] if event == "subprocess.Popen" else args[2]
            self._asking.now = True
            try:
                self._started(os.fsdecode(args[0]), args[1], env)
            finally:
                self._asking.now = False

    def _started(self, program: str, arguments: Sequence[Any], env: Mapping[Any, Any] | None) -> None:
        found = shutil.which(program)
        if found is None:
            return
        given = {os.fsdecode(name): os.fsdecode(value) for name, value in (os.environ if env is None else env).items()}
        is_led = VARIABLE in given and INJECT in given.get("PYTHONPATH", "").split(os.pathsep)
        if not (is_led and opens_cassette(Path(found), [os.fsdecode(one) for one in arguments[1:]])):
            self.unseen[Path(program).name] = None
