"""Contract domains: every code with a change that triggers it; the untouched example is the near-miss of all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.arch.trees import CONTRACTS, codes, contracts_project, edit, manifest, run, write
from x07py.arch.manifest import MANIFEST_PATH

RR = "arch/rr/index.x07rr.json"
POLICY = "arch/rr/policies/msg_rr_v1.policy.json"
SANITIZER = "arch/rr/sanitizers/sanitize_auth_v1.sanitize.json"
BUDGETS = "arch/budgets/index.x07budgets.json"
BUDGET = "arch/budgets/profiles/msg_core_v1.budget.json"
MSG = "arch/msg/index.x07msg.json"
KAFKA = "arch/msg/kafka/index.x07kafka.json"
KAFKA_PROFILE = "arch/msg/kafka/profiles/local_dev_v1.kafka.json"
AMQP = "arch/msg/amqp/index.x07amqp.json"
AMQP_PROFILE = "arch/msg/amqp/profiles/local_dev_v1.amqp.json"
TOPOLOGY = "arch/msg/amqp/topology/app_v1.topology.json"
MISMATCH = "E_ARCH_CONTRACTS_LOCK_MISMATCH"


def put(*keys: Any) -> Any:
    """A change that sets the value (the last argument) at a path of keys."""

    def change(document: Any) -> None:
        *path, last, value = keys
        for key in path:
            document = document[key]
        document[last] = value

    return change


def again(name: str) -> Any:
    """A change that repeats the first entry of a list."""
    return lambda document: document[name].append(dict(document[name][0]))


def secret(document: Any) -> None:
    document["security"] = {"sasl_mode": "scram_v1", "username_secret_id": "u", "password_secret_id": ""}


CHANGES: list[tuple[str, Any, str]] = [
    (RR, put("schema_version", "x07.arch.rr.index@0.0.1"), "E_ARCH_RR_INDEX_SCHEMA_VERSION"),
    (RR, put("extra", 1), "E_ARCH_RR_INDEX_SCHEMA_INVALID"),
    (RR, put("defaults", "record_modes_allowed", ["replay_v1", "off"]), "E_ARCH_RR_INDEX_DEFAULTS_NOT_SORTED"),
    (RR, put("defaults", "record_modes_allowed", ["replay_v1"] * 2), "E_ARCH_RR_INDEX_DEFAULTS_DUP"),
    (RR, lambda d: d["policies"].append({**d["policies"][0], "id": "a"}), "E_ARCH_RR_INDEX_NOT_SORTED"),
    (RR, again("policies"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
    (RR, put("policies", 0, "cassette_brand", "x"), "E_ARCH_RR_CASSETTE_BRAND_UNSUPPORTED"),
    (RR, put("policies", 0, "worlds_allowed", ["solve-rr", "run-os"]), "E_ARCH_RR_POLICY_WORLDS_NOT_SORTED"),
    (RR, put("policies", 0, "kinds_allowed", ["rr", "http"]), "E_ARCH_RR_POLICY_KINDS_NOT_SORTED"),
    (RR, put("policies", 0, "ops_allowed", ["std.rr.b", "std.rr.a"]), "E_ARCH_RR_POLICY_OPS_NOT_SORTED"),
    (RR, put("policies", 0, "ops_allowed", ["std.db.x"]), "E_ARCH_RR_OP_KIND_UNKNOWN"),
    (RR, put("policies", 0, "kinds_allowed", ["http"]), "E_ARCH_RR_OP_KIND_NOT_ALLOWED"),
    (RR, put("policies", 0, "policy_path", "arch/none.json"), "E_ARCH_RR_POLICY_READ"),
    (RR, put("policies", 0, "sanitize_path", "arch/none.json"), "E_ARCH_RR_SANITIZER_READ"),
    (POLICY, put("schema_version", 1), "E_ARCH_RR_POLICY_SCHEMA_VERSION"),
    (POLICY, put("v", 0), "E_ARCH_RR_POLICY_SCHEMA_INVALID"),
    (POLICY, put("id", "x"), "E_ARCH_RR_POLICY_ID_MISMATCH"),
    (POLICY, put("mode_default", "off"), "E_ARCH_RR_POLICY_MODE_NOT_ALLOWED"),
    (POLICY, put("budgets", "max_req_bytes", 10), "E_ARCH_MSG_SIZE"),
    (SANITIZER, put("schema_version", "x07.arch.rr.sanitizer@0.1.0"), "E_ARCH_RR_SANITIZER_SCHEMA_VERSION"),
    (SANITIZER, put("redact_token", 1), "E_ARCH_RR_SANITIZER_SCHEMA_INVALID"),
    (SANITIZER, put("id", "x"), "E_ARCH_RR_SANITIZER_ID_MISMATCH"),
    (SANITIZER, put("redact_headers", []), "E_ARCH_SANITIZER_REQUIRED"),
    (BUDGETS, put("schema_version", "x"), "E_ARCH_BUDGETS_INDEX_SCHEMA_VERSION"),
    (BUDGETS, put("profiles", 0, "profile_path", "../x"), "E_ARCH_BUDGETS_INDEX_SCHEMA_INVALID"),
    (BUDGETS, put("profiles", 0, "profile_path", "arch/none.json"), "E_ARCH_BUDGET_PROFILE_READ"),
    (BUDGETS, again("profiles"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
    (BUDGET, put("schema_version", "x"), "E_ARCH_BUDGET_PROFILE_SCHEMA_VERSION"),
    (BUDGET, put("cfg", "fuel", -1), "E_ARCH_BUDGET_PROFILE_SCHEMA_INVALID"),
    (BUDGET, put("id", "other"), "E_ARCH_CONTRACT_ID_MISMATCH"),
    (MSG, put("topics", []), "E_ARCH_MSG_INDEX_MISSING"),
    (MSG, put("topics", 0, "max_value_bytes", 0), "E_ARCH_MSG_INDEX_MISSING"),
    (MSG, put("topics", 0, "max_value_bytes", 2_000_000), "E_ARCH_MSG_SIZE"),
    (MSG, again("topics"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
    (MSG, put("rr_policy_id", "msg_rr_v2"), "E_ARCH_RR_POLICY_NOT_FOUND"),
    (KAFKA, put("profiles", []), "E_ARCH_MSG_KAFKA_INDEX_MISSING"),
    (KAFKA, put("profiles", 0, "budget_profile_id", "msg_kafka_v2"), "E_ARCH_MSG_KAFKA_BUDGET_MISSING"),
    (KAFKA_PROFILE, put("limits", "max_poll_wait_ms", 60001), "E_ARCH_MSG_KAFKA_PROFILE_INVALID"),
    (KAFKA_PROFILE, put("bootstrap", ["localhost"]), "E_ARCH_MSG_KAFKA_BOOTSTRAP"),
    (KAFKA_PROFILE, put("bootstrap", ["localhost:70000"]), "E_ARCH_MSG_KAFKA_BOOTSTRAP"),
    (KAFKA_PROFILE, put("bootstrap", ["user:word@localhost:9092"]), "E_ARCH_SECRET_IN_CONTRACT"),
    (KAFKA_PROFILE, secret, "E_ARCH_MSG_KAFKA_SECRET_MISSING"),
    (KAFKA_PROFILE, put("id", "other"), "E_ARCH_CONTRACT_ID_MISMATCH"),
    (AMQP, put("topologies", []), "E_ARCH_MSG_AMQP_INDEX_MISSING"),
    (AMQP, put("topologies", 0, "budget_profile_id", "x"), "E_ARCH_MSG_AMQP_BUDGET_MISSING"),
    (AMQP_PROFILE, put("port", 0), "E_ARCH_MSG_AMQP_PROFILE_INVALID"),
    (TOPOLOGY, put("exchanges", 0, "type", "x"), "E_ARCH_MSG_AMQP_TOPOLOGY_INVALID"),
    (TOPOLOGY, put("bindings", 0, "queue", "x08"), "E_ARCH_MSG_AMQP_BINDING"),
    (TOPOLOGY, again("queues"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
]


@pytest.mark.parametrize(("name", "change", "code"), CHANGES, ids=[f"{n}-{c}" for n, _, c in CHANGES])
def test_a_change_is_found(name: str, change: Any, code: str, tmp_path: Path) -> None:
    contracts_project(tmp_path)
    edit(tmp_path, name, change)
    report = run(tmp_path)
    assert {code, MISMATCH} <= set(codes(report))
    assert report.exit_code == 2
    assert all(row.hint for row in report.findings)
    locked = (tmp_path / "arch/contracts.lock.json").read_bytes()
    assert "W_ARCH_LOCK_NOT_WRITTEN" in codes(run(tmp_path, write_lock=True))
    assert (tmp_path / "arch/contracts.lock.json").read_bytes() == locked


@pytest.mark.parametrize(
    ("name", "missing", "broken"),
    [
        (RR, "E_ARCH_RR_INDEX_READ", "E_ARCH_RR_INDEX_JSON_PARSE"),
        (POLICY, "E_ARCH_RR_POLICY_READ", "E_ARCH_RR_POLICY_JSON_PARSE"),
        (SANITIZER, "E_ARCH_RR_SANITIZER_READ", "E_ARCH_RR_SANITIZER_JSON_PARSE"),
        (BUDGETS, "E_ARCH_BUDGETS_INDEX_READ", "E_ARCH_BUDGETS_INDEX_JSON_PARSE"),
        (BUDGET, "E_ARCH_BUDGET_PROFILE_READ", "E_ARCH_BUDGET_PROFILE_JSON_PARSE"),
        (MSG, "E_ARCH_MSG_INDEX_MISSING", "E_ARCH_MSG_INDEX_MISSING"),
    ],
)
def test_a_file_that_is_not_there_or_not_json(name: str, missing: str, broken: str, tmp_path: Path) -> None:
    contracts_project(tmp_path)
    (tmp_path / name).unlink()
    assert missing in codes(run(tmp_path))
    (tmp_path / name).write_text('{"id": 1, "id": 2}')
    assert broken in codes(run(tmp_path))
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert broken in codes(run(tmp_path))


def test_a_link_out_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    contracts_project(tmp_path / "p")
    (tmp_path / "out.json").write_bytes((tmp_path / "p" / BUDGET).read_bytes())
    (tmp_path / "p" / BUDGET).unlink()
    (tmp_path / "p" / BUDGET).symlink_to(tmp_path / "out.json")
    assert "E_ARCH_CONTRACT_PATH" in codes(run(tmp_path / "p"))


def test_layout_does_not_count_and_values_do(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    document = json.loads((tmp_path / MSG).read_text())
    (tmp_path / MSG).write_text(json.dumps(dict(reversed(document.items())), indent=7))
    assert codes(run(tmp_path)) == []
    edit(tmp_path, MSG, put("topics", 0, "max_value_bytes", 5))
    row = run(tmp_path).findings[0]
    assert (row.code, row.notes) == (MISMATCH, (f"{MSG} changed",))


def test_the_contracts_lock(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    lock = tmp_path / "arch/contracts.lock.json"
    lock.write_text("{")
    assert codes(run(tmp_path)) == ["E_ARCH_CONTRACTS_LOCK_JSON_PARSE"]
    lock.write_text("{}")
    assert codes(run(tmp_path)) == ["E_ARCH_CONTRACTS_LOCK_SCHEMA_VERSION"]
    lock.write_text('{"schema_version": "x07.arch.contracts.lock@0.1.0"}')
    assert codes(run(tmp_path)) == ["E_ARCH_CONTRACTS_LOCK_SCHEMA_INVALID"]
    lock.unlink()
    report = run(tmp_path)
    assert (codes(report), report.exit_code) == (["W_ARCH_CONTRACTS_LOCK_MISSING"], 0)


def without(name: str) -> dict[str, Any]:
    return manifest(contracts_v1={key: value for key, value in CONTRACTS.items() if key != name})


def test_references_need_their_domain(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    write(tmp_path, without("rr"))
    found = [row.code for row in run(tmp_path).findings]
    assert found.count("E_ARCH_RR_POLICY_NOT_FOUND") == 4
    write(tmp_path, without("budgets"))
    found = [row.code for row in run(tmp_path).findings]
    assert found.count("E_ARCH_MSG_KAFKA_BUDGET_MISSING") == 1
    assert found.count("E_ARCH_MSG_AMQP_BUDGET_MISSING") == 2


def test_the_hint_names_the_nearest_budget_and_what_to_copy(tmp_path: Path) -> None:
    contracts_project(tmp_path)
    edit(tmp_path, KAFKA, put("profiles", 0, "budget_profile_id", "msg_kafka_v2"))
    row = next(row for row in run(tmp_path).findings if row.code == "E_ARCH_MSG_KAFKA_BUDGET_MISSING")
    for part in ("'msg_kafka_v1'", BUDGETS, "docs/examples/contracts_project/arch/budgets"):
        assert part in (row.hint or "")


def test_enforce(tmp_path: Path) -> None:
    warn = {"index_path": KAFKA, "enforce": "warn"}
    contracts_project(tmp_path, msg_kafka=warn)
    edit(tmp_path, KAFKA_PROFILE, put("limits", "max_poll_wait_ms", 60001))
    shutil.copy(tmp_path / "arch/contracts.lock.json", tmp_path / "kept")
    assert codes(run(tmp_path, write_lock=True)) == ["E_ARCH_MSG_KAFKA_PROFILE_INVALID"]
    report = run(tmp_path)
    assert (report.findings[0].severity, report.exit_code) == ("warning", 0)
    write(tmp_path, manifest(contracts_v1={**CONTRACTS, "msg_kafka": {**warn, "enforce": "off"}}))
    edit(tmp_path, KAFKA, put("profiles", 0, "rr_policy_id", "x"))
    assert "E_ARCH_RR_POLICY_NOT_FOUND" in codes(run(tmp_path))
    assert "E_ARCH_MSG_KAFKA_PROFILE_INVALID" not in codes(run(tmp_path))


def test_folders(tmp_path: Path) -> None:
    config = {name: {**CONTRACTS[name], "gen_dir": "none"} for name in ("rr", "budgets")}
    write(tmp_path, manifest(contracts_v1={"canonical_json": CONTRACTS["canonical_json"], **config}))
    wanted = {f"E_ARCH_{area}_{kind}" for area in ("RR", "BUDGETS") for kind in ("DIR_MISSING", "GEN_DIR_MISSING")}
    assert wanted <= set(codes(run(tmp_path)))


def test_what_is_not_checked_is_said(tmp_path: Path) -> None:
    extra = {"web": {"index_path": "arch/web.json", "enforce": "error"}}
    contracts_project(tmp_path)
    write(tmp_path, manifest(contracts_v1={**CONTRACTS, **extra}))
    assert codes(run(tmp_path, write_lock=True)) == ["W_ARCH_CONTRACT_DOMAIN_UNCHECKED"]


@pytest.mark.parametrize("limit", [{"max_contract_files": 1}, {"max_contract_bytes": 1}])
def test_contract_budget(limit: dict[str, int], tmp_path: Path) -> None:
    contracts_project(tmp_path)
    edit(
        tmp_path,
        "arch/manifest.x07arch.json",
        put("tool_budgets", "contracts_budgets", {"max_contract_files": 99, "max_contract_bytes": 10**9, **limit}),
    )
    report = run(tmp_path)
    assert ("E_ARCH_TOOL_BUDGET_EXCEEDED" in codes(report), report.exit_code) == (True, 4)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), name=st.sampled_from([RR, POLICY, SANITIZER, BUDGETS, BUDGET, MSG, KAFKA, AMQP, TOPOLOGY]))
def test_any_json_gives_findings(data: st.DataObject, name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = contracts_project(tmp_path_factory.mktemp("p"))
    document = json.loads((root / name).read_text())
    key = data.draw(st.sampled_from([*document, ""]))
    value = data.draw(ANY_JSON)
    (root / name).write_text(json.dumps({**document, key: value} if key else value))
    report = run(root)
    assert report.exit_code in {0, 2}
    assert report.exit_code == 2 or (key and value == document[key])


@pytest.mark.parametrize("domain", ["rr", "budgets"])
def test_the_folders_of_a_domain(tmp_path: Path, domain: str) -> None:
    contracts_project(tmp_path, **{domain: {**CONTRACTS[domain], "gen_dir": f"arch/{domain}"}})
    assert codes(run(tmp_path)) == []
    edit(tmp_path, MANIFEST_PATH, lambda it: it["contracts_v1"][domain].update(gen_dir="gen"))
    run(tmp_path, write_lock=True)
    name = "E_ARCH_RR_GEN_DIR_MISSING" if domain == "rr" else "E_ARCH_BUDGETS_GEN_DIR_MISSING"
    assert name in codes(run(tmp_path))
    shutil.rmtree(tmp_path / "arch" / domain)
    missing = "E_ARCH_RR_DIR_MISSING" if domain == "rr" else "E_ARCH_BUDGETS_DIR_MISSING"
    assert missing in codes(run(tmp_path))
