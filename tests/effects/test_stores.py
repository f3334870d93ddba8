"""What is put into tables and lists is reached where it is taken out, and only that where keys are constants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer
from tests.effects.test_answers import installed

if TYPE_CHECKING:
    from pathlib import Path

TABLES = {
    "an attribute": "class R:\n    def __init__(self): self.rows = {}\n    def add(self, k, v): self.rows[k] = v\n"
    "    def run(self, k): return self.rows[k]()\nROWS = R()\nROWS.add('now', now)\nrun = ROWS.run\n",
    "a table of a class": "class R:\n    rows = {}\n    @classmethod\n    def add(cls, k, v): cls.rows[k] = v\n"
    "    def run(self, k): return self.rows[k]()\nR.add('now', now)\nrun = R().run\n",
    "a decorator": "ROWS = {}\ndef add(k):\n    def keep(v):\n        ROWS[k] = v\n        return v\n    return keep\n"
    "add('now')(now)\ndef run(k): return ROWS[k]()\n",
    "a list of a module": "ROWS = []\ndef add(v): ROWS.append(v)\nadd(now)\ndef run(k): return [v() for v in ROWS]\n",
    "a list in a table": "class R:\n    def __init__(self): self.rows = {}\n"
    "    def add(self, k, v): self.rows.setdefault(k, []).append(v)\n"
    "    def run(self, k): return [v() for v in self.rows.get(k, ())]\nROWS = R()\n"
    "ROWS.add('now', now)\nrun = ROWS.run\n",
    "an update": "ROWS = {}\ndef add(**more): ROWS.update(more)\nadd(now=now)\ndef run(k): return ROWS[k]()\n",
    "a second name for a list": "class R:\n    def __init__(self): self.rows = []\n    def add(self, v):\n"
    "        rows = self.rows\n        rows.append(v)\n    def run(self, k): return [v() for v in self.rows]\n"
    "ROWS = R()\nROWS.add(now)\nrun = ROWS.run\n",
    "a second name for a list in a table": "ROWS = {}\ndef add(v):\n    rows = ROWS.setdefault('a', [])\n"
    "    rows.append(v)\nadd(now)\ndef run(k): return [v() for v in ROWS['a']]\n",
    "an object of a class below dict": "class R(dict):\n    def add(self, k, v): self[k] = v\nROWS = R()\n"
    "ROWS.add('now', now)\ndef run(k): return ROWS[k](), ROWS.get(k)\n",
    "a large table that is an object of a class below dict": "class R(dict):\n    def add(self, k, v): self[k] = v\n"
    "ROWS = R()\nROWS.add('now', now)\n"
    + "".join(f"ROWS.add({n}, lambda: {n})\n" for n in range(12))
    + "def run(k): return ROWS[k]()\n",
    "an object of a class below list": "class R(list):\n    pass\nROWS = R()\nROWS.append(now)\n"
    "def run(k): return [v() for v in ROWS]\n",
    "what a class below dict makes for a missing key": "class R(dict):\n    def __missing__(self, key): return now\n"
    "ROWS = R()\ndef run(k): return ROWS[k]()\n",
    "an attribute that a class is given": "class R:\n    def run(self, k): return type(self).make()\nclass S(R): pass\n"
    "S.make = staticmethod(now)\nrun = S().run\n",
    "a method that a class is given": "class R: pass\nR.run = lambda self, k: now()\nrun = R().run\n",
    "what a method gives that says it gives its own object": "from typing import Self\nclass R:\n"
    "    def with_(self, a) -> Self: return a.over(self)\n    def make(self): return now()\n"
    "def run(k): return R().with_(k).make()\n",
    "a table made of another": "BASE = {'now': now}\nROWS = {**BASE, 'other': int}\ndef run(k): return ROWS[k]()\n",
}
BY_KEY = {
    "statements": "ROWS = {}\nROWS['now'] = now\nROWS['other'] = int\ndef run(k): return ROWS[k]()\n",
    "calls": "ROWS = {}\ndef add(k, v): ROWS[k] = v\nadd('now', now)\nadd('other', int)\n"
    "def run(k): return ROWS[k]()\n",
    "a spread": TABLES["a table made of another"],
}


def _found(tmp_path: Path, table: str, key: str, now: str = "time.time()") -> set[str]:
    library = f"import time\ndef now(): return {now}\n{table}"
    files = {"core.py": f"from rows import run\ndef f(m): return run({key})\n"}
    found = answer(tmp_path, files, environment=installed(tmp_path, {"rows.py": library})).findings("core")
    return {reach.end.capability for reach in found}


@pytest.mark.parametrize("case", TABLES)
def test_what_a_table_holds_is_reached(case: str, tmp_path: Path) -> None:
    assert _found(tmp_path, TABLES[case], "m") == {"clock"}
    assert _found(tmp_path, TABLES[case], "m", "0") == set()


@pytest.mark.parametrize("case", BY_KEY)
def test_a_constant_key_reaches_its_item_only(case: str, tmp_path: Path) -> None:
    assert _found(tmp_path, BY_KEY[case], "'now'") == {"clock"}
    assert _found(tmp_path, BY_KEY[case], "'other'") == set()


IMPORTS = {
    "by name": "from table import ROWS\ndef add(k): ROWS['now'] = k; ROWS['other'] = int\n",
    "under another name": "from table import ROWS as rows\ndef add(k): rows.update(now=k, other=int)\n",
    "by a star": "from table import *\nROWS['now'] = None\ndef add(k): ROWS['now'] = k; ROWS['other'] = int\n",
    "through a package": "from middle import ROWS\ndef add(k): ROWS['now'] = k; ROWS['other'] = int\n",
}


@pytest.mark.parametrize("fills", IMPORTS.values(), ids=IMPORTS)
def test_what_is_put_into_a_table_that_a_module_imports_by_name_is_reached(fills: str, tmp_path: Path) -> None:
    packages = {
        "table.py": "ROWS = {}\ndef run(k): return ROWS[k]()\n",
        "middle.py": "from table import ROWS\ndef run(k): return ROWS[k]()\n",
        "fills.py": f"{fills}\n",
        "now.py": "import fills, time\nfills.add(time.time)\n",
    }
    for reader in ("table", "middle"):
        core = f"import now, {reader}\ndef f(m): return {reader}.run(<>)\n"
        environment = installed(tmp_path, packages)
        for key, expected in (("m", {"clock"}), ("'now'", {"clock"}), ("'other'", set())):
            files = {"core.py": core.replace("<>", key)}
            found = answer(tmp_path, files, environment=environment).findings("core")
            assert {reach.end.capability for reach in found} == expected


def test_to_look_at_an_item_of_a_large_table_is_not_to_call_it(tmp_path: Path) -> None:
    others = "".join(f"def f{n}(): return {n}\n" for n in range(9))
    table = f"{others}ROWS = {{'now': now, {', '.join(f'{n}: f{n}' for n in range(9))}}}\n"
    kind = "def kind(f): return getattr(f, 'kind', None)\n"
    looks = f"{table}{kind}def run(k): return kind(ROWS.get(k))\n"
    assert _found(tmp_path, looks, "m") == set()
    assert _found(tmp_path, looks.replace("return getattr(f, 'kind', None)", "return f()"), "m") == {"clock"}
