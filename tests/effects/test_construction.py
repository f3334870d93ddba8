"""Attributes follow the order in which a constructor sets them; what may come in another order keeps all values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer
from tests.effects.test_answers import installed

if TYPE_CHECKING:
    from pathlib import Path

AT = "    def at(self): return time.time() if self.now is None else self.now\n"
KEEPS_LAST = {
    "an assignment over another": "self.now = None; self.now = {}",
    "what stands in the class": "self.now = {}",
    "a method that the constructor calls": "self.set(None); self.set({})",
    "both branches": "\n        self.now = None\n        if m: self.now = 1.0\n        else: self.now = {}",
    "a setter": "self.current = None; self.current = {}",
    "under try without handlers": "\n        self.now = None\n        try: self.now = {}\n        finally: pass",
    "a helper that is called twice": "self.set({}); self.at(); self.set(2.0); self.at(); self.now = 1.0",
}
KEEPS_ALL = {
    "one branch": "\n        self.now = None\n        if m: self.now = 1.0",
    "an early return": "\n        self.now = None\n        if m: return\n        self.now = 1.0",
    "a loop": "\n        self.now = None\n        for _ in m: self.now = 1.0",
    "a handler": "\n        self.now = None\n        try: self.now = m()\n        except KeyError: pass",
    "a part of a condition": "self.now = None; m and self.set(1.0)",
    "a function that is handed on": "self.now = None; m(self.clear); self.now = 1.0",
    "a deletion": "self.now = 1.0; del self.now",
    "another method, later": "self.now = 1.0; self.late = True",
}


def _found(tmp_path: Path, body: str) -> set[str]:
    library = (
        "import time\nclass Job:\n    now = None\n"
        f"    def __init__(self, m): {body}\n"
        "    def set(self, value): self.now = value\n    def clear(self): self.now = None\n"
        "    @property\n    def current(self): return self.now\n"
        f"    @current.setter\n    def current(self, value): self.now = value\n{AT}"
    )
    call = "job.clear(); return job.at()" if "late" in body else "return job.at()"
    files = {"core.py": f"from job import Job\ndef f(m):\n    job = Job(m)\n    {call}\n"}
    found = answer(tmp_path, files, environment=installed(tmp_path, {"job.py": library})).findings("core")
    return {reach.end.capability for reach in found}


@pytest.mark.parametrize("case", KEEPS_LAST)
def test_the_last_assignment_of_a_constructor_counts(case: str, tmp_path: Path) -> None:
    assert _found(tmp_path, KEEPS_LAST[case].format("float(m)")) == set()
    assert _found(tmp_path, KEEPS_LAST[case].format("m.get(1)")) == {"clock"}


@pytest.mark.parametrize("case", KEEPS_ALL)
def test_what_may_come_in_another_order_keeps_all_values(case: str, tmp_path: Path) -> None:
    assert _found(tmp_path, KEEPS_ALL[case]) == {"clock"}


def test_a_setter_is_judged(tmp_path: Path) -> None:
    text = (
        "import time\nclass A:\n    @property\n    def at(self): return 0\n"
        "    @at.setter\n    def at(self, value): self.when = time.time()\n"
    )
    assert [reach.end.capability for reach in answer(tmp_path, {"core.py": text}).findings("core")] == ["clock"]
