"""What Python modules do with drivers under policies, and how the ids of scopes are read: a module, and its codes."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.arch.test_contracts import ANY_JSON, BUDGETS, RR, put
from tests.arch.trees import CONTRACTS, codes, contracts_project, edit, manifest, node, run, write
from x07py.arch.contracts_checks.budgets import check_budgets
from x07py.arch.contracts_checks.contract_files import Contracts
from x07py.arch.contracts_checks.rr import check_rr
from x07py.arch.contracts_checks.scopes import check_scopes
from x07py.arch.graph import build_graph
from x07py.arch.manifest import read_manifest
from x07py.arch.project import MANIFEST_PATH
from x07py.arch.scan.module_files import Scan, module_files
from x07py.arch.scan.module_names import ModuleNames
from x07py.arch.scan.tree import read_modules
from x07py.arch.scan.x07ast import scan_x07ast
from x07py.diag import Diagnostic

REQUIRED = {
    **CONTRACTS,
    "rr": {**CONTRACTS["rr"], "require_policy_for_os_calls": True},
    "budgets": {**CONTRACTS["budgets"], "require_scopes": True},
}
HEAD = "from x07py import budget, open_driver\nfrom x07py.rr import session\n"
RULED = 'with session(policy="msg_rr_v1"):\n'
OPEN = 'async with open_driver("kafka", profile="p") as d:\n'


def inside(*lines: str, head: str = HEAD) -> str:
    """A coroutine whose blocks are nested in the order that is given."""
    rows = [f"{'    ' * (depth + 1)}{line.rstrip()}" for depth, line in enumerate(lines)]
    return head + "async def f(d):\n" + "\n".join(rows) + "\n"


class Project:
    """A project whose contracts are read once: ``msg_core_v1`` is for run-os, ``msg_rr_v1`` for that and solve-rr."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.contracts = Contracts(root, 100, 10**8)
        check_rr(self.contracts, REQUIRED["rr"])
        check_budgets(self.contracts, REQUIRED["budgets"])

    def findings(self, text: str, world: str) -> list[Diagnostic]:
        """What the check of scopes says about a project of one module."""
        (self.root / "a.py").write_text(text)
        write(self.root, manifest(node("a", world), contracts_v1=REQUIRED))
        read = read_manifest(self.root, MANIFEST_PATH, [])
        assert read
        files, _ = module_files(self.root, Scan())
        names = ModuleNames(self.root)
        modules, faults = read_modules(self.root, files, names, None, read.depth)
        self.contracts.findings.clear()
        check_scopes(self.contracts, REQUIRED, build_graph(self.root, read, modules, [], names))
        return [*faults, *self.contracts.findings]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = contracts_project(tmp_path_factory.mktemp("scopes"))
    edit(root, BUDGETS, put("profiles", 1, "worlds_allowed", ["run-os"]))
    edit(root, RR, put("policies", 0, "worlds_allowed", ["run-os", "solve-rr"]))
    return Project(root)


REQUIRED_CODE, OP, WORLD = "E_ARCH_RR_POLICY_REQUIRED", "E_ARCH_RR_OP_NOT_ALLOWED", "E_ARCH_RR_WORLD_VIOLATION"
OPAQUE, UNKNOWN = "W_ARCH_CONTRACT_OPAQUE_USAGE", "E_ARCH_RR_POLICY_NOT_FOUND"
NO_BUDGET, BUDGET_WORLD = "E_ARCH_BUDGET_PROFILE_NOT_FOUND", "E_ARCH_BUDGET_WORLD_VIOLATION"

PARSE = "E_ARCH_MODULE_PARSE"

