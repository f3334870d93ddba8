"""Policy and budget scopes in code, in Python and x07AST: sections 7.6 and 8.3 of the reference, one row each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import CONTRACTS, codes, contracts_project, edit, manifest, node, run, write

BUDGET = "from x07py import budget\n"
SESSION = "from x07py.rr import session as recorded\n"
PUBLISH = "std.msg.kafka.publish_env_v1"
RR_INDEX, BUDGETS_INDEX = "arch/rr/index.x07rr.json", "arch/budgets/index.x07budgets.json"


def ast(*body: Any, name: str = "a.f", **more: Any) -> str:
    """An x07AST module with one function for each body."""
    decls = [{"kind": "defn", "name": name, "params": [], "result": "i32", "body": one} for one in body]
    return json.dumps({"kind": "module", "module_id": "a", "imports": [], "decls": decls, **more})


def policy(name: Any, body: Any) -> list[Any]:
    return ["std.rr.with_policy_v1", name, ["bytes.lit", "c"], 2, body]


def lit(text: str) -> list[str]:
    return ["bytes.lit", text]


def project(root: Path, world: str, module: str, **switches: dict[str, Any]) -> Path:
    """The example's contracts with one node, and its one module."""
    contracts_project(root)
    domains = {name: {**CONTRACTS[name], **switches.get(name, {})} for name in CONTRACTS}
    externals = {"allowed_import_prefixes": [], "allowed_exact": ["confluent_kafka", "x07py", "x07py.rr"]}
    document = manifest(node("a", world), contracts_v1=domains, externals=externals)
    return write(root, document, {"a.x07.json" if module.startswith("{") else "a.py": module})


def found(root: Path) -> list[str]:
    """The codes of a check, but for those of locks, packages and externals, which other tests are about."""
    others = ("LOCK", "E_ARCH_ALLOWED_UNUSED", "E_ARCH_OS_IMPORT", "E_ARCH_PACKAGE")
    return [code for code in codes(run(root)) if not any(other in code for other in others)]


POLICIES = {
    "a policy that exists": ("run-os", SESSION + "with recorded(policy='msg_rr_v1'): ...\n", []),
    "a policy that does not": (
        "run-os",
        SESSION + "with recorded(policy='msg_rr'): ...\n",
        ["E_ARCH_RR_POLICY_NOT_FOUND"],
    ),
    "a policy of another world": (
        "solve-pure",
        SESSION + "with recorded(policy='msg_rr_v1'): ...\n",
        ["E_ARCH_RR_WORLD_VIOLATION"],
    ),
    "a policy known at run time only": (
        "run-os",
        SESSION + "def f(name):\n    with recorded(policy=name): ...\n",
        ["W_ARCH_CONTRACT_OPAQUE_USAGE"],
    ),
    "no policy": ("run-os", SESSION + "with recorded(): ...\nwith recorded(policy=None): ...\n", []),
    "somebody else's session": ("run-os", "def session(policy): ...\nsession(policy='x07py')\n", []),
    "reference: a policy that exists": ("run-os", ast(policy(lit("msg_rr_v1"), 0)), []),
    "reference: a policy that does not": ("run-os", ast(policy(lit("none"), 0)), ["E_ARCH_RR_POLICY_NOT_FOUND"]),
    "reference: of another world": ("solve-pure", ast(policy(lit("msg_rr_v1"), 0)), ["E_ARCH_RR_WORLD_VIOLATION"]),
    "reference: known at run time only": ("run-os", ast(policy(["f"], 0)), ["W_ARCH_CONTRACT_OPAQUE_USAGE"]),
    "reference: in an expression": (
        "run-os",
        ast(["if", ["g"], policy(lit("none"), 0), 0]),
        ["E_ARCH_RR_POLICY_NOT_FOUND"],
    ),
    "reference: solve": ("run-os", ast(solve=policy(lit("none"), 0)), ["E_ARCH_RR_POLICY_NOT_FOUND"]),
}


@pytest.mark.parametrize("case", POLICIES)
def test_policies(case: str, tmp_path: Path) -> None:
    world, module, expected = POLICIES[case]
    assert found(project(tmp_path, world, module)) == expected


