"""What an import means: parts of packages, switches for type checkers, relative names, syntax of a newer Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch.trees import codes, manifest, node, run, write
from x07py.arch.scan.tokens import token_imports

LAYERS = {"kind": "layers_v1", "id": "l", "layers": ["low", "high"], "direction": "down"}
NODES = (
    node("low", match={"module_prefixes": ["p.low"], "path_globs": []}),
    node("high", match={"module_prefixes": ["p.high"], "path_globs": []}),
    node("top", match={"module_prefixes": [], "path_globs": ["p/__init__.py"]}),
)
PACKAGES = {"p/__init__.py": "", "p/high/__init__.py": "", "p/low/__init__.py": ""}

REACHES_HIGH = {
    "an extension module": "import p.high._speedups\n",
    "a name of an extension module": "from p.high._speedups import fast\n",
    "a relative import by name": "import importlib\nimportlib.import_module('..high', __package__)\n",
    "a relative import by name of a package": "from importlib import import_module as i\ni('.high', package='p')\n",
    "a switch that is set later": "import sys\nTYPE_CHECKING = sys.argv == []\nif TYPE_CHECKING:\n    import p.high\n",
}
REACHES_NOTHING = {
    "a switch that is off": "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import p.high\n",
    "an annotated switch that is off": "TYPE_CHECKING: bool = False\nif TYPE_CHECKING:\n    import p.high\n",
    "a package that cannot be known": "import importlib\nimportlib.import_module('.high', package=name())\n",
}


@pytest.mark.parametrize("case", [*REACHES_HIGH, *REACHES_NOTHING])
def test_what_is_reached(case: str, tmp_path: Path) -> None:
    text = (REACHES_HIGH | REACHES_NOTHING)[case]
    report = run(write(tmp_path, manifest(*NODES, rules=[LAYERS]), {**PACKAGES, "p/low/a.py": text}))
    assert codes(report) == (["E_ARCH_LAYERS_VIOLATION"] if case in REACHES_HIGH else [])


MEMBERS = {
    "taken": "from decimal import Decimal\n",
    "taken under another name": "from decimal import Decimal as D\n",
    "used": "import decimal\nx = decimal.Decimal(1)\n",
    "used through another name": "import decimal as d\nd.Decimal\n",
    "a member of the project": "from p import high\nhigh.Thing\n",
}
NO_MEMBERS = {
    "another member": "from decimal import getcontext\nimport decimal\ndecimal.ROUND_UP\n",
    "a name of its own": "import decimal\nclass x: Decimal = 1\nx.Decimal\n",
    "for type checkers": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from decimal import Decimal\n",
}


@pytest.mark.parametrize("case", [*MEMBERS, *NO_MEMBERS])
def test_members_that_are_denied(case: str, tmp_path: Path) -> None:
    low = {**NODES[0], "imports": {"deny_prefixes": ["decimal.Decimal", "p.high.Thing"], "allow_prefixes": []}}
    modules = {**PACKAGES, "p/low/a.py": (MEMBERS | NO_MEMBERS)[case], "p/high/__init__.py": "class Thing: ..."}
    report = run(write(tmp_path, manifest(low, *NODES[1:]), modules))
    assert codes(report) == (["E_ARCH_IMPORT_PREFIX_DENIED"] if case in MEMBERS else [])


def test_imports_for_type_checkers_count_on_request(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import p.high\n"
    document = manifest(*NODES, rules=[LAYERS], scan={"type_imports": True})
    assert codes(run(write(tmp_path, document, {**PACKAGES, "p/low/a.py": text}))) == ["E_ARCH_LAYERS_VIOLATION"]


NEWER = {
    "quotes in a field": "x = f'{d['import y']}'\nimport a\n",
    "a field in a format": 'x = f"{a:{b["c"]}>{d}}"\nimport a\n',
    "a string in a field over lines": "x = f'''{\n  '}' # '\n}'''\nimport a\n",
    "template": "x = t'{d['a']!r:>{w}}'\nimport a\n",
    "doubled braces": "x = f'{{ {a} }}'\nimport a\n",
    "lazy": "lazy import a\n",
    "lazy from": "lazy from a import b\n",
    "except without brackets": "try: pass\nexcept A, B: import a\n",
    "after a semicolon": "type X = int; import a\n",
    "in a bracketless match": "match x:\n    case {'import': 1}: import a\n",
    "by name": "type X = int\nimport_module('a')\n",
    "type parameters": "def f[T: (int, str) = int](x: T): import a\n",
}


@pytest.mark.parametrize("case", NEWER)
def test_newer_syntax_is_read_by_its_tokens(case: str) -> None:
    assert [row[0] for row in token_imports(NEWER[case], "p")] == ["a"]


def test_newer_syntax_knows_blocks_for_type_checkers() -> None:
    text = "if TYPE_CHECKING:\n    import a\n    if x:\n        from . import b\nelse:\n    import c\nimport d\n"
    assert [(row[0], row[2]) for row in token_imports(text, "p")] == [
        ("a", "type"),
        ("p", "type"),
        ("c", "run"),
        ("d", "run"),
    ]


@pytest.mark.parametrize(
    "text", ["import (\n", "x = (\n", "x = 'a\n", "x = 1 import a\n", "x = f'{a\n", "}\n", "from a import\n"]
)
def test_what_no_python_reads_is_refused(text: str) -> None:
    with pytest.raises(SyntaxError):
        token_imports(text, "p")


def test_a_solve_module_in_a_newer_syntax_is_an_error(tmp_path: Path) -> None:
    modules = {"a.py": "lazy import socket\n"}
    assert codes(run(write(tmp_path, manifest(node("a", "solve-pure")), modules))) == ["E_ARCH_MODULE_PARSE"]
    report = run(write(tmp_path, manifest(node("a")), modules))
    assert (codes(report), report.lexical) == ([], 1)
