"""Names that are put together: what fits the part that is known is reached, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer
from tests.effects.test_answers import installed

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = """\
import time
from operator import attrgetter, methodcaller
class Runner:
    def begins(self, kind): return getattr(self, "run_" + kind, self.other)()
    def written(self, kind): return getattr(self, f"run_{kind}")()
    def by_percent(self, kind): return getattr(self, "run_%s" % kind)()
    def by_format(self, kind): return getattr(self, "run_{}".format(kind.lower()))()
    def listed(self, _): return [getattr(self, name)() for name in dir(self) if name.startswith("run_")]
    def called(self, kind): return methodcaller("run_" + kind)(self)
    def taken(self, kind): return attrgetter("run_" + kind)(self)()
    def by_global(self, kind): return globals()[f"run_{kind}"]()
    def ends(self, kind): return getattr(self, kind + "_run")()
    def other(self): return 0
    def <first>(self): return time.time()
    def <last>(self): return time.time()
def <first>(): return time.time()
"""
WAYS = ["begins", "written", "by_percent", "by_format", "listed", "called", "taken", "by_global", "ends"]


@pytest.mark.parametrize("way", WAYS)
def test_what_fits_a_name_is_reached_and_nothing_else(way: str, tmp_path: Path) -> None:
    files = {"core.py": f"from runner import Runner\ndef f(kind): return Runner().{way}(kind)\n"}
    for first, last, expected in (("run_now", "now_run", {"clock"}), ("look_now", "now_look", set())):
        library = LIBRARY.replace("<first>", first).replace("<last>", last)
        found = answer(tmp_path, files, environment=installed(tmp_path, {"runner.py": library})).findings("core")
        assert {reach.end.capability for reach in found} == expected


def test_a_name_on_something_unknown_is_said_to_be_unresolved(tmp_path: Path) -> None:
    text = "def f(thing, kind): return getattr(thing, 'run_' + kind)()\n"
    found = answer(tmp_path, {"core.py": text})
    assert not found.findings("core")
    assert [row[:2] for row in found.unresolved["core"]] == [("f", 1)]
