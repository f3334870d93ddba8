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


CHANGES: list[tuple[str, Any, str]] = [
    (RR, again("policies"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
    (RR, put("policies", 0, "policy_path", "arch/none.json"), "E_ARCH_RR_POLICY_READ"),
    (RR, put("policies", 0, "sanitize_path", "arch/none.json"), "E_ARCH_RR_SANITIZER_READ"),
    (POLICY, put("budgets", "max_req_bytes", 10), "E_ARCH_MSG_SIZE"),
    (BUDGETS, put("profiles", 0, "profile_path", "../x"), "E_ARCH_BUDGETS_INDEX_SCHEMA_INVALID"),
    (BUDGETS, again("profiles"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
    (KAFKA_PROFILE, put("bootstrap", ["localhost"]), "E_ARCH_MSG_KAFKA_BOOTSTRAP"),
    (KAFKA_PROFILE, put("id", "other"), "E_ARCH_CONTRACT_ID_MISMATCH"),
    (TOPOLOGY, again("queues"), "E_ARCH_CONTRACT_DUPLICATE_ID"),
]
"""Further ways to raise codes that test_every_code has a row for."""


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


WIDER = [
    (KAFKA_PROFILE, "kafka.profile", ("client_settings", {"linger.ms": 20})),
    (AMQP_PROFILE, "amqp.profile", ("failover", ["localhost:5673"])),
    (TOPOLOGY, "amqp.topology", ("queues", 0, "arguments", {"x-max-length": 9})),
]


@pytest.mark.parametrize(("path", "kind", "change"), WIDER)
def test_a_field_that_the_reference_lacks_needs_a_schema_of_x07py(
    path: str, kind: str, change: tuple[object, ...], tmp_path: Path
) -> None:
    root = contracts_project(tmp_path)
    edit(root, path, put(*change))
    (row,) = [row for row in run(root, write_lock=True).findings if row.severity == "error"]
    version = f"x07py.arch.msg.{kind}@0.1.0"
    assert str(row.hint) == f"the reference does not have this; write schema_version {version!r} to use it"
    edit(root, path, put("schema_version", version))
    assert codes(run(root, write_lock=True)) == []
