"""What contracts leave out is the same wherever they are read, and what they name has to be there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, edit, run
from tests.support.project import EXAMPLE
from x07py.arch.manifest import read_manifest
from x07py.arch.repair import apply
from x07py.contracts.budgets import read_budget
from x07py.contracts.messaging import read_topics
from x07py.contracts.rr import only_policy_id, read_rr_policy
from x07py.contracts.schemas import load_schema
from x07py.drivers import amqp_contract, kafka_contract
from x07py.errors import ContractError

KAFKA = "arch/msg/kafka/index.x07kafka.json"
MANIFEST, INDEX = "arch/manifest.x07arch.json", "arch/msg/index.x07msg.json"
SHORT: dict[str, Any] = {
    MANIFEST: {
        "$schema": "../.x07/schemas/x07py.arch.manifest.schema.json",
        "schema_version": "x07py.arch.manifest@0.1.0",
        "repo": {"id": "t"},
        "nodes": [{"id": "a", "match": {"module_prefixes": ["a"]}, "world": "run-os"}],
        "contracts_v1": {"msg": {}},
    },
    INDEX: {
        "schema_version": "x07py.arch.msg.index@0.1.0",
        "topics": [{"id": "orders"}],
        "kafka": [{"id": "local_dev_v1", "bootstrap": ["127.0.0.1:9092"], "security": {"tls": False}}],
        "amqp": [{"id": "local_dev_v1", "host": "127.0.0.1"}],
        "topologies": [{"id": "app_v1", "queues": [{"name": "orders"}]}],
    },
}


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """A locked project that says no more than it has to."""
    (tmp_path / "arch/msg").mkdir(parents=True)
    (tmp_path / "a.py").write_text("")
    for name, document in SHORT.items():
        (tmp_path / name).write_text(json.dumps(document))
    assert codes(run(tmp_path, write_lock=True)) == []
    return tmp_path


def test_what_is_built_in_is_what_the_example_says(short: Path) -> None:
    assert only_policy_id(short) == "msg_rr_v1"
    assert read_rr_policy(short, "msg_rr_v1") == read_rr_policy(EXAMPLE, "msg_rr_v1")
    for name in ("msg_core_v1", "msg_kafka_v1", "msg_amqp_v1"):
        assert read_budget(short, name, "run-os") == read_budget(EXAMPLE, name, "run-os")
    for reader in (kafka_contract, amqp_contract):
        assert reader.profile_ids(short) == reader.profile_ids(EXAMPLE) == ["local_dev_v1"]
    assert kafka_contract.read_profile(short, "local_dev_v1") == kafka_contract.read_profile(EXAMPLE, "local_dev_v1")
    amqp, full = amqp_contract.read_profile(short, "local_dev_v1"), amqp_contract.read_profile(EXAMPLE, "local_dev_v1")
    for name in ("host", "port", "vhost", "max_body_bytes", "prefetch_count", "max_poll_items", "budget_profile_id"):
        assert getattr(amqp, name) == getattr(full, name)
    assert amqp_contract.read_topology(short, "app_v1")["bindings"] == []
    (topic,) = read_topics(short).values()
    assert topic.key_brand == topic.value_brand == "std.bytes.raw_v1"
    assert topic.max_value_bytes == 2**20
    found = read_manifest(short, MANIFEST, [])
    assert found is not None
    assert found.nodes[0].public
    assert found.checks("enforce_world_caps")


def test_what_is_named_has_to_be_there(short: Path) -> None:
    edit(short, INDEX, lambda index: index["kafka"][0].update(budget_profile_id="mine", rr_policy_id="other"))
    assert {"E_ARCH_MSG_KAFKA_BUDGET_MISSING", "E_ARCH_RR_POLICY_NOT_FOUND"} <= set(codes(run(short)))
    with pytest.raises(ContractError, match="does not exist"):
        read_budget(short, "mine", "run-os")
    with pytest.raises(ContractError, match="other"):
        read_rr_policy(short, "other")


def test_a_project_with_an_index_has_only_what_it_lists(short: Path) -> None:
    (short / "arch/rr").mkdir()
    policies = {"schema_version": "x07py.arch.rr.index@0.1.0", "policies": [{"id": "mine"}]}
    (short / "arch/rr/index.x07rr.json").write_text(json.dumps(policies))
    edit(short, MANIFEST, lambda manifest: manifest["contracts_v1"].update(rr={}))
    assert "E_ARCH_RR_POLICY_NOT_FOUND" in codes(run(short))
    edit(short, INDEX, lambda index: index.update(rr_policy_id="mine"))
    assert codes(run(short, write_lock=True)) == []
    assert read_rr_policy(short, "mine").ops_allowed == read_rr_policy(EXAMPLE, "msg_rr_v1").ops_allowed
    assert kafka_contract.read_profile(short, "local_dev_v1").rr_policy_id == "mine"


def test_a_profile_stands_in_one_place(short: Path) -> None:
    (short / "arch/msg/kafka/profiles").mkdir(parents=True)
    for name in ("index.x07kafka.json", "profiles/local_dev_v1.kafka.json"):
        (short / "arch/msg/kafka" / name).write_bytes((EXAMPLE / "arch/msg/kafka" / name).read_bytes())
    edit(short, MANIFEST, lambda manifest: manifest["contracts_v1"].update(msg_kafka={"index_path": KAFKA}))
    assert "E_ARCH_CONTRACT_DUPLICATE_ID" in codes(run(short))


def test_one_lock_pins_the_manifest_and_the_contracts(short: Path) -> None:
    assert not (short / "arch/manifest.lock.json").exists()
    edit(short, MANIFEST, lambda manifest: manifest["repo"].update(id="u"))
    (row,) = run(short).findings
    assert (row.code, row.notes) == ("E_ARCH_CONTRACTS_LOCK_MISMATCH", (f"{MANIFEST} changed",))


def test_a_repair_makes_what_the_manifest_leaves_out(short: Path) -> None:
    (short / "a.py").write_text("import yaml\n")
    before = run(short)
    assert codes(before) == ["E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED"]
    apply(short, before.patches)
    assert codes(run(short, write_lock=True)) == []
    assert json.loads((short / MANIFEST).read_text())["externals"] == {"allowed_exact": ["yaml"]}


def test_the_formats_of_the_reference_say_everything(short: Path) -> None:
    edit(short, MANIFEST, lambda manifest: manifest.update(schema_version="x07.arch.manifest@0.3.0"))
    assert codes(run(short)) == ["E_ARCH_MANIFEST_SCHEMA_INVALID"]
    edit(short, MANIFEST, lambda manifest: manifest.update(schema_version="x07py.arch.manifest@0.1.0"))
    edit(short, INDEX, lambda index: index.update(schema_version="x07.arch.msg.index@0.1.0"))
    assert "E_ARCH_MSG_INDEX_MISSING" in codes(run(short))
    with pytest.raises(ContractError, match="max_value_bytes"):
        read_topics(short)


@pytest.mark.parametrize(
    ("place", "schema"),
    [("kafka", "msg.kafka.profile"), ("amqp", "msg.amqp.profile"), ("topologies", "msg.amqp.topology")],
)
def test_what_stands_beside_the_topics_has_the_fields_of_its_file(place: str, schema: str) -> None:
    """`.ci/beside_topics.py` makes them the same."""
    inline = load_schema("x07py.arch.msg.index")["properties"][place]["items"]["properties"]
    own = load_schema(f"x07py.arch.{schema}")["properties"]
    ids = {"budget_profile_id", "rr_policy_id"}
    assert {name: inline[name] for name in inline.keys() - ids} == {
        name: own[name] for name in own.keys() - {"$schema", "schema_version", "v"}
    }