REQUIRED = {
    "a client library": ("run-os", "import confluent_kafka\n", ["E_ARCH_RR_POLICY_REQUIRED"]),
    "a solve world": ("solve-rr", ast([PUBLISH, 0]), []),
    "reference: outside of a scope": ("run-os", ast([PUBLISH, 0]), ["E_ARCH_RR_POLICY_REQUIRED"]),
    "reference: in a scope": ("run-os-sandboxed", ast(policy(lit("msg_rr_v1"), [PUBLISH, 0])), []),
    "reference: beside a scope": (
        "run-os",
        ast(["begin", policy(lit("msg_rr_v1"), 0), [PUBLISH, 0]]),
        ["E_ARCH_RR_POLICY_REQUIRED"],
    ),
    "reference: an operation that no policy lists": ("run-os", ast(["std.fs.read_v1", 0]), []),
}


@pytest.mark.parametrize("case", REQUIRED)
def test_operations_need_a_policy_where_that_is_asked_for(case: str, tmp_path: Path) -> None:
    world, module, expected = REQUIRED[case]
    root = project(tmp_path, world, module, rr={"require_policy_for_os_calls": True})
    assert found(root) == expected
    edit(root, "arch/manifest.x07arch.json", lambda one: one["contracts_v1"].update(rr=CONTRACTS["rr"]))
    assert found(root) == []


def test_a_policy_that_does_not_list_the_operation(tmp_path: Path) -> None:
    project(tmp_path, "run-os", ast(policy(lit("fetch_v1"), [PUBLISH, 0])))
    index = json.loads((tmp_path / RR_INDEX).read_text())
    entry = {**index["policies"][0], "id": "fetch_v1", "ops_allowed": ["std.rr.fetch_v1"], "kinds_allowed": ["rr"]}
    document = json.loads((tmp_path / entry["policy_path"]).read_text())
    (tmp_path / "arch/rr/policies/fetch.json").write_text(json.dumps({**document, "id": "fetch_v1"}))
    edit(
        tmp_path,
        RR_INDEX,
        lambda one: one["policies"].insert(0, {**entry, "policy_path": "arch/rr/policies/fetch.json"}),
    )
    assert found(tmp_path) == ["E_ARCH_RR_OP_NOT_ALLOWED"]
    (tmp_path / "a.x07.json").write_text(ast(policy(lit("msg_rr_v1"), [PUBLISH, 0])))
    assert found(tmp_path) == []


BUDGETS = {
    "a budget that exists": ("run-os", BUDGET + "with budget('msg_kafka_v1'): ...\n", []),
    "a budget that does not": (
        "run-os",
        BUDGET + "@budget(profile='msg_kafka')\ndef f(): ...\n",
        ["E_ARCH_BUDGET_PROFILE_NOT_FOUND"],
    ),
    "a budget of another world": (
        "solve-fs",
        "import x07py\nwith x07py.budget('msg_kafka_v1'): ...\n",
        ["E_ARCH_BUDGET_WORLD_VIOLATION"],
    ),
    "a budget known at run time only": (
        "run-os",
        BUDGET + "def f(name):\n    with budget(name): ...\n",
        ["W_ARCH_CONTRACT_OPAQUE_USAGE"],
    ),
    "reference: exists": ("run-os", ast(["budget.scope_from_arch_v1", lit("msg_kafka_v1"), 0]), []),
    "reference: does not": (
        "run-os",
        ast(["budget.scope_from_arch_v1", lit("none"), 0]),
        ["E_ARCH_BUDGET_PROFILE_NOT_FOUND"],
    ),
    "reference: another world": (
        "solve-fs",
        ast(["budget.scope_from_arch_v1", lit("msg_kafka_v1"), 0]),
        ["E_ARCH_BUDGET_WORLD_VIOLATION"],
    ),
    "reference: known at run time only": (
        "run-os",
        ast(["budget.scope_from_arch_v1", ["f"], 0]),
        ["W_ARCH_CONTRACT_OPAQUE_USAGE"],
    ),
}


def worlds(root: Path) -> None:
    """Give the budgets worlds of their own."""

    def change(index: Any) -> None:
        for entry in index["profiles"]:
            entry["worlds_allowed"] = ["run-os", "run-os-sandboxed", "solve-rr"]

    edit(root, BUDGETS_INDEX, change)


@pytest.mark.parametrize("case", BUDGETS)
def test_budgets(case: str, tmp_path: Path) -> None:
    world, module, expected = BUDGETS[case]
    project(tmp_path, world, module)
    worlds(tmp_path)
    assert found(tmp_path) == expected


