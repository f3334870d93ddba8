"""What the reference does in its own tests and, as read from its code, with contracts; where x07py deviates, why."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.arch.test_contracts import AMQP, AMQP_PROFILE, BUDGETS, KAFKA, KAFKA_PROFILE, MSG, POLICY, RR, TOPOLOGY, put
from tests.arch.trees import CONTRACTS, codes, contracts_project, edit, manifest, node, run, write
from x07py.arch.project import MANIFEST_PATH
from x07py.arch.repair import apply

LOCK = "arch/contracts.lock.json"
MISMATCH = "E_ARCH_CONTRACTS_LOCK_MISMATCH"
NO_POLICY = "E_ARCH_RR_POLICY_NOT_FOUND"


class Row(NamedTuple):
    """One expectation: what is altered, the codes that come of it beside the lock's, the exit code, and deviations."""

    name: str
    change: Callable[[Path], object]
    codes: list[str]
    exit_code: int = 2
    why: str = ""


def file(name: str, change: Any) -> Callable[[Path], object]:
    return lambda root: edit(root, name, change)


def domains(*gone: str, **changes: Any) -> Callable[[Path], object]:
    """Take domains out of the manifest, or alter their settings."""

    def alter(document: Any) -> None:
        for name in gone:
            del document["contracts_v1"][name]
        for name, settings in changes.items():
            document["contracts_v1"][name].update(settings)

    return file(MANIFEST_PATH, alter)


