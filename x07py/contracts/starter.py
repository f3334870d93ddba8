"""A first set of contracts under ``arch/``, with the example of the documentation as the model for every file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from x07py.contracts.loader import JsonObject

_HERE = Path(__file__).parent
_MODELS = (_HERE / "starter", _HERE.parents[1] / "docs" / "examples" / "contracts_project" / "arch")
"""In a wheel the model is beside this module; in a checkout it is the example."""
RR_POLICY = "msg_rr_v1"
MAX_VALUE_BYTES = 1_048_576
RAW = "std.bytes.raw_v1"
_PROFILE_PATH = {"kafka": "profile_path", "amqp": "path"}


@dataclass(frozen=True, slots=True)
class StarterProfile:
    """A broker profile to write: its document, and the ids of its budget profile and record/replay policy."""

    document: JsonObject
    budget_profile_id: str
    rr_policy_id: str = RR_POLICY


@dataclass(frozen=True, slots=True)
class Starter:
    """What the contracts shall say of messaging.

    Args:
        topics: rows of the topic catalogue.
        kafka: Kafka profiles.
        amqp: AMQP profiles.
        topologies: AMQP topologies; needed where there is an AMQP profile.
        rr_policy_id: the record/replay policy of the topic catalogue.
    """

    topics: tuple[JsonObject, ...]
    kafka: tuple[StarterProfile, ...] = ()
    amqp: tuple[StarterProfile, ...] = ()
    topologies: tuple[StarterProfile, ...] = ()
    rr_policy_id: str = RR_POLICY

    def profiles(self, kind: str) -> tuple[StarterProfile, ...]:
        """Return the profiles of a kind, ``kafka`` or ``amqp``."""
        return self.kafka if kind == "kafka" else self.amqp


@dataclass(slots=True)
class _Model:
    """The example's documents, by path below ``arch``."""

    root: Path = field(default_factory=lambda: next(folder for folder in _MODELS if folder.is_dir()))

    def read(self, path: str) -> JsonObject:
        document: JsonObject = json.loads((self.root / path).read_text(encoding="utf-8"))
        return document


def topic_row(name: str, *, max_value_bytes: int = MAX_VALUE_BYTES) -> JsonObject:
    """Return a row of the topic catalogue with raw keys and values."""
    return {"id": name, "key_brand": RAW, "value_brand": RAW, "max_value_bytes": max_value_bytes}


def starter_profile(kind: str, profile_id: str = "local_dev_v1") -> StarterProfile:
    """Return the profile of a broker on this machine, ``kafka`` or ``amqp``, without credentials in it."""
    document = _Model().read(f"msg/{kind}/profiles/local_dev_v1.{kind}.json")
    return StarterProfile(document | {"id": profile_id}, f"msg_{kind}_v1")


def starter_topology(topology_id: str, queues: Iterable[str]) -> StarterProfile:
    """Return a topology with durable queues and nothing else: the default exchange reaches them by name."""
    document = _Model().read("msg/amqp/topology/app_v1.topology.json")
    rows = [{"name": name, "durable": True} for name in queues]
    return StarterProfile(
        document | {"id": topology_id, "exchanges": [], "bindings": [], "queues": rows}, "msg_amqp_v1"
    )


def contracts_section(starter: Starter) -> JsonObject:
    """Return ``contracts_v1`` of the manifest for these contracts."""
    section: JsonObject = _Model().read("manifest.x07arch.json")["contracts_v1"]
    unused = {f"msg_{kind}" for kind in ("kafka", "amqp") if not starter.profiles(kind)}
    return {name: value for name, value in section.items() if name not in unused}


def starter_contracts(starter: Starter) -> dict[str, JsonObject]:
    """Return the contract documents by path below the project; `x07 arch check` finds nothing in them."""
    model = _Model()
    catalogue = {"rr_policy_id": starter.rr_policy_id, "topics": list(starter.topics)}
    files = {"arch/msg/index.x07msg.json": model.read("msg/index.x07msg.json") | catalogue}
    for kind in ("kafka", "amqp"):
        if starter.profiles(kind):
            files |= _broker(model, kind, starter.profiles(kind), starter.topologies)
    rows = (*starter.kafka, *starter.amqp, *starter.topologies)
    files |= _policies(model, sorted({starter.rr_policy_id, *(row.rr_policy_id for row in rows)}))
    return files | _budgets(model, sorted({"msg_core_v1", *(row.budget_profile_id for row in rows)}))


def _broker(
    model: _Model, kind: str, profiles: tuple[StarterProfile, ...], topologies: tuple[StarterProfile, ...]
) -> dict[str, JsonObject]:
    index_path = f"msg/{kind}/index.x07{kind}.json"
    index = model.read(index_path)
    files: dict[str, JsonObject] = {}

    def listed(row: StarterProfile, path: str, path_key: str) -> JsonObject:
        files[path] = row.document
        return {
            "id": row.document["id"],
            path_key: path,
            "budget_profile_id": row.budget_profile_id,
            "rr_policy_id": row.rr_policy_id,
        }

    index["profiles"] = [
        listed(row, f"arch/msg/{kind}/profiles/{row.document['id']}.{kind}.json", _PROFILE_PATH[kind])
        for row in profiles
    ]
    if kind == "amqp":
        index["topologies"] = [
            listed(row, f"arch/msg/amqp/topology/{row.document['id']}.topology.json", "path") for row in topologies
        ]
    return {f"arch/{index_path}": index, **files}


def _policies(model: _Model, ids: list[str]) -> dict[str, JsonObject]:
    """Return the policies under `ids`, all with what the example's policy says."""
    index = model.read("rr/index.x07rr.json")
    entry = index["policies"][0]
    document = model.read(f"rr/policies/{RR_POLICY}.policy.json")
    paths = {name: f"arch/rr/policies/{name}.policy.json" for name in ids}
    index["policies"] = [entry | {"id": name, "policy_path": path} for name, path in paths.items()]
    files = {"arch/rr/index.x07rr.json": index}
    files |= {path: document | {"id": name} for name, path in paths.items()}
    sanitizer: str = entry["sanitize_path"]
    return files | {sanitizer: model.read(sanitizer.removeprefix("arch/"))}


def _budgets(model: _Model, ids: list[str]) -> dict[str, JsonObject]:
    """Return the budget profiles under `ids`; an unknown one is like the core profile."""
    index = model.read("budgets/index.x07budgets.json")
    known = {row["id"]: row for row in index["profiles"]}
    files: dict[str, JsonObject] = {}
    rows = []
    for name in ids:
        row = known.get(name, known["msg_core_v1"])
        document = model.read(row["profile_path"].removeprefix("arch/"))
        path = f"arch/budgets/profiles/{name}.budget.json"
        files[path] = document | {"id": name}
        rows.append(row | {"id": name, "profile_path": path})
    return {"arch/budgets/index.x07budgets.json": index | {"profiles": rows}, **files}
