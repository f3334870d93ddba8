"""Ways in which code reaches what is no pure computation, and what only looks like one."""

# ruff: noqa: E501, ISC004 (a program a line)

from __future__ import annotations

from pathlib import Path

import pytest

from tests.effects.reach import reached

WAYS = {
    "a call": ("import time\ndef f(): return time.time()\n", "clock"),
    "an alias of an alias": ("from time import monotonic as m\nnow = m\ndef f(): return now()\n", "clock"),
    "a star import": ("from random import *\ndef f(): return choice([1])\n", "randomness"),
    "an attribute of a class": ("import datetime\nclass A:\n    now = datetime.datetime.utcnow\n", "clock"),
    "a method of self": ("import os\nclass A:\n    def a(self): return os.listdir()\n", "files-read"),
    "a property": ("import os\nclass A:\n    @property\n    def home(self): return os.environ['H']\n", "environment"),
    "vars": ("import os\nvars(os)['system']('ls')\n", "processes"),
    "__dict__": ("import time\ndef f(): return time.__dict__['time']()\n", "clock"),
    "getattr": ("import os\ndef f(): return getattr(os, 'get' + 'pid')()\n", "environment"),
    "attrgetter": ("import operator, time\ndef f(): return operator.attrgetter('time')(time)()\n", "clock"),
    "import_module": ("import importlib as i\ndef f(): return i.import_module('time').time()\n", "clock"),
    "__import__": ("def f(): return __import__('os.path').getcwd()\n", "environment"),
    "a table of names": (
        "import importlib\nT = {'a': 'socket'}\ndef f(k): importlib.import_module(T[k]).socket()\n",
        "network",
    ),
    "a default": ("import time\ndef f(at=time.time()): return at\n", "clock"),
    "a callable default": ("import time\ndef f(clock=time.time): return clock()\n", "clock"),
    "a class body": ("import os\nclass A:\n    x = os.getcwd()\n", "environment"),
    "a decorator": (
        "import time\ndef d(f):\n    def w(): return f(), time.time()\n    return w\n@d\ndef g(): ...\n",
        "clock",
    ),
    "default_factory": (
        "import uuid\nfrom dataclasses import dataclass, field\n@dataclass\nclass A:\n    i: str = field(default_factory=uuid.uuid4)\n",
        "randomness",
    ),
    "a default_factory behind an annotated field": (
        "import time\nfrom dataclasses import dataclass, field\n@dataclass\nclass A:\n    n: str\n    t: float = field(default_factory=time.time)\n",
        "clock",
    ),
    "a line behind an annotated name": (
        "import time\nfrom elsewhere import g\nA: int = g()\nB = time.time()\n",
        "clock",
    ),
    "a primitive made static": (
        "import time\nclass C:\n    clock = staticmethod(time.time)\n    def at(self): return self.clock()\n",
        "clock",
    ),
    "the time of a log line": (
        "import logging\ndef f(): return logging.makeLogRecord({'msg': 'x'}).created\n",
        "clock",
    ),
    "the time of a log line in a formatter": (
        "import logging\nclass F(logging.Formatter):\n    def format(self, record): return f'{record.created}'\n"
        "def f(): logging.getLogger('a').warning('b')\n",
        "clock",
    ),
    "a member of an enum is no constant": (
        "import enum, time\nclass E(enum.Enum):\n    A = 'a'\ndef f():\n    if isinstance(E.A, E): return time.time()\n",
        "clock",
    ),
    "certificates of the machine": ("import ssl\ndef f(): return ssl.create_default_context()\n", "files-read"),
    "a package's data": ("from importlib import resources\ndef f(): return resources.files('a').name\n", "files-read"),
    "the version of a package": (
        "from importlib.metadata import version\ndef f(): return version('a')\n",
        "files-read",
    ),
    "an order by hash": ("def f(xs): return sorted(xs, key=hash)\n", "order"),
    "an address in a dict": ("def f(x): return {'id': id(x)}\n", "identity"),
    "an attribute that may be missing": (
        "def f(x):\n    try: w = x.write\n    except AttributeError: open('x')\n",
        "files-read",
    ),
    "no arguments": ("import time\ndef g(*a):\n    if not a: return time.time()\ndef f(): return g()\n", "clock"),
    "source lines": ("import linecache\ndef f(): return linecache.getline('a.py', 1)\n", "files-read"),
    "a zone that is taken away": (
        "from datetime import UTC, datetime\ndef f(s): return datetime.fromtimestamp(s, UTC).replace(tzinfo=None).timestamp()\n",
        "environment",
    ),
    "what an assertion does not rule out": (
        "import time\ndef f(x):\n    assert isinstance(x, str)\n    return time.time()\n",
        "clock",
    ),
    "any of what is written out": (
        "import time\ndef f(x):\n    if any([x, not x]): return time.time()\n",
        "clock",
    ),
    "a class set later": (
        "import time\nclass A:\n    kind: type\nclass B:\n    def run(self): return time.time()\nA.kind = B\ndef f(): return A().kind().run()\n",
        "clock",
    ),
    "property as a function": (
        "import time\nclass C:\n    def a(self, t=time.time): return t()\n    b = property(a)\n",
        "clock",
    ),
    "a lambda passed on in its line": (
        "import time\ndef g(f): ...\nclass A:\n    x = map(lambda _: time.time(), [1])\n",
        "clock",
    ),
    "a subclass": ("import random\nclass D(random.SystemRandom): ...\ndef f(): return D().random()\n", "randomness"),
    "an inherited constructor": ("import socket\nclass S(socket.socket): ...\ndef f(): return S()\n", "network"),
    "a callable passed on": ("import time\ndef f(xs): return sorted(xs, key=lambda x: time.time())\n", "clock"),
    "a partial": ("import functools, os\nf = functools.partial(os.remove, 'x')\n", "files-write"),
    "map over open": ("def f(ps): return [x for x in map(open, ps)]\n", "files-read"),
    "an annotated parameter": ("from pathlib import Path\ndef f(p: Path): return p.read_text()\n", "files-read"),
    "a named class": ("from pathlib import Path\ndef f(p): return p.exists()\n", "files-read"),
    "a context manager": (
        "import tempfile\ndef f():\n    with tempfile.TemporaryDirectory() as d: return 1\n",
        "files-write",
    ),
    "functools.wraps": (
        "import functools, time\ndef d(f):\n    @functools.wraps(f)\n    def w(*a):\n        time.sleep(1)\n        return f(*a)\n"
        "    return w\n@d\ndef g(): ...\n",
        "clock",
    ),
    "globals of a function": (
        "import json\ndef f(): return json.load.__globals__['__builtins__']['open']('x')\n",
        "files-read",
    ),
    "sys.modules": ("import sys\ndef f(): return sys.modules['os']\n", "dynamic"),
    "eval": ("def f(s): return eval(s)\n", "dynamic"),
    "a computed import": ("import importlib\ndef f(n): return importlib.import_module(n)\n", "dynamic"),
    "pickle": ("import pickle\ndef f(b): return pickle.loads(b)\n", "dynamic"),
    "a thread": ("import threading\ndef f(g): threading.Thread(target=g).start()\n", "threads"),
    "native code": ("import ctypes\ndef f(): return ctypes.CDLL('libc.so.6')\n", "native"),
    "a process": ("import subprocess\ndef f(): return subprocess.run(['ls'])\n", "processes"),
    "http": ("import http.client\ndef f(): http.client.HTTPConnection('h').request('GET', '/')\n", "network"),
    "a mode": ("def f(p, m): open(p, 'w')\n", "files-write"),
    "a zip file by name": ("import zipfile\ndef f(p): return zipfile.ZipFile(p).namelist()\n", "files-read"),
    "gzip of now": ("import gzip\ndef f(b): return gzip.compress(b, mtime=None)\n", "clock"),
    "local time": ("import datetime\ndef f(s): return datetime.datetime.fromtimestamp(s)\n", "environment"),
    "a naive zone": ("def f(d): return d.astimezone()\n", "environment"),
    "a catalog of messages": (
        "import gettext\ndef f(): return gettext.translation('app', 'po').gettext('x')\n",
        "files-read",
    ),
    "no argument": ("import time\ndef f(): return time.gmtime()\n", "clock"),
    "no seed": ("import random\ndef f(): return random.Random().random()\n", "randomness"),
    "the command line": ("import argparse\ndef f(): return argparse.ArgumentParser().parse_args()\n", "environment"),
    "a list of a set": ("def f(xs): return list(set(xs))\n", "order"),
    "a set in a variable": ("def f(xs):\n    s = set(xs)\n    return [x for x in s]\n", "order"),
    "appending in a loop": ("def f(xs):\n    out = []\n    for x in set(xs): out.append(x)\n    return out\n", "order"),
    "extend": ("def f(xs):\n    out = []\n    out.extend({x for x in xs})\n    return out\n", "order"),
    "fromkeys": ("def f(xs): return list(dict.fromkeys(set(xs)))\n", "order"),
    "an f-string": ("def f(xs): return f'{set(xs)}'\n", "order"),
    "two views": ("def f(a, b): return [x for x in a.keys() ^ b.keys()]\n", "order"),
    "something and a set": ("def f(a): return [x for x in a | {'b', 'c'}]\n", "order"),
    "sets in a chain": (
        "from itertools import chain\ndef f(xs): return list(chain.from_iterable(set(x) for x in xs))\n",
        "order",
    ),
    "sets in a chain of stars": (
        "from itertools import chain\ndef f(xs): return list(chain(*map(set, xs)))\n",
        "order",
    ),
    "equal counts of chained sets": (
        "from collections import Counter\nfrom itertools import chain\n"
        "def f(xs): return Counter(chain.from_iterable(set(x) for x in xs)).most_common(3)\n",
        "order",
    ),
    "a method by name in steps": (
        "from functools import reduce\nfrom operator import methodcaller\nSTEPS = (str, methodcaller('read_text'), str.upper)\n"
        "def f(x): return reduce(lambda value, step: step(value), STEPS, x)\n",
        "files-read",
    ),
    "a method of a class by name": (
        "from operator import methodcaller\nfrom pathlib import Path\ndef f(x): return methodcaller('exists')(Path(x))\n",
        "files-read",
    ),
    "the width of the terminal": ("import shutil\ndef f(): return shutil.get_terminal_size().columns\n", "environment"),
    "a help text": ("import argparse\ndef f(): return argparse.ArgumentParser().format_help()\n", "environment"),
    "a text that a library makes": (
        "import textwrap, pprint\ndef g(): ...\ndef f(): return pprint.PrettyPrinter().pformat(g)\n",
        "identity",
    ),
    "ties": ("def f(xs): return max(set(xs), key=len)\n", "order"),
    "pop": ("def f(xs): return set(xs).pop()\n", "order"),
    "a yield in a loop": ("def f(xs):\n    for x in set(xs): yield x\n", "order"),
    "a text's hash": ("def f(s): return hash(s) % 4\n", "order"),
    "an address": ("def f(x): return f'{id(x)}'\n", "identity"),
    "a default repr": ("class A: ...\ndef f(): return str(A())\n", "identity"),
    "gc": ("import gc\ndef f(): return gc.get_objects()\n", "identity"),
}

