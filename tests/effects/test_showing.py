"""What makes the order of a set or the address of an object part of a result, and its twins that do not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.effects.reach import answer
from tests.effects.test_answers import installed

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """
import itertools, json, logging, queue, string, traceback
from abc import ABC
from collections import Counter
from dataclasses import dataclass
from pprint import pformat

class Plain:
    def __init__(self, x): self.x = x

class Based(ABC):
    pass

@dataclass(repr=False)
class Silent:
    x: int

@dataclass
class Spoken:
    x: int

MISSING = object()
TABLE = ((dict, "mapping"), (list, "list"))
"""
MORE = """
import asyncio, ctypes, inspect, time
def hides_sentinel(d, k, x=MISSING):
    if x is MISSING:
        raise KeyError(k)
    return f"{x}"
def hides_kinds(v):
    return next((name for kind, name in TABLE if isinstance(v, kind)), "x")
def hides_what_an_abstract_class_is(x: Based):
    return str(x)
def shows_order_unpacked(a):
    x, *rest = set(a)
    return x
def shows_identity_signature():
    return str(inspect.signature(hides_sentinel))
def shows_native_memory(a):
    return ctypes.string_at(a, 1)
def hides_number(a):
    return ctypes.c_uint8(a).value
async def hides_turn():
    await asyncio.sleep(0)
async def shows_event_loop_wait():
    await asyncio.sleep(0.1)
def shows_clock_behind_else(xs):
    for x in xs:
        if x:
            break
    else:
        return 1
    return time.time()
"""
PAIRS = {
    "order": [
        ("json.dumps(dict.fromkeys(set(a), 1))", "json.dumps(dict.fromkeys(set(a), 1), sort_keys=True)"),
        ("json.dumps({'x': set(a)}, default=list)", "json.dumps({'x': set(a)}, default=sorted)"),
        ("pformat(set(a))", "pformat(sorted(set(a)))"),
        ("string.Template('$x').substitute(x=set(a))", "string.Template('$x').substitute(x=len(set(a)))"),
        ("f'{[set(a)]}'", "f'{[len(set(a))]}'"),
        ("Counter(set(a)).most_common(1)", "Counter(a).most_common(1)"),
        ("[*itertools.chain(set(a), 'x')]", "sorted(itertools.chain(set(a), 'x'))"),
        ("{x: at for at, x in enumerate(set(a))}", "{x: at for at, x in enumerate(sorted(set(a)))}"),
        ("','.join(a.keys() & b.keys())", "','.join(x for x in a.keys() if x in b.keys())"),
    ],
    "identity": [
        ("json.dumps({'x': Plain(1)}, default=str)", "json.dumps({'x': Spoken(1)}, default=str)"),
        ("str(Silent(1))", "str(Spoken(1))"),
        ("f'{Based()}'", "f'{Based.__name__}'"),
        ("f'{object()}'", "f'{a is object()}'"),
        ("str(lambda: 1)", "str((lambda: 1).__name__)"),
        ("repr([x for x in (y for y in a)] and (y for y in a))", "repr([y for y in a])"),
    ],
    "clock": [
        ("queue.Queue().get(timeout=1)", "queue.Queue().get_nowait()"),
        ("queue.Queue().get(True, 1.5)", "queue.Queue().get(timeout=None)"),
    ],
    "files-read": [
        ("traceback.format_exc()", "traceback.format_exception_only(a)"),
        ("logging.Formatter().formatException(a)", "logging.Formatter().usesTime()"),
    ],
}


def test_twins_are_told_apart(tmp_path: Path) -> None:
    """Each function says in its name what it shows; one module, so that libraries are gone through once."""
    rows = [
        f"def {name}_{capability.replace('-', '_')}_{at}(a: dict, b: dict):\n    return {text}\n"
        for capability, pairs in PAIRS.items()
        for at, pair in enumerate(pairs)
        for name, text in zip(("shows", "hides"), pair, strict=True)
    ]
    text = HEAD + MORE + "\n".join(rows)
    findings = answer(tmp_path, {"core.py": text}).findings("core")
    found = {(row.steps[0].function, row.end.capability.replace("-", "_")) for row in findings}
    wanted = {name for name in re.findall(r"def (\w+)", text) if name.startswith("shows")}
    assert {name for name, _ in found} == wanted
    assert [row for row in sorted(found) if not row[0].startswith(f"shows_{row[1]}_")] == []


def test_a_library_that_asks_for_a_seed_is_given_one(tmp_path: Path) -> None:
    library = "def draw(n, seed=None): return seed\nclass Model:\n    def __init__(self, random_state=None): pass\n"
    text = (
        "import lib\ndef a(): return lib.draw(1)\ndef b(): return lib.draw(1, None)\ndef c(): return lib.draw(1, 2)\n"
        "def d(): return lib.draw(1, seed=3)\ndef e(): return lib.Model()\ndef f(): return lib.Model(random_state=1)\n"
    )
    found = answer(tmp_path, {"core.py": text}, environment=installed(tmp_path, {"lib.py": library}))
    assert [(row.steps[0].function, row.end.capability) for row in found.findings("core")] == [
        ("a", "randomness"),
        ("b", "randomness"),
        ("e", "randomness"),
    ]
