"""Whatever a change does to a project: what it adds to the findings is in the report that ``--changed`` keeps."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.arch.trees import manifest, node, run, write
from tests.support.campaign import CAMPAIGN
from x07py.arch.changed import narrow
from x07py.arch.check import Report, Request
from x07py.arch.git import Change
from x07py.arch.project import MANIFEST_PATH
from x07py.diag import Diagnostic

FILES = ("a/__init__.py", "a/x.py", "a/y.py", "a/in/z.py", "b/__init__.py", "b/x.py", "c.py", "d/x.py", "lib/c.py")
LINES = (
    "import a",
    "from a import x",
    "from a import y as z",
    "import a.in_.z",
    "from b import x",
    "import b.x",
    "import c",
    "from d import x",
    "import socket",
    "import numpy",
    "import time; time.time()",
    "def smoke(): ...",
    "x = (",
)
TREES = st.dictionaries(st.sampled_from(FILES), st.lists(st.sampled_from(LINES), max_size=3).map("\n".join), min_size=2)
NODES = [
    node("a", "solve-pure", contracts={"smoke_entry": "smoke"}),
    node("b", "solve-fs", visibility={"mode": "restricted", "visible_to": ["c"]}),
    node("c"),
    node("d", match={"module_prefixes": [], "path_globs": ["d/*"]}),
]
RULES = [
    {"kind": "deny_cycles_v1", "id": "modules", "scope": "modules"},
    {"kind": "deny_cycles_v1", "id": "nodes", "scope": "nodes"},
    {"kind": "layers_v1", "id": "layers", "layers": ["d", "c", "b", "a"], "direction": "down"},
]


@contextmanager
def project(files: dict[str, str]) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp())
    try:
        (root / "lib").mkdir()
        yield write(root, manifest(*NODES, rules=RULES, scan={"roots": [".", "lib"]}), files)
    finally:
        shutil.rmtree(root)


def circles(report: Report) -> list[frozenset[str]]:
    return [frozenset(row.data["cycle_nodes"]) for row in report.findings if row.code == "E_ARCH_CYCLE"]


def keys(report: Report) -> Counter[tuple[str, ...]]:
    """Count findings by what they are about; that of two nodes moves from import to import as those come and go."""
    return Counter(
        (row.code, row.data["node_from"], row.data["node_to"])
        if "node_from" in row.data
        else (row.code, row.path or "", row.message)
        for row in report.findings
    )


def is_rest_of_a_circle(row: Diagnostic, before: list[frozenset[str]]) -> bool:
    """Tell whether a finding is what a change left of a larger circle, and so no fault of the change."""
    return row.code == "E_ARCH_CYCLE" and any(set(row.data["cycle_nodes"]) < circle for circle in before)


@settings(max_examples=200 if CAMPAIGN else 20, deadline=None)
@given(TREES, TREES)
@example({"lib/c.py": "import a", "a/x.py": ""}, {"lib/c.py": "import a", "a/x.py": "", "c.py": ""})
@example({"lib/c.py": "import a", "a/x.py": "", "c.py": ""}, {"lib/c.py": "import a", "a/x.py": ""})
@example(
    {"a/__init__.py": "", "a/x.py": "", "a/in/z.py": "import a.in_.z"},
    {"a/x.py": "", "a/in/z.py": "import a.in_.z", "a/y.py": ""},
)
def test_every_finding_that_a_change_adds_is_kept(before: dict[str, str], after: dict[str, str]) -> None:
    with project(before) as root:
        first = run(root)
    with project(after) as root:
        report = run(root)
        report.findings = [row for row in report.findings if not is_rest_of_a_circle(row, circles(first))]
        new = keys(report) - keys(first)
        touched = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
        kept = keys(narrow(report, Request(root, MANIFEST_PATH), Change("HEAD", "0" * 40, frozenset(touched))))
    assert new - kept == Counter()
