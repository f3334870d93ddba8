"""What projects import is worked out once: the same is found without what is kept, with it, and after a change."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.effects.test_answers import installed
from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.finder import Finder, this_environment
from x07py.effects.machine import Machine
from x07py.effects.machine_state import plain_state
from x07py.effects.primitives import primitives
from x07py.effects.store import Store, Summaries

if TYPE_CHECKING:
    from x07py.effects.finder import Environment

DEEP = "import socket\ndef f0(): return socket.create_connection(('h', 1))\n" + "".join(
    f"def f{n}(): return f{n - 1}()\n" for n in range(1, 90)
)
PROGRAMS = {
    "a part of the standard library": "import smtplib\ndef f(m):\n    return smtplib.SMTP('h').send_message(m)\n",
    "objects that keep what they are given": (
        "import logging, time\nfrom string import Template\nclass H(logging.Handler):\n    def emit(self, record):\n"
        "        return Template(record.msg).substitute(at=record.created)\ndef f(x): return H().emit(x)\n"
    ),
    "modules below a package": "from xml.dom import minidom\ndef f(x): return minidom.parse(x)\n",
    "calls too deep to follow at once": "import deep\ndef f(): return deep.f3()\n",
    "a class whose attributes others set": (
        "import shop\ndef f(): return shop.Client().at()\ndef g(): return shop.Fixed().at()\n"
    ),
    "order, and text of objects": "import shop\ndef f(x): return shop.named(x)\ndef g(x): return str(shop.Plain())\n",
    "a name that is bound in a circle": "from one import two\ndef f(): return two()\n",
    "an import that may be missing": "try:\n    import nowhere\nexcept ImportError:\n    import shop\nX = shop.named\n",
    "what cannot be read": "import broken\ndef f(): return broken.x()\n",
}
PACKAGES = {
    "deep.py": f"{DEEP}f89()\n",
    "shop.py": (
        "import time\nclass Base:\n    clock = None\n    def at(self): return self.clock()\nclass Client(Base): ...\n"
        "class Fixed(Base):\n    def clock(self): return 1\nBase.clock = staticmethod(time.time)\n"
        "class Plain: ...\ndef named(rows): return list({row.name for row in rows})\n"
        "ONE = Client()\nONE.other = time.time\n"
    ),
    "one.py": "from other import two\ndef three(): return open('x')\n",
    "other.py": "from one import three\ndef two(): return three()\n",
    "broken.py": "def f(:\n",
}


def ask(root: Path, environment: Environment, *, kept: bool = True, **others: str) -> Answer:
    """Ask what `program.py` reaches, with other modules beside it."""
    project = {name: str(root / f"{name}.py") for name in ("program", *others)}
    for name, text in others.items():
        (root / f"{name}.py").write_text(text)
    (root / "program.py").touch()
    return analyze(Question(project, ("program",), environment, root=root if kept else None))


def told(answer: Answer) -> Any:
    """Return all that an answer says, its chains step for step."""
    functions = [
        (row.name, row.line, sorted((reach.end, reach.steps) for reach in row.reach))
        for row in answer.functions["program"]
    ]
    rest = answer.modules, answer.distributions, answer.unread, answer.unresolved, answer.quiet, answer.at_import
    return functions, [(reach.end, reach.steps) for reach in answer.findings("program")], rest


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Packages of this test's own before the installed ones, so that no other test knows what they reach."""
    (tmp_path / "project").mkdir()
    own, this = installed(tmp_path, PACKAGES), this_environment()
    return type(this)(this.library, (*own.packages, *this.packages), this.version)


