"""Solve worlds: the ways in which a pure module reaches a socket, a file or the clock, and what is no such way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write

WAYS = {
    "import": ("import socket\n", "E_ARCH_OS_IMPORT"),
    "from": ("from socket import create_connection as c\n", "E_ARCH_OS_IMPORT"),
    "function": ("def f():\n    import socket\n", "E_ARCH_OS_IMPORT"),
    "underscore": ("import _socket\n", "E_ARCH_OS_IMPORT"),
    "first party": ("import helper\n", "E_ARCH_OS_IMPORT"),
    "star": ("from helper import *\n", "E_ARCH_OS_IMPORT"),
    "noqa": ("import socket  # noqa\n", "E_ARCH_OS_IMPORT"),
    "import_module": ("import importlib\nimportlib.import_module('socket')\n", "E_ARCH_OS_IMPORT"),
    "__import__": ("__import__('socket')\n", "E_ARCH_OS_IMPORT"),
    "resolve_name": ("import pkgutil\npkgutil.resolve_name('socket:socket')\n", "E_ARCH_OS_IMPORT"),
    "sum": ("import importlib as i\ni.import_module('soc' + 'ket')\n", "E_ARCH_OS_IMPORT"),
    "entry points": ("from importlib.metadata import entry_points\n", "E_ARCH_OS_IMPORT"),
    "exec": ("exec('import socket')\n", "E_ARCH_CALL_DYNAMIC"),
    "sys.modules": ("import sys\nsys.modules.get('socket')\n", "E_ARCH_CALL_DYNAMIC"),
    "asyncio": ("import asyncio\n", "E_ARCH_OS_IMPORT"),
    "requests": ("import ext, requests\n", "E_ARCH_OS_IMPORT"),
    "http.client": ("import http.client\nhttp.client.socket\n", "E_ARCH_OS_IMPORT"),
    "os.system": ("import os\nos.system('x')\n", "E_ARCH_CALL_PROCESSES"),
    "open": ("open('x')\n", "E_ARCH_CALL_FILES"),
    "time": ("from time import time as now\nnow()\n", "E_ARCH_CALL_CLOCK"),
    "ctypes": ("import ctypes\n", "E_ARCH_OS_IMPORT"),
    "computed": ("import importlib\ndef f(n):\n    importlib.import_module(n)\n", "E_ARCH_DYNAMIC_IMPORT"),
    "urllib": ("from urllib import parse, request\n", "E_ARCH_OS_IMPORT"),
    "getattr": ("import os\ngetattr(os, 'system')('x')\n", "E_ARCH_CALL_PROCESSES"),
    "datetime": ("import datetime as d\nd.datetime.now(d.UTC)\n", "E_ARCH_CALL_CLOCK"),
    "random": ("import random\nrandom.random()\n", "E_ARCH_CALL_RANDOMNESS"),
    "no seed": ("import random\nrandom.Random()\n", "E_ARCH_CALL_RANDOMNESS"),
    "uuid4": ("import uuid\nuuid.uuid4()\n", "E_ARCH_CALL_RANDOMNESS"),
    "environ": ("import os\nos.environ['A']\n", "E_ARCH_CALL_ENVIRONMENT"),
    "id": ("id(3)\n", "E_ARCH_CALL_IDENTITY"),
    "set order": ("def f(a):\n    return ','.join(set(a))\n", "E_ARCH_SET_ORDER"),
}

HARMLESS = {
    "type only": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket\n",
    "urllib.parse": "from urllib import parse\n",
    "os.path": "import os\nos.path.join('a', 'b')\n",
    "seed": "import random\nrandom.Random(3).random()\n",
    "own open": "def open(x): ...\nopen('x')\n",
    "parameter id": "def f(id):\n    return id\n",
    "datetime": "import datetime\ndatetime.datetime(2020, 1, 1)\n",
    "__hash__": "class A:\n    def __hash__(self):\n        return hash(1)\n",
    "sorted": "def f(a):\n    return ','.join(sorted(set(a)))\n",
    "gmtime": "import time\ntime.gmtime(0)\n",
    "text": "x = 'import socket'\n",
}


def project(root: Path, text: str) -> Path:
    used = [name for name in ("requests", "ext") if re.search(rf"\b{name}\b", text)]
    externals = {"allowed_import_prefixes": used, "allowed_exact": []}
    document = manifest(node("core", "solve-pure"), externals=externals)
    document["checks"]["deny_orphans"] = False
    return write(root, document, {"core.py": text, "helper.py": "import socket\n"})


@pytest.mark.parametrize("way", WAYS)
def test_a_way_out_is_found(way: str, tmp_path: Path) -> None:
    text, code = WAYS[way]
    report = run(project(tmp_path, text))
    assert codes(report) == [code]
    assert report.findings[0].path == "core.py"
    assert report.findings[0].hint


@pytest.mark.parametrize("case", HARMLESS)
def test_no_false_alarm(case: str, tmp_path: Path) -> None:
    assert codes(run(project(tmp_path, HARMLESS[case]))) == []


def test_the_chain_is_shown(tmp_path: Path) -> None:
    root = project(tmp_path, "import one\n")
    write(root, (root / "arch/manifest.x07arch.json").read_text(), {"one.py": "import helper\n"})
    row = run(root).findings[0]
    assert row.data["chain"] == ["core", "one", "helper", "socket"]
    assert row.notes == ("core.py:1 imports one", "one.py:1 imports helper", "helper.py:1 imports socket")


def test_the_init_of_a_package_counts(tmp_path: Path) -> None:
    root = project(tmp_path, "import pack.inner\n")
    modules = {"pack/__init__.py": "import socket\n", "pack/inner.py": ""}
    write(root, (root / "arch/manifest.x07arch.json").read_text(), modules)
    assert codes(run(root)) == ["E_ARCH_OS_IMPORT"]


def test_one_cause_in_a_node_is_one_finding(tmp_path: Path) -> None:
    document = manifest(node("core", "solve-pure"))
    modules = {"core/a.py": "import core.b\n", "core/b.py": "import socket\n"}
    report = run(write(tmp_path, document, modules))
    assert [row.path for row in report.findings] == ["core/b.py"]


def test_os_worlds_may_do_all_of_it(tmp_path: Path) -> None:
    text = "".join(text for text, _ in WAYS.values() if "ext" not in text and "helper" not in text)
    assert codes(run(write(tmp_path, manifest(node("core")), {"core.py": text}))) == []


def test_replay_worlds_admit_the_event_loop(tmp_path: Path) -> None:
    document = manifest(node("core", "solve-rr"))
    assert codes(run(write(tmp_path, document, {"core.py": "import asyncio\n"}))) == []