def both(*changes: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda root: [change(root) for change in changes]


def relayout(root: Path) -> None:
    document = json.loads((root / MSG).read_text())
    (root / MSG).write_text(json.dumps(dict(reversed(document.items())), indent=7))


def relock(root: Path) -> None:
    run(root, write_lock=True)


WAIT = ("limits", "max_poll_wait_ms")
TOPIC = ("topics", 0)
OFF = {"enforce": "off"}
SECTION_14_2 = [
    Row("none", lambda _: None, [], 0),
    Row("contracts lock deleted", lambda root: (root / LOCK).unlink(), ["W_ARCH_CONTRACTS_LOCK_MISSING"], 0),
    Row("a value changed", file(MSG, put(*TOPIC, "max_value_bytes", 5)), [MISMATCH]),
    Row("layout and order of keys only", relayout, [], 0),
    Row("msg index deleted", lambda root: (root / MSG).unlink(), ["E_ARCH_MSG_INDEX_MISSING", MISMATCH]),
    Row("no topics", file(MSG, put("topics", [])), ["E_ARCH_MSG_INDEX_MISSING", MISMATCH]),
    Row("a topic of no bytes", file(MSG, put(*TOPIC, "max_value_bytes", 0)), ["E_ARCH_MSG_INDEX_MISSING", MISMATCH]),
    Row("unknown field", file(MSG, put("x", 1)), ["E_ARCH_MSG_INDEX_MISSING", MISMATCH]),
    Row(
        "version 0.2.0",
        file(MSG, put("schema_version", "x07.arch.msg.index@0.2.0")),
        ["E_ARCH_MSG_INDEX_MISSING", MISMATCH],
    ),
    Row(
        "two topics of one id",
        file(MSG, lambda it: it["topics"].append(it["topics"][0])),
        ["E_ARCH_CONTRACT_DUPLICATE_ID", MISMATCH],
        why="the reference takes either; which one a program gets is then chance",
    ),
    Row("rr removed", domains("rr"), [NO_POLICY, MISMATCH]),
    Row(
        "budgets removed",
        domains("budgets"),
        ["E_ARCH_MSG_AMQP_BUDGET_MISSING", "E_ARCH_MSG_KAFKA_BUDGET_MISSING", MISMATCH],
    ),
    Row(
        "kafka warns",
        both(domains(msg_kafka={"enforce": "warn"}), file(KAFKA_PROFILE, put(*WAIT, 60001)), relock),
        ["E_ARCH_MSG_KAFKA_PROFILE_INVALID"],
        0,
    ),
    Row(
        "kafka off, unknown policy",
        both(domains(msg_kafka=OFF), file(KAFKA, put("profiles", 0, "rr_policy_id", "x"))),
        [NO_POLICY, MISMATCH],
    ),
    Row(
        "profile id differs from the index",
        file(KAFKA_PROFILE, put("id", "x")),
        ["E_ARCH_CONTRACT_ID_MISMATCH", MISMATCH],
        why="the reference says nothing, and looks profiles up by either",
    ),
    Row(
        "plain_v1 without secret ids",
        file(KAFKA_PROFILE, put("security", {"sasl_mode": "plain_v1", "tls": True})),
        ["E_ARCH_MSG_KAFKA_SECRET_MISSING", MISMATCH],
        why="the reference says nothing; a connection would fail",
    ),
    Row(
        "a password in bootstrap",
        file(KAFKA_PROFILE, put("bootstrap", ["user:pw@host:9092"])),
        ["E_ARCH_MSG_KAFKA_BOOTSTRAP", "E_ARCH_SECRET_IN_CONTRACT", MISMATCH],
        why="the reference says nothing, though its guide forbids it",
    ),
    Row(
        "binding to an undeclared queue",
        file(TOPOLOGY, put("bindings", 0, "queue", "x08")),
        ["E_ARCH_MSG_AMQP_BINDING", MISMATCH],
        why="the reference says nothing; the broker would refuse it",
    ),
    Row("port 0", file(AMQP_PROFILE, put("port", 0)), ["E_ARCH_MSG_AMQP_PROFILE_INVALID", MISMATCH]),
    Row("no topologies", file(AMQP, put("topologies", [])), ["E_ARCH_MSG_AMQP_INDEX_MISSING", MISMATCH]),
    Row(
        "a budget outside of the project",
        file(BUDGETS, put("profiles", 0, "profile_path", "../x")),
        ["E_ARCH_BUDGETS_INDEX_SCHEMA_INVALID", MISMATCH],
        why="the reference opens the file all the same; here what refers to it is not judged",
    ),
    Row(
        "budgets of one id",
        file(BUDGETS, lambda it: it["profiles"].append(it["profiles"][0])),
        ["E_ARCH_CONTRACT_DUPLICATE_ID", MISMATCH],
        why="the reference says nothing",
    ),
    Row("budgets unsorted", file(BUDGETS, lambda it: it["profiles"].reverse()), [MISMATCH]),
    Row(
        "policies unsorted",
        file(RR, lambda it: it["policies"].append({**it["policies"][0], "id": "a"})),
        ["E_ARCH_RR_INDEX_NOT_SORTED", "E_ARCH_RR_POLICY_ID_MISMATCH", MISMATCH],
    ),
    Row(
        "default modes repeated",
        file(RR, put("defaults", "record_modes_allowed", ["replay_v1", "replay_v1"])),
        ["E_ARCH_RR_INDEX_DEFAULTS_DUP", MISMATCH],
    ),
    Row(
        "kind rr missing",
        file(RR, put("policies", 0, "kinds_allowed", ["http"])),
        ["E_ARCH_RR_OP_KIND_NOT_ALLOWED", MISMATCH],
    ),
    Row(
        "an operation of no kind",
        file(RR, put("policies", 0, "ops_allowed", ["std.db.x"])),
        ["E_ARCH_RR_OP_KIND_UNKNOWN", MISMATCH],
    ),
    Row(
        "record by default, and no defaults",
        both(file(RR, lambda it: it.pop("defaults")), file(POLICY, put("mode_default", "record_v1"))),
        ["E_ARCH_RR_POLICY_MODE_NOT_ALLOWED", MISMATCH],
    ),
    Row(
        "rr index of another version",
        file(RR, put("schema_version", "x07.arch.rr.index@0.0.1")),
        ["E_ARCH_RR_INDEX_SCHEMA_VERSION", MISMATCH],
        why="the reference says it twice and goes on; here it is said once, and what refers to it is not judged",
    ),
    Row(
        "one contract file at most",
        file(
            MANIFEST_PATH,
            put("tool_budgets", "contracts_budgets", {"max_contract_files": 1, "max_contract_bytes": 9**9}),
        ),
        ["E_ARCH_TOOL_BUDGET_EXCEEDED", MISMATCH],
        4,
        why="the budget is reported once, not for each file",
    ),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's contracts without nodes, the contracts locked and the manifest not."""
    root = contracts_project(tmp_path_factory.mktemp("base"))
    (root / "arch/manifest.lock.json").unlink()
    return root


@pytest.mark.parametrize("row", SECTION_14_2, ids=lambda row: row.name)
def test_contracts(row: Row, base: Path, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    row.change(tmp_path)
    report = run(tmp_path)
    assert (codes(report), report.exit_code) == (sorted(row.codes), row.exit_code)
    if row.exit_code == 0:
        assert {finding.severity for finding in report.findings} <= {"warning"}


def module(name: str, *imports: str, body: Any = 0, **more: Any) -> str:
    """An x07AST module with one exported function from bytes to bytes."""
    function = {"kind": "defn", "name": f"{name}.f", "params": [], "result": "i32", "body": body, **more}
    decls = [{"kind": "export", "names": [f"{name}.f"]}, function]
    return json.dumps({"kind": "module", "module_id": name, "imports": imports, "decls": decls})


STD = {"allowed_import_prefixes": ["app.", "std.", "ext."], "allowed_exact": []}
CORE = node("core", "solve-pure", visibility={"mode": "restricted", "visible_to": []})
ALLOWLIST = {
    **manifest()["checks"],
    "allowlist_mode": {"enabled": True, "default_allow_external": True, "default_allow_internal": False},
}
RECORDED = {**CONTRACTS, "rr": {**CONTRACTS["rr"], "require_policy_for_os_calls": True}}
PUBLISH = ["std.msg.kafka.publish_env_v1", 0]


def policy(name: str, body: Any) -> list[Any]:
    return ["std.rr.with_policy_v1", ["bytes.lit", name], ["bytes.lit", "c"], 2, body]


def os_node(body: Any, *nodes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    checks = {**manifest()["checks"], "deny_orphans": False}
    return manifest(*nodes, checks=checks, contracts_v1=RECORDED), {"a.x07.json": module("a", body=body)}


SECTION_14_1: dict[str, tuple[dict[str, Any], dict[str, str], list[str], int, str]] = {
    "pass_minimal": (
        manifest(CORE, externals={**STD, "allowed_import_prefixes": ["std."]}),
        {"core.x07.json": module("core", "std.vec")},
        [],
        0,
        "",
    ),
    "orphan_module": (
        manifest(node("a")),
        {"a.x07.json": module("a"), "b.x07.json": module("b")},
        ["E_ARCH_NODE_ORPHAN_MODULE"],
        2,
        "",
    ),
    "external_import_not_allowed": (
        manifest(node("a"), externals={"allowed_import_prefixes": [], "allowed_exact": []}),
        {"a.x07.json": module("a", "thirdparty.hyper")},
        ["E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED"],
        2,
        "",
    ),
    "external_import_names_that_nothing_uses": (
        manifest(node("a"), externals=STD),
        {"a.x07.json": module("a", "std.vec")},
        ["E_ARCH_ALLOWED_UNUSED"],
        2,
        "the reference says nothing of rules that match nothing",
    ),
    "allowlist_mode": (
        manifest(node("a"), node("b"), checks=ALLOWLIST),
        {"a.x07.json": module("a", "b"), "b.x07.json": module("b")},
        ["E_ARCH_EDGE_NOT_ALLOWED"],
        2,
        "",
    ),
    "smoke_entry_missing": (
        manifest(node("a", contracts={"smoke_entry": "a.g"})),
        {"a.x07.json": module("a")},
        ["E_ARCH_SMOKE_MISSING"],
        2,
        "",
    ),
    "public_bytes_unbranded": (
        manifest(node("a")),
        {"a.x07.json": module("a", params=[{"name": "x", "ty": "bytes"}], result="bytes")},
        ["E_ARCH_PUBLIC_BYTES_UNBRANDED"],
        2,
        "",
    ),
    "world_of_imported_forbidden": (
        manifest(node("core", "solve-pure"), node("os")),
        {"core.x07.json": module("core", "os"), "os.x07.json": module("os")},
        ["E_ARCH_WORLD_EDGE_FORBIDDEN"],
        2,
        "",
    ),
    "operation outside of a scope": (*os_node(PUBLISH, node("a")), ["E_ARCH_RR_POLICY_REQUIRED"], 2, ""),
    "operation outside of a scope, no node": (*os_node(PUBLISH), [], 0, ""),
    "operation in a scope": (*os_node(policy("msg_rr_v1", PUBLISH), node("a")), [], 0, ""),
    "operation that the policy does not list": (
        *os_node(policy("msg_rr_v1", ["std.msg.amqp.connect_from_arch_v1"]), node("a")),
        ["E_ARCH_RR_OP_NOT_ALLOWED"],
        2,
        "",
    ),
    "scope in a world that the policy is not for": (
        *os_node(policy("msg_rr_v1", 0), node("a", "solve-pure")),
        ["E_ARCH_RR_WORLD_VIOLATION"],
        2,
        "",
    ),
}


@pytest.mark.parametrize("name", SECTION_14_1)
def test_modules_of_the_reference(name: str, base: Path, tmp_path: Path) -> None:
    document, modules, expected, exit_code, _ = SECTION_14_1[name]
    if "contracts_v1" in document:
        shutil.copytree(base / "arch", tmp_path / "arch")
    report = run(write(tmp_path, document, modules))
    assert (codes(report), report.exit_code) == (expected, exit_code)


WIDENS = {"orphan_module": False, "external_import_not_allowed": True, "allowlist_mode": True}


@pytest.mark.parametrize("name", WIDENS)
def test_repairs_of_the_reference(name: str, tmp_path: Path) -> None:
    """The reference applies what widens a policy by itself; here that takes a flag of its own."""
    document, modules, *_ = SECTION_14_1[name]
    report = run(write(tmp_path, document, modules))
    [patch] = [patch for patch in report.patches if patch.path == MANIFEST_PATH]
    assert patch.widens is WIDENS[name]
    apply(tmp_path, report.patches)
    assert run(tmp_path).exit_code == 0


def test_rr_repairs_of_the_reference(base: Path, tmp_path: Path) -> None:
    """Unsorted lists and a sanitizer that lacks its fields are mended by what is suggested."""
    shutil.copytree(base, tmp_path, dirs_exist_ok=True)
    sanitizer = "arch/rr/sanitizers/sanitize_auth_v1.sanitize.json"
    domains("msg", "msg_kafka", "msg_amqp")(tmp_path)

    def unsort(index: Any) -> None:
        for name in ("worlds_allowed", "ops_allowed"):
            index["policies"][0][name].reverse()
        index["policies"][0]["kinds_allowed"] = ["rr", "http"]

    edit(tmp_path, RR, unsort)
    kept = ("schema_version", "id")
    edit(tmp_path, sanitizer, lambda it: [it.pop(name) for name in list(it) if name not in kept])
    report = run(tmp_path)
    assert report.exit_code == 2
    assert {patch.path for patch in report.patches} == {RR, sanitizer}
    apply(tmp_path, report.patches)
    relock(tmp_path)
    assert codes(run(tmp_path)) == []
    mended = json.loads((tmp_path / sanitizer).read_text())
    assert (mended["v"], mended["redact_headers"], mended["redact_token"]) == (1, [], "")


def test_two_runs_say_the_same(base: Path) -> None:
    first, second = run(base), run(base)
    assert (first.findings, first.exit_code, first.stats()) == (second.findings, second.exit_code, second.stats())