def refuse_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machine, "load_first", lambda *_: pytest.fail("worked it out anew"))


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS)
def test_the_same_is_found_without_what_is_kept_before_it_and_with_it(
    text: str, tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    (root / "program.py").write_text(text)
    without = ask(root, environment, kept=False)
    first = ask(root, environment)
    (root / "program.py").write_text(f"{text}\n")
    refuse_to_load(monkeypatch)
    again = ask(root, environment)
    assert told(without) == told(first) == told(again)
    assert set(first.files) == set(again.files)


CHANGES: dict[str, dict[str, str]] = {
    "of a file": {"site-packages/shop.py": "import time\ndef at(): return time.time()\n"},
    "of a file behind it": {"site-packages/below/inner.py": "import time\nAT = time.time\n"},
    "that adds a file": {"site-packages/fast.py": "import time\nat = time.time\n"},
    "that adds a folder": {"site-packages/fast/__init__.py": "import time\nat = time.time\n"},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(
    change: dict[str, str], tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    files = {
        "shop.py": (
            "from below import AT\ntry:\n    from fast import at\nexcept ImportError:\n    def at(): return AT()\n"
        ),
        "below/__init__.py": "from .inner import AT\n",
        "below/inner.py": "def AT(): return 1\n",
    }
    installed(tmp_path, files)
    (root / "program.py").write_text("import shop\ndef f(): return shop.at()\n")
    assert ask(root, environment).findings("program") == []
    for path, text in change.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    found = ask(root, environment)
    assert [reach.end.capability for reach in found.findings("program")] == ["clock"]
    assert told(found) == told(ask(root, environment, kept=False))
    refuse_to_load(monkeypatch)
    assert told(found) == told(ask(root, environment))


def test_the_same_content_written_anew_is_no_change(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    (root / "program.py").write_text("import shop\ndef f(x): return shop.named(x)\n")
    first = ask(root, environment)
    (tmp_path / "site-packages/shop.py").unlink()
    installed(tmp_path, PACKAGES)
    (tmp_path / "site-packages/__pycache__").mkdir()
    refuse_to_load(monkeypatch)
    assert told(ask(root, environment)) == told(first)


def test_a_module_of_the_project_may_stand_for_one_that_a_package_asks_for(
    tmp_path: Path, environment: Environment
) -> None:
    root = tmp_path / "project"
    installed(tmp_path, {"shop.py": "try:\n    from settings import at\nexcept ImportError:\n    def at(): return 1\n"})
    (root / "program.py").write_text("import shop\ndef f(): return shop.at()\n")
    assert ask(root, environment).findings("program") == []
    found = ask(root, environment, settings="import time\nat = time.time\n")
    assert [reach.end.capability for reach in found.findings("program")] == ["clock"]
    assert ask(root, environment).findings("program") == []


def test_what_another_kept_is_not_believed(
    tmp_path: Path, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fits, but another key sealed, counts as not there."""
    root, shop = tmp_path / "project", tmp_path / "site-packages/shop.py"
    (root / "program.py").write_text("import shop\nX = shop.ONE\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    shop.write_text("ONE = 1\n")
    assert ask(root, environment).findings("program") == []
    store = Store(root)
    assert store.folder is not None
    places = [f"closures/{one.name}" for one in (store.folder / "closures").iterdir()]
    innocent = {place: store.load(place) for place in places}
    shop.write_text("import socket\nONE = socket.create_connection(('h', 1))\n")
    ask(root, environment)
    fitting = {place: store.load(place) for place in places}
    for place, (known, _, folders, state) in innocent.items():
        store.keep(place, (known, fitting[place][1], folders, state))
    assert ask(root, environment).findings("program") == []  # what it would do if it were believed
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "mine"))
    found = ask(root, environment).findings("program")
    assert "network" in {reach.end.capability for reach in found}


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store(tmp_path / "project")
    for number in range(5):
        store.keep(f"closures/{number}", [number])
    store.limit("closures/", 3)
    assert store.folder is not None
    assert len(list((store.folder / "closures").iterdir())) == 3


def test_all_that_a_machine_knows_is_kept() -> None:
    finder = Finder(this_environment(), {})
    machine = Machine(finder, Summaries(Store(None), lambda _: None), primitives(), frozenset(), {}, ())
    state = plain_state(machine)
    given = {"finder", "summaries", "table", "judged", "_refused", "_trusted"}
    of_the_project = {"unknown", "missed", "_depth"}
    points, ends = {"graph"}, {"readings", "handed"}
    known = vars(machine).keys() - given - of_the_project - points - ends
    assert known == state.keys() - {"tables", "points", "ends"} | state["tables"].keys()
    of_what_runs = {"fresh", "inside", "anytime", "branches", "running"}
    assert {one.name for one in fields(machine.making)} - of_what_runs == set(state["making"])