INNOCENT = {
    "HTTPStatus": "from http import HTTPStatus\ndef f(): return HTTPStatus.OK\n",
    "a zip file of bytes": "import io, zipfile\ndef f(b): return zipfile.ZipFile(io.BytesIO(b)).namelist()\n",
    "a given mtime": "import gzip\ndef f(b): return gzip.compress(b, mtime=0)\n",
    "a given time": "import time\ndef f(t): return time.gmtime(secs=t), time.strftime('%Y', time.gmtime(t))\n",
    "a given zone": "from datetime import UTC, datetime\ndef f(s): return datetime.fromtimestamp(s, tz=UTC)\n",
    "a moment moved between zones": (
        "from datetime import UTC, datetime, timedelta, timezone\n"
        "def f(s): return (datetime.fromtimestamp(s, UTC) + timedelta(1)).astimezone(timezone(timedelta(hours=1))).timestamp()\n"
    ),
    "an empty constant": "HOOKS = ()\nfor name in HOOKS: open(name)\n",
    "what an assertion rules out": "def f():\n    x = 1\n    assert isinstance(x, str)\n    open(x)\n",
    "an attribute that is there": "import io\ndef f():\n    try: w = io.BytesIO().write\n    except AttributeError: open('x')\n",
    "a tree as text": "from xml.etree import ElementTree as E\ndef f(): return E.tostring(E.Element('a'))\n",
    "all of what is written out": "def f():\n    if all([True, False]): open('x')\n",
    "a library of Windows": "try:\n    import winreg\nexcept ImportError:\n    winreg = None\ndef f(): return winreg and winreg.OpenKey\n",
    "the text of a log line": "import logging\nclass F(logging.Formatter):\n    def format(self, record): return record.getMessage().upper()\n",
    "a seed": "import random\ndef f(s): return random.Random(x=s).random()\n",
    "given arguments": "import argparse\ndef f(argv): return argparse.ArgumentParser(prog='x').parse_args(argv)\n",
    "an own open": "class A:\n    def open(self): return 1\ndef f(a): return a.open(), a.eval()\n",
    "a parameter called open": "def f(open): return open('x')\n",
    "a clock passed in": "def f(clock): return clock()\n",
    "an annotation": "from __future__ import annotations\nimport pathlib\ndef f(p: pathlib.Path | None): return p\n",
    "isinstance": "import pathlib\ndef f(p): return isinstance(p, pathlib.Path)\n",
    "type checking": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from socket import socket\ndef f(s: 'socket'): return s\n",
    "an exception": "import queue, socket\ndef f(g):\n    try: g()\n    except (queue.Empty, socket.timeout): return None\n",
    "a constant": "import signal, socket, os\ndef f(): return signal.SIGTERM, socket.AF_INET, os.sep\n",
    "compare_digest": "import secrets\ndef f(a, b): return secrets.compare_digest(a, b)\n",
    "a main block": "import sys\ndef f(): return 1\nif __name__ == '__main__':\n    print(sys.argv)\n",
    "a lock": "import threading\nlock = threading.Lock()\ndef f():\n    with lock: return 1\n",
    "pure paths": "from pathlib import PurePath\ndef f(p): return PurePath(p).with_suffix('.x').name\n",
    "a sorted set": "def f(xs): return ','.join(sorted(set(xs)))\n",
    "sorting a list of a set": "def f(xs):\n    out = list(set(xs))\n    out = sorted(out)\n    return out\n",
    "membership": "S = {'a', 'b'}\ndef f(xs): return [x for x in xs if x in S]\n",
    "a sum": "def f(xs):\n    n = 0\n    for x in set(xs): n += x\n    return n, len(set(xs)), sum(set(xs))\n",
    "a set of a set": "def f(xs): return {2 * x for x in set(xs)}, {x: 1 for x in set(xs)}\n",
    "two views in order": "def f(a, b): return sorted(a.keys() ^ b.keys()), [k for k, v in a.items()]\n",
    "numbers and a set": "def f(a): return len(a | {'b'}), a - 1\n",
    "lists in a chain": "from itertools import chain\ndef f(xs): return list(chain(xs, chain.from_iterable([x] for x in xs)))\n",
    "steps on text": (
        "from functools import reduce\nfrom operator import methodcaller\nSTEPS = (str, methodcaller('strip'), str.upper)\n"
        "def f(x): return reduce(lambda value, step: step(value), STEPS, x)\n"
    ),
    "the time of a record that is given": (
        "import logging\nclass F(logging.Formatter):\n    def format(self, record): return f'{record.created}'\n"
    ),
    "all of a set": "def f(xs):\n    for x in set(xs):\n        if x: return True\n    return False\n",
    "a memo by address": "def f(xs):\n    seen = set()\n    for x in xs:\n        if id(x) in seen: return True\n        seen.add(id(x))\n",
    "__hash__": "class A:\n    def __hash__(self): return hash(('a', 1))\n",
    "a dataclass's text": "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass A: n: int\ndef f(): return str(A(1))\n",
    "a named tuple": "from collections import namedtuple\nP = namedtuple('P', 'x y')\ndef f(): return repr(P(1, 2))\n",
    "an enum": "from enum import Enum\nclass E(Enum):\n    A = 1\ndef f(): return f'{E.A}'\n",
    "regular expressions": "import re\nW = re.compile('a')\ndef f(s): return W.sub('b', s)\n",
    "a class of attrs": "from attrs import asdict, define\n@define\nclass A:\n    n: int\ndef f(): return asdict(A(1))\n",
    "messages of no catalog": "from gettext import gettext, ngettext\ndef f(n): return gettext('x') + ngettext('a', 'b', n)\n",
    "json": "import json\ndef f(s): return json.dumps(json.loads(s), sort_keys=True)\n",
    "decimal": "from decimal import Decimal\ndef f(s): return Decimal(s) + 1\n",
    "logging": "import logging\nlog = logging.getLogger(__name__)\ndef f(x):\n    log.info('seen %s', x)\n    return x\n",
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_way_is_found(way: str, tmp_path: Path) -> None:
    text, capability = WAYS[way]
    assert capability in reached(tmp_path, text)


@pytest.mark.parametrize("case", INNOCENT)
def test_no_false_alarm(case: str, tmp_path: Path) -> None:
    assert reached(tmp_path, INNOCENT[case]) == set()