SELECTED = {
    "decorated": (BUDGET + "@budget('msg_kafka_v1')\ndef work(): ...\n", []),
    "a coroutine, which starts when the decorator is done": (
        BUDGET + "@budget('msg_kafka_v1')\nasync def work(): ...\n",
        ["SCOPE_MISSING"],
    ),
    "a coroutine in a with": (BUDGET + "async def work():\n    with budget('msg_kafka_v1'): ...\n", []),
    "in a with": (BUDGET + "def work():\n    'Text.'\n    with budget('msg_kafka_v1'):\n        return 1\n", []),
    "a method": (BUDGET + "class A:\n    @budget('msg_kafka_v1')\n    def work(self): ...\n", ["FN_NOT_FOUND"]),
    "bare": ("def work(): ...\n", ["SCOPE_MISSING"]),
    "partly": (
        BUDGET + "def work():\n    x = 1\n    with budget('msg_kafka_v1'):\n        return x\n",
        ["SCOPE_MISSING"],
    ),
    "in another": (BUDGET + "@budget('msg_core_v1')\ndef work(): ...\n", ["SCOPE_MISSING"]),
    "not there": ("def working(): ...\n", ["FN_NOT_FOUND"]),
    "reference: whole": (ast(["budget.scope_from_arch_v1", lit("msg_kafka_v1"), 0], name="a.work"), []),
    "reference: bare": (ast(["begin", 0], name="a.work"), ["SCOPE_MISSING"]),
}


@pytest.mark.parametrize("case", SELECTED)
@pytest.mark.parametrize("name", ["work", "a.work"])
def test_selected_functions_are_in_their_budget(case: str, name: str, tmp_path: Path) -> None:
    module, expected = SELECTED[case]
    project(tmp_path, "run-os", module, budgets={"require_scopes": True})
    prefix = {"FN_NOT_FOUND": "E_ARCH_BUDGET_SELECTOR_", "SCOPE_MISSING": "E_ARCH_BUDGET_"}
    select(tmp_path, "a", name, "error")
    assert found(tmp_path) == [prefix[one] + one for one in expected]
    select(tmp_path, "a", name, "off")
    assert found(tmp_path) == []


def select(root: Path, prefix: str, name: str, enforce: str) -> None:
    def change(index: Any) -> None:
        for entry in index["profiles"]:
            chosen = entry["id"] == "msg_kafka_v1"
            entry["selectors"] = [{"module_prefix": prefix, "fn": name}] if chosen else []
            entry["enforce"] = enforce

    edit(root, BUDGETS_INDEX, change)


def test_a_selector_of_no_module_and_one_that_only_warns(tmp_path: Path) -> None:
    project(tmp_path, "run-os", "def work(): ...\n", budgets={"require_scopes": True})
    select(tmp_path, "b", "work", "error")
    assert found(tmp_path) == ["E_ARCH_BUDGET_SELECTOR_MODULE_PREFIX_NOT_FOUND"]
    select(tmp_path, "a", "work", "warn")
    report = run(tmp_path)
    [row] = [one for one in report.findings if one.code == "E_ARCH_BUDGET_SCOPE_MISSING"]
    assert (row.severity, row.path, row.line) == ("warning", "a.py", 1)


def test_a_module_without_a_node_has_no_world(tmp_path: Path) -> None:
    project(tmp_path, "run-os", ast([PUBLISH, 0]), rr={"require_policy_for_os_calls": True})
    document = json.loads((tmp_path / "arch/manifest.x07arch.json").read_text())
    document["nodes"] = []
    document["checks"]["deny_orphans"] = False
    write(tmp_path, document)
    assert found(tmp_path) == []


def test_bare_bytes_at_the_border_of_a_reference_module(tmp_path: Path) -> None:
    params = [{"name": "b", "ty": "bytes_view"}, {"name": "c", "ty": "bytes", "brand": "t"}, {"name": "d", "ty": "i32"}]
    decls = [
        {"kind": "export", "names": ["a.f"]},
        {"kind": "defn", "name": "a.f", "params": params, "result": "result_bytes", "body": 0},
        {"kind": "defn", "name": "a.inner", "params": params, "result": "bytes", "body": 0},
    ]
    module = {"kind": "module", "module_id": "a", "imports": [], "decls": decls}
    write(tmp_path, manifest(node("a")), {"a.x07.json": json.dumps(module)})
    rows = [(row.code, row.data["symbol"], row.data["param"], row.data["ty"]) for row in run(tmp_path).findings]
    code = "E_ARCH_PUBLIC_BYTES_UNBRANDED"
    assert sorted(rows) == [(code, "f", "", "result_bytes"), (code, "f", "b", "bytes_view")]