PYTHON: list[tuple[str, str, list[str]]] = [
    ("run-os", inside(OPEN, "await d.publish(1)"), [REQUIRED_CODE]),
    ("run-os", inside(RULED, OPEN, "await d.publish(1)"), []),
    ("run-os", inside("with session():", OPEN, "pass"), []),
    ("run-os", inside("with session(policy=None):", OPEN, "pass"), []),
    ("solve-rr", inside(OPEN, "pass"), []),
    ("run-os", inside(RULED, OPEN, "await d.control('flush', {})"), [OP]),
    ("run-os", inside("with session(mode='replay'):", OPEN, "await d.control('flush', {})"), [OP]),
    ("run-os", inside(RULED, OPEN, "await d.lag(['t'], group='g')"), []),
    ("run-os", inside(RULED, OPEN, "d.consume(['t'])", ""), []),
    ("run-os", inside(RULED, OPEN, "await d.control('drain', {})"), [OP]),
    ("run-os", inside(RULED, OPEN, "await d.control(op, {})"), []),
    ("run-os", inside(RULED, "await d.seek('t', 0, 1)"), []),
    ("run-os", inside(RULED, "e = await s.enter_async_context(open_driver('amqp', profile='p')); e.pause([])"), [OP]),
    ("run-os", inside("with session(policy='msg_rr_v2'):", "pass"), [UNKNOWN]),
    ("run-os-sandboxed", inside(RULED, "pass"), [WORLD]),
    ("solve-rr", inside(RULED, "pass"), []),
    ("run-os", inside("with session(policy=d):", "pass"), [OPAQUE]),
    ("run-os", inside("with session(**d):", "pass"), [OPAQUE]),
    ("run-os", inside("with session(policy=d):", OPEN, "pass"), [REQUIRED_CODE, OPAQUE]),
    ("run-os", inside("with session(policy=P):", OPEN, "pass", head=f"{HEAD}P = 'msg_rr_v1'\n"), []),
    ("run-os", inside("with session(policy=P):", "pass", head=f"{HEAD}P = 'a'\nP = 'b'\n"), [OPAQUE]),
    ("run-os", f"{HEAD}@session(policy='msg_rr_v1')\ndef f():\n    open_driver('kafka', profile='p')\n", []),
    ("run-os", f"{HEAD}@session(policy='msg_rr_v1')\nasync def f():\n    open_driver('amqp')\n", [REQUIRED_CODE]),
    ("run-os", "import x07py as x\nx.open_driver('kafka', profile='p')\n", [REQUIRED_CODE]),
    ("run-os", "import x07py\nfrom mine import open_driver\nopen_driver('kafka')\n", []),
    ("run-os", f"{HEAD}with budget('msg_core_v2'):\n    pass\n", [NO_BUDGET]),
    ("run-os", f"{HEAD}with budget(profile='msg_core_v1'):\n    pass\n", []),
    ("run-os-sandboxed", f"{HEAD}@budget('msg_core_v1')\ndef f(): ...\n", [BUDGET_WORLD]),
    ("run-os-sandboxed", f"{HEAD}@budget('msg_kafka_v1')\ndef f(): ...\n", []),
    ("run-os", f"{HEAD}def f(x):\n    return budget(x)\n", [OPAQUE]),
    ("run-os", "import x07py\nx07py.budget(\n", [PARSE]),
]


@pytest.mark.parametrize(("world", "text", "expected"), PYTHON, ids=range(len(PYTHON)))
def test_scopes_in_python(project: Project, world: str, text: str, expected: list[str]) -> None:
    rows = project.findings(text, world)
    assert sorted({row.code for row in rows}) == sorted(expected)
    assert all(row.hint and row.path for row in rows)


def test_the_finding_says_where(project: Project) -> None:
    [row] = project.findings(inside(RULED, OPEN, "await d.control('flush', {})"), "run-os")
    assert (row.code, row.path, row.line, row.column) == (OP, "a.py", 6, 19)
    assert row.data["op"] == "std.msg.kafka.flush_v1"


def test_a_fault_of_a_module_does_not_keep_the_contracts_from_their_lock(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    externals = {"allowed_import_prefixes": [], "allowed_exact": ["x07py"]}
    document = manifest(node("a"), contracts_v1=CONTRACTS, externals=externals)
    write(tmp_path, document, {"a.py": "import x07py\nx07py.budget('none')\n"})
    assert codes(run(tmp_path, write_lock=True)) == [NO_BUDGET]
    assert codes(run(tmp_path)) == [NO_BUDGET]


def test_an_index_without_policies_knows_none(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    only = {name: CONTRACTS[name] for name in ("canonical_json", "rr")}
    externals = {"allowed_import_prefixes": [], "allowed_exact": ["x07py.rr"]}
    edit(tmp_path, RR, put("policies", []))
    text = "from x07py.rr import session\nsession(policy='x')\n"
    write(tmp_path, manifest(node("a"), contracts_v1=only, externals=externals), {"a.py": text})
    assert UNKNOWN in codes(run(tmp_path, write_lock=True))


KEYS = ["decls", "solve", "exports", "imports", "kind", "module_id"]
HEADS = st.sampled_from(["std.rr.with_policy_v1", "budget.scope_from_arch_v1", "std.fs.read"])


@settings(max_examples=100, deadline=None)
@given(key=st.sampled_from(KEYS), value=ANY_JSON | st.lists(HEADS | st.lists(ANY_JSON | HEADS)))
def test_any_x07ast_module_is_read_or_refused(key: str, value: Any) -> None:
    data = json.dumps({"kind": "module", "module_id": "a", key: value}).encode()
    with contextlib.suppress(ValueError):
        assert scan_x07ast(data, "a.x07.json") == scan_x07ast(data, "a.x07.json")
