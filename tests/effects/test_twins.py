"""Pairs of modules that look alike: the first reaches a capability, the second, which differs in a value, does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.effects.reach import answer, reached
from tests.effects.test_answers import installed

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
    "arguments spread from a set": (
        "order",
        "def pair(a, b): return a\ndef f(rows):\n    names = {row['name'] for row in rows}\n    return pair(*<>)\n",
        "names",
        "sorted(names)",
    ),
    "sets spread for what unites them": (
        "order",
        "def f(rows):\n    keys = {frozenset(row) for row in rows}\n    return <>(set().union(*keys))\n",
        "list",
        "len",
    ),
    "going through a class as its metaclass says": (
        "order",
        (
            "class Meta(type):\n    names = set()\n    def __iter__(cls): return iter(<>(type(cls).names))\n"
            "class Words(metaclass=Meta): pass\ndef f(): return ','.join(one for one in Words)\n"
        ),
        "set",
        "sorted",
    ),
    "the hash of fields in a method": (
        "order",
        (
            "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Key:\n    a: int\n    b: <>\n"
            "    def tag(self): return hash(self)\n"
        ),
        "str",
        "int",
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
    "a text that a decorator writes": (
        "order",
        (
            "from dataclasses import dataclass\n@dataclass\nclass Part:\n    tags: object\n    def label(self): ...\n"
            "@dataclass\nclass Order:\n    part: Part\ndef f(m): return f'{Order(Part(<>(m)))}'\n"
        ),
        "set",
        "sorted",
    ),
    "a field that such a text leaves out": (
        "order",
        (
            "from dataclasses import dataclass, field\n@dataclass\nclass Order:\n"
            "    tags: set[str] = field(default_factory=set, repr=<>)\ndef f(order: Order): return str(order)\n"
        ),
        "True",
        "False",
    ),
    "a function that such a text shows": (
        "identity",
        (
            "from dataclasses import dataclass\ndef plain(x): return x\n@dataclass\nclass Order:\n"
            "    show<> = plain\ndef f(): return str(Order())\n"
        ),
        ": object",
        "",
    ),
    "a method by how it is called": (
        "files-write",
        "from pathlib import Path\ndef f(p): return Path(p).name\ndef g(row): return row['name'].replace(<>)\n",
        "'-'",
        "'-', '_'",
    ),
    "a class below an annotation": (
        "clock",
        (
            "import time\nclass Base: ...\nclass Sub(Base): ...\nclass Other: ...\n"
            "def f(x: Base): return time.time() if isinstance(x, <>) else 0\n"
        ),
        "Sub",
        "Other",
    ),
    "a builtin class below an annotation": (
        "clock",
        "import time\ndef f(x: int): return time.time() if isinstance(x, <>) else 0\n",
        "bool",
        "str",
    ),
    "a number for a float": (
        "clock",
        "import time\ndef f(x: float): return time.time() if isinstance(x, <>) else 0\n",
        "int",
        "str",
    ),
    "a text's class": (
        "clock",
        ("import time\nclass Secret(str): ...\ndef f(x: <>): return time.time() if isinstance(x, Secret) else 0\n"),
        "str",
        "int",
    ),
    "what an abstract class is": (
        "clock",
        (
            "import time\nfrom collections.abc import Mapping\n"
            "def f(x: <>): return time.time() if isinstance(x, dict) else 0\n"
        ),
        "Mapping",
        "list",
    ),
    "names in a moment's form": (
        "environment",
        "from datetime import datetime\ndef f(text): return datetime.strptime(text, '%d.%m.%Y <>').isoformat()\n",
        "%Z",
        "%z",
    ),
    "a class where a text may be": (
        "clock",
        (
            "import time\nclass Style: ...\ndef _look(style): return time.time() if isinstance(style, <>) else style\n"
            "def f(): return _look(Style)\n"
        ),
        "type",
        "str",
    ),
    "a function where a text may be": (
        "clock",
        (
            "import time\nfrom collections.abc import Callable\ndef plain(): ...\n"
            "def _look(style): return time.time() if isinstance(style, <>) else style\ndef f(): return _look(plain)\n"
        ),
        "Callable",
        "str",
    ),
    "what a pickle may name": (
        "dynamic",
        (
            "import io, pickle\nSAFE = {'set': set, 'list': list, 'other': <>}\nclass Job(pickle.Unpickler):\n"
            "    def find_class(self, module, name): return SAFE[name]\n"
            "def f(data): return Job(io.BytesIO(data)).load()\n"
        ),
        "getattr",
        "frozenset",
    ),
    "what a pickle may name beside a table": (
        "dynamic",
        (
            "import io, pickle, sys\nclass Job(pickle.Unpickler):\n"
            "    def find_class(self, module, name): return <>\n"
            "def f(data): return Job(io.BytesIO(data)).load()\n"
        ),
        "getattr(sys.modules[module], name)",
        "{'set': set}[name]",
    ),
    "the encoding of a text file": (
        "environment",
        "import io\ndef f(data): return io.TextIOWrapper(io.BytesIO(data), <>errors='replace').read()\n",
        "",
        "'utf-8', ",
    ),
    "the rules of a zone": (
        "files-read",
        "import io\nfrom zoneinfo import ZoneInfo\ndef f(data, key): return ZoneInfo.<>\n",
        "no_cache(key)",
        "from_file(io.BytesIO(data), key=key)",
    ),
    "a help text": (
        "environment",
        (
            "from optparse import OptionParser\ndef f(words):\n    parser = OptionParser(prog='x')\n"
            "    parser.add_option('--zone')\n    return parser.<>\n"
        ),
        "format_help()",
        "parse_args(words)",
    ),
    "digits by the locale": ("environment", "def f(x): return f'{x:<>}'\n", "n", ",.2f"),
    "arguments that are passed on": (
        "clock",
        (
            "import time\ndef _get(*args):\n    if len(args) == 0:\n        return time.time()\n"
            "    return args\ndef _on(*args): return _get(*args)\ndef f(m): return _on(<>)\n"
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

NEW = "def _new(): return {}\ndef _fill(d, rows):\n    for row in rows: d[row] = 1\n"
STEP = "import time\nclass Step:\n    def go(self): return 1\n"
STORE = "class Store:\n    def _load(self, path):\n        if path: return open(path).read()\n"
FOUND = {
    "a dict of an object that is filled": (
        "clock",
        (
            "import time\nclass Table:\n    def __init__(self): self.rows = {}\n    def put(self, k, v):\n"
            "        self.rows[k] = v\n        if len(self.rows) > 100: return time.time()\n"
        ),
    ),
    "a dict that a function fills": (
        "clock",
        f"import time\n{NEW}def f(rows):\n    d = {{}}\n    _fill(d, rows)\n    if len(d) > 1: return time.time()\n",
    ),
    "arguments that a function fills": (
        "clock",
        (
            f"import time\n{NEW}def _at(live=False): return time.time() if live else 0\n"
            "def f(rows):\n    d = {}\n    _fill(d, rows)\n    return _at(**d)\n"
        ),
    ),
    "a comprehension over a dict that is filled": (
        "clock",
        f"import time\n{NEW}def f(rows):\n    d = _new()\n    _fill(d, rows)\n    return [time.time() for k in d]\n",
    ),
    "a private method of an unknown object": (
        "files-read",
        f"{STORE}    def warm(self): return self._load('')\ndef merge(a, b): return a._load(b)\n",
    ),
    "a private method of a class below": (
        "files-read",
        (
            f"class Base:\n    def go(self, p): return self._load(p)\n{STORE.replace(':', '(Base):', 1)}"
            "    def warm(self): return self._load('')\n"
        ),
    ),
    "a private function that nothing calls": ("clock", "import time\ndef _main(): return time.time()\n"),
    "an object that a dict holds": (
        "clock",
        f"{STEP}def run(job: dict):\n    step = job['step']\n    if isinstance(step, Step): return time.time()\n",
    ),
    "an object that a dict of such objects holds": (
        "clock",
        f"{STEP}def f(m: dict[str, Step]):\n    step = m['a']\n    if isinstance(step, Step): return time.time()\n",
    ),
    "an object of a library that a dict of such objects holds": (
        "clock",
        (
            "import time\nfrom string import Formatter\ndef run(job: dict[str, Formatter]):\n    step = job['a']\n"
            "    if isinstance(step, Formatter): return time.time()\n"
        ),
    ),
    "the hash of an address": (
        "order",
        (
            "from dataclasses import dataclass\n@dataclass(eq=False)\nclass Key:\n    a: int\n"
            "def f(): return hash(Key(1)) % 8\n"
        ),
    ),
    "values of a dict that are equal": (
        "order",
        (
            "def f(rows):\n    names = set(rows)\n    d = {n: (1, n) for n in names}\n"
            "    return sorted(d.values(), key=lambda t: t[0])\n"
        ),
    ),
    "a file whose name has the word for memory": (
        "files-write",
        "import sqlite3\ndef f(): return sqlite3.connect('file:/tmp/a:memory:.db', uri=True)\n",
    ),
    "a year of two digits": ("clock", "from http.cookiejar import http2time\ndef f(t): return http2time(t)\n"),
    "annotations that are evaluated": (
        "dynamic",
        "import inspect\ndef f(x): return inspect.get_annotations(x, eval_str=True)\n",
    ),
    "fields that nobody can tell": (
        "clock",
        (
            "from dataclasses import dataclass\nimport time\n@dataclass\nclass Config:\n    live: bool = False\n"
            "def f(opts):\n    c = Config(**opts)\n    if c.live: return time.time()\n"
        ),
    ),
    "an attribute that becomes something else in turn": (
        "clock",
        (
            "import time\nclass Job:\n    def __init__(self): self.state = 0\n    def run(self):\n"
            "        if self.state == 2: return time.time()\n        if self.state == 1: self.state = 2\n"
            "        if self.state == 0: self.state = 1\n"
        ),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_what_cannot_be_ruled_out_is_found(name: str, tmp_path: Path) -> None:
    capability, text = FOUND[name]
    assert capability in reached(tmp_path, text)


def test_functions_that_a_library_holds_are_not_called_by_that(tmp_path: Path) -> None:
    for ending, expected in (("0", set()), ("[one() for one in held]", {"clock"})):
        library = f"import time\ndef f():\n    held = [one for one in (time.time, len)]\n    return {ending}\n"
        found = answer(
            tmp_path,
            {"core.py": "import held\ndef f(): return held.f()\n"},
            environment=installed(tmp_path, {"held.py": library}),
        )
        assert {one.end.capability for one in found.findings("core")} == expected


def test_the_object_that_a_librarys_decorator_makes_is_called(tmp_path: Path) -> None:
    library = (
        "import time\nclass Timed:\n    def __init__(self, function): self.function = function\n"
        "    def __call__(self, *args):\n        self.at = time.time()\n        return self.function(*args)\n"
    )
    files = {"core.py": "from timing import Timed\n@Timed\ndef f(x): return x\n"}
    found = answer(tmp_path, files, environment=installed(tmp_path, {"timing.py": library})).findings("core")
    assert [reach.end.capability for reach in found] == ["clock"]


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
