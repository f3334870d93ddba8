"""Pairs of modules that look alike: the first reaches a capability, the second, which differs in a value, does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer, reached

if TYPE_CHECKING:
    from pathlib import Path

PAIRS = {
    "a function that is chosen by a type": (
        "order",
        (
            "from functools import singledispatch\nfrom typing import Any\n@singledispatch\n"
            "def encode(value: Any) -> Any: return value\n@encode.register\n"
            "def _(value: dict) -> dict: return {key: encode(one) for key, one in value.items()}\n"
            "@encode.register(set)\n@encode.register(frozenset)\ndef _(value): return <>(map(encode, value))\n"
        ),
        "list",
        "sorted",
    ),
    "the text of an attribute that attrs makes": (
        "identity",
        (
            "from attrs import define, field\n@define\nclass Device:\n    model: str = field(converter=str.lower)\n"
            "    def label(self): return f'{self.model}-{<>}'\n"
        ),
        "id(self)",
        "1",
    ),
    "a private function is judged by its calls": (
        "clock",
        "import time\ndef _at(now=None): return time.time() if now is None else now\ndef f(m): return _at(<>)\n",
        "m.get('at')",
        "float(m['at'])",
    ),
    "a partial that a private function gives": (
        "clock",
        (
            "from functools import partial\nimport time\ndef _by(form): return partial(time.strftime, form)\n"
            "def f(m): return _by('%Y')(<>)\n"
        ),
        "",
        "m",
    ),
    "a private function that nothing names": (
        "randomness",
        "import uuid\ndef _drawn(): return uuid.uuid4()\ndef _made(): return uuid.UUID(int=0)\nid_of = <>\n",
        "_drawn",
        "_made",
    ),
    "the factory of a field": (
        "clock",
        (
            "from dataclasses import dataclass, field\nimport time\n@dataclass\nclass Scan:\n    key: str\n"
            "    at: float = field(default_factory=time.time)\ndef f(m): return Scan(m['key']<>)\n"
        ),
        "",
        ", float(m['at'])",
    ),
    "a field that a property looks at": (
        "randomness",
        (
            "from dataclasses import dataclass\nimport random\n@dataclass\nclass Draw:\n    number: int\n"
            "    seed: int | None = None\n    @property\n    def rng(self): return random.Random(self.seed)\n"
            "def f(m): return Draw(1<>).rng.random()\n"
        ),
        "",
        ", int(m['seed'])",
    ),
    "keys that are equal": (
        "order",
        "def f(rows):\n    names = {row['name'] for row in rows}\n    return sorted(names, key=lambda one: <>)\n",
        "len(one)",
        "(len(one), one)",
    ),
    "the hash of fields": (
        "order",
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Key:\n    a: int\n    b: object\n"
            "def f(m): return hash(Key(1, <>)) % 8\n"
        ),
        "str(m)",
        "int(m)",
    ),
    "a database in memory": (
        "files-write",
        "import sqlite3\ndef f(): return sqlite3.connect(<>, uri=True)\n",
        "'file:points.db'",
        "'file::memory:'",
    ),
    "a set that a table holds": (
        "order",
        (
            "from collections import defaultdict\ndef f(rows):\n    found = defaultdict(set)\n    for row in rows:\n"
            "        found[row['k']].add(row['v'])\n    return {k: <>(v) for k, v in found.items()}\n"
        ),
        "list",
        "sorted",
    ),
    "a registered function that a later one hides": (
        "clock",
        (
            "from functools import singledispatch\nimport time\n@singledispatch\ndef text(v): return ''\n"
            "@text.register\ndef _(v: int): return <>\n@text.register\ndef _(v: list): return 'list'\n"
        ),
        "time.time()",
        "0",
    ),
    "digits by the locale": ("environment", "def f(x): return f'{x:<>}'\n", "n", ",.2f"),
    "arguments that are passed on": (
        "clock",
        (
            "import time\ndef _get(*args, **named):\n    if len(args) + len(named) == 0:\n        return time.time()\n"
            "    return args\ndef _on(*args, **named): return _get(*args, **named)\ndef f(m): return _on(<>)\n"
        ),
        "",
        "m",
    ),
    "keys that were taken out": (
        "clock",
        (
            "import time\ndef _get(**named):\n    named.pop('name', None)\n    return time.gmtime(**named)\n"
            "def f(m): return _get(name=1<>)\n"
        ),
        "",
        ", secs=5",
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_twins_are_told_apart(name: str, tmp_path: Path) -> None:
    capability, text, guilty, innocent = PAIRS[name]
    assert capability in reached(tmp_path, text.replace("<>", guilty))
    assert reached(tmp_path, text.replace("<>", innocent)) == set()


def test_a_private_function_that_another_module_gives_away_is_judged_with_anything(tmp_path: Path) -> None:
    files = {
        "core.py": "from rows import _at as at\n",
        "rows.py": "import time\ndef _at(now=None): return now or time.time()\n",
    }
    assert [reach.end.capability for reach in answer(tmp_path, files, "core", "rows").findings("rows")] == ["clock"]


def test_what_an_attribute_becomes_later_is_seen(tmp_path: Path) -> None:
    text = (
        "import time\nclass Job:\n    def __init__(self): self.act = None\n"
        "    def run(self):\n        if self.act is not None:\n            return self.act()\n"
        "    def start(self):\n        self.run()\n        self.act = time.time\n        self.run()\n"
        "def f():\n    job = Job()\n    job.start()\n"
    )
    assert 6 in {reach.steps[0].line for reach in answer(tmp_path, {"core.py": text}).findings("core")}


def test_a_field_of_a_class_that_nobody_makes_counts(tmp_path: Path) -> None:
    text = (
        "from dataclasses import dataclass, field\nimport time\n@dataclass\nclass Scan:\n"
        "    at: float = field(default_factory=time.time)\n"
    )
    assert reached(tmp_path, text) == {"clock"}
