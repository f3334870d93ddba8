"""Solve worlds: the ways in which a pure module reaches a socket, a file or the clock, and what is no such way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write

WAYS = {
    "a module without another use": ("import syslog\n", "E_ARCH_OS_IMPORT"),
    "one in a function": ("def f():\n    import ftplib\n", "E_ARCH_OS_IMPORT"),
    "the body of a helper": ("import helper\n", "E_ARCH_OS_IMPORT"),
    "noqa": ("import syslog  # noqa\n", "E_ARCH_OS_IMPORT"),
    "a helper's function": ("import tools\ntools.now()\n", "E_ARCH_CALL_CLOCK"),
    "a star import": ("from tools import *\nnow()\n", "E_ARCH_CALL_CLOCK"),
    "import_module": ("import importlib\nimportlib.import_module('soc' + 'ket').socket()\n", "E_ARCH_CALL_NETWORK"),
    "resolve_name": ("import pkgutil\npkgutil.resolve_name('os:system')('x')\n", "E_ARCH_CALL_PROCESSES"),
    "a library": ("import http.client\nhttp.client.HTTPConnection('h').connect()\n", "E_ARCH_CALL_NETWORK"),
    "native code": ("import ctypes\nctypes.CDLL('x')\n", "E_ARCH_CALL_NATIVE"),
    "what threads do": ("import sys\nsys._current_frames()\n", "E_ARCH_CALL_THREADS"),
    "a queue with a time limit": ("import queue\nqueue.Queue(3).get(timeout=1)\n", "E_ARCH_CALL_CLOCK"),
    "a database file": ("import sqlite3\nsqlite3.connect('x')\n", "E_ARCH_CALL_FILES"),
    "a database of any name": ("import sqlite3\ndef f(n): sqlite3.Connection(n)\n", "E_ARCH_CALL_FILES"),
    "SQL about the time": (
        "import sqlite3\nsqlite3.connect(':memory:').execute('select CURRENT_TIME')\n",
        "E_ARCH_CALL_CLOCK",
    ),
    "SQL that nobody sees": (
        "import sqlite3\ndef f(q): sqlite3.connect(':memory:').cursor().execute(q)\n",
        "E_ARCH_CALL_CLOCK",
    ),
    "what is not installed": ("import ext\n", "E_ARCH_NOT_READ"),
    "exec": ("exec('import socket')\n", "E_ARCH_CALL_DYNAMIC"),
    "sys.modules": ("import sys\nsys.modules.get('socket')\n", "E_ARCH_CALL_DYNAMIC"),
    "a computed import": ("import importlib\ndef f(n):\n    importlib.import_module(n)\n", "E_ARCH_DYNAMIC_IMPORT"),
    "open": ("open('x')\n", "E_ARCH_CALL_FILES"),
    "random": ("import random\nrandom.random()\n", "E_ARCH_CALL_RANDOMNESS"),
    "environ": ("import os\nos.environ['A']\n", "E_ARCH_CALL_ENVIRONMENT"),
    "id": ("def f(x): return id(x)\n", "E_ARCH_CALL_IDENTITY"),
    "a text's hash": ("def f(x): return hash(x)\n", "E_ARCH_CALL_IDENTITY"),
    "set order": ("def f(a):\n    return ','.join(set(a))\n", "E_ARCH_SET_ORDER"),
}

HARMLESS = {
    "type only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import syslog\n",
    "what is not called": "import socket, http, asyncio\nKIND = socket.AF_INET\n",
    "a helper's other function": "import tools\ntools.one()\n",
    "own open": "def open(x): ...\nopen('x')\n",
    "sorted": "def f(a):\n    return ','.join(sorted(set(a)))\n",
    "a thread": "import threading\nthreading.Thread(target=len).start()\n",
    "a loop": "import asyncio\nasync def f(): ...\nasyncio.run(f())\n",
    "a pool": "from concurrent.futures import ThreadPoolExecutor\ndef f(g): ThreadPoolExecutor(2).submit(g)\n",
    "a queue": "import queue\ndef f(q): q.put(1); return queue.Queue(3).get(timeout=None)\n",
    "a database in memory": (
        "import sqlite3\nc = sqlite3.connect(':memory:')\nc.execute('create table t(a)')\n"
        "c.cursor().executemany('insert into t values(?)', [(1,)])\n"
    ),
    "text": "x = 'import syslog'\n",
}


TOOLS = "import time\ndef now(): return time.time()\ndef one(): return 1\n"


def project(root: Path, text: str) -> Path:
    externals = {"allowed_import_prefixes": ["ext"] if "import ext" in text else [], "allowed_exact": []}
    document = manifest(node("core", "solve-pure"), externals=externals)
    document["checks"]["deny_orphans"] = False
    return write(root, document, {"core.py": text, "helper.py": "import syslog\n", "tools.py": TOOLS})


@pytest.mark.parametrize("way", WAYS)
def test_a_way_out_is_found(way: str, tmp_path: Path) -> None:
    text, code = WAYS[way]
    report = run(project(tmp_path, text))
    assert code in codes(report)
    assert report.findings[0].path == "core.py"
    assert report.findings[0].hint


@pytest.mark.parametrize("case", HARMLESS)
def test_no_false_alarm(case: str, tmp_path: Path) -> None:
    assert codes(run(project(tmp_path, HARMLESS[case]))) == []


def test_the_chain_is_shown_with_files_and_lines(tmp_path: Path) -> None:
    root = project(tmp_path, "import one\n\ndef f():\n    return one.at()\n")
    text = "import tools\ndef at():\n    return tools.now()\n"
    write(root, (root / "arch/manifest.x07arch.json").read_text(), {"one.py": text})
    (row,) = run(root).findings
    assert (row.line, row.column, row.source) == (4, 5, "    return one.at()")
    assert row.data["chain"] == ["core.f", "one.at", "tools.now", "time.time"]
    assert row.notes == ("core.py:4 reaches one.at", "one.py:3 reaches tools.now", "tools.py:2 reaches time.time")
    assert row.message.startswith("core (solve-pure) reaches time.time through one.at")


def test_one_cause_in_a_node_is_one_finding(tmp_path: Path) -> None:
    document = manifest(node("core", "solve-pure"))
    modules = {"core/a.py": "from core.b import f\nX = f()\n", "core/b.py": "def f(): return open('x')\n"}
    report = run(write(tmp_path, document, modules))
    assert [row.path for row in report.findings] == ["core/b.py"]


def test_a_world_may_not_call_through_one_that_admits_more(tmp_path: Path) -> None:
    document = manifest(node("a", "solve-pure"), node("b", "solve-fs"))
    report = run(
        write(tmp_path, document, {"a.py": "from b import f\nX = f()\n", "b.py": "def f(): return open('x')\n"})
    )
    assert [(row.code, row.path, row.line) for row in report.findings] == [("E_ARCH_CALL_FILES", "a.py", 2)]


def test_os_worlds_may_do_all_of_it(tmp_path: Path) -> None:
    text = "".join(text for text, _ in WAYS.values() if not {"ext", "helper", "tools"} & set(re.findall(r"\w+", text)))
    report = run(write(tmp_path, manifest(node("core")), {"core.py": text}))
    assert codes(report) == []
    assert report.reached is None


def test_the_summary_says_how_far_calls_were_followed(tmp_path: Path) -> None:
    report = run(project(tmp_path, "import tools\n"))
    assert report.summary().endswith("followed into 2 modules, 0 distributions, 0 not read")
