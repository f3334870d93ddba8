"""A first set of contracts under ``arch/``: what differs from what is built in, and no more.

The documentation's example is the model for profiles and topologies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from x07py.contracts.defaults import CORE_BUDGET, POLICY_ID, built_in_budget, shortest
from x07py.contracts.loader import check_id
from x07py.contracts.profiles import TOPIC_INDEX
from x07py.contracts.schemas import editor_schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from x07py.contracts.loader import JsonObject

_HERE = Path(__file__).parent
_MODELS = (_HERE / "starter", _HERE.parents[1] / "docs" / "examples" / "contracts_project" / "arch")
"""In a wheel the model is beside this module; in a checkout it is the example."""
_TOPICS, _POLICIES = "x07py.arch.msg.index", "x07py.arch.rr.index"


@dataclass(frozen=True, slots=True)
class StarterProfile:
    """A broker profile or topology to write: its document, and the ids of its budget profile and record/replay policy.

    An empty id stands for what is built in.
    """

    document: JsonObject
    budget_profile_id: str = ""
    rr_policy_id: str = ""


@dataclass(frozen=True, slots=True)
class Starter:
    """What the contracts shall say of messaging.

    Args:
        topics: rows of the topic catalogue.
        profiles: broker profiles by kind.
        topologies: those of the kind whose contracts have topologies.
        rr_policy_id: the record/replay policy of the topic catalogue.
        schemas: JSON Schemas of messages that topics name, by path below the project.
    """

    topics: tuple[JsonObject, ...]
    profiles: Mapping[str, tuple[StarterProfile, ...]] = field(default_factory=dict)
    topologies: tuple[StarterProfile, ...] = ()
    rr_policy_id: str = POLICY_ID
    schemas: Mapping[str, JsonObject] = field(default_factory=dict)

    def kinds(self) -> list[str]:
        """Return the kinds that there are profiles of, sorted."""
        return sorted(kind for kind, rows in self.profiles.items() if rows)

    def listed(self) -> list[StarterProfile]:
        """Return all that an index lists: profiles and topologies."""
        return [*(row for rows in self.profiles.values() for row in rows), *self.topologies]


@dataclass(slots=True)
class _Model:
    """The example's documents, by path below ``arch``."""

    root: Path = field(default_factory=lambda: next(folder for folder in _MODELS if folder.is_dir()))

    def read(self, path: str) -> JsonObject:
        document: JsonObject = json.loads((self.root / path).read_text(encoding="utf-8"))
        return document


def topic_row(name: str) -> JsonObject:
    """Return a row of the topic catalogue with raw keys and values."""
    return {"id": name}


def starter_profile(kind: str, profile_id: str = "local_dev_v1") -> StarterProfile:
    """Return the profile of a broker on this machine, without credentials in it; of a kind that the example has."""
    document = _Model().read(f"msg/{kind}/profiles/local_dev_v1.{kind}.json")
    return StarterProfile(document | {"id": profile_id})


def starter_topology(kind: str, topology_id: str, queues: Mapping[str, bool]) -> StarterProfile:
    """Return a topology with queues, by name whether they are durable, and nothing else.

    The default exchange reaches them by name.
    """
    document = _Model().read(f"msg/{kind}/topology/app_v1.topology.json")
    rows = [{"name": name, "durable": durable} for name, durable in queues.items()]
    return StarterProfile(document | {"id": topology_id, "exchanges": [], "bindings": [], "queues": rows})


def contracts_section(starter: Starter) -> JsonObject:
    """Return ``contracts_v1`` of the manifest for these contracts."""
    section: JsonObject = {"msg": {}}
    section |= {"rr": {}} if _named_policies(starter) else {}
    return section | ({"budgets": {}} if _named_budgets(starter) else {})


def starter_contracts(starter: Starter) -> dict[str, JsonObject]:
    """Return the contract documents by path below the project; `x07 arch check` finds nothing in them.

    Profiles and topologies stand beside the topics. What is as it is by default is not written; policies and budgets
    have files only where others than the built-in ones are named.
    """
    _check_ids(starter)
    index: JsonObject = {"schema_version": f"{_TOPICS}@0.1.0", "rr_policy_id": starter.rr_policy_id}
    index["topics"] = list(starter.topics)
    rows = {kind: starter.profiles[kind] for kind in starter.kinds()} | {"topologies": starter.topologies}
    index |= {name: [_row(one, starter.rr_policy_id) for one in found] for name, found in rows.items() if found}
    files = {TOPIC_INDEX: editor_schema(_TOPICS, TOPIC_INDEX) | shortest(index), **starter.schemas}
    if policies := _named_policies(starter):
        path = "arch/rr/index.x07rr.json"
        document = {"schema_version": f"{_POLICIES}@0.1.0", "policies": [{"id": name} for name in policies]}
        files[path] = editor_schema(_POLICIES, path) | document
    return files | _budgets(_named_budgets(starter))


def _check_ids(starter: Starter) -> None:
    """Refuse ids that cannot be part of a file's name: they may come from a document of somebody else.

    Raises:
        ContractError: ``X07_CONTRACT_PATH``.
    """
    rows = starter.listed()
    named = [name for row in rows for name in (row.rr_policy_id, row.budget_profile_id) if name]
    for name in (starter.rr_policy_id, *named, *(row.document.get("id") for row in rows)):
        check_id(name, "a file is named after it")


def _row(row: StarterProfile, usual_policy: str) -> JsonObject:
    """Return a profile or topology as it stands beside the topics."""
    document = {key: value for key, value in row.document.items() if key not in {"schema_version", "$schema"}}
    document = document if document.get("v") != 1 else {key: value for key, value in document.items() if key != "v"}
    budget = {"budget_profile_id": row.budget_profile_id} if row.budget_profile_id else {}
    return document | budget | ({} if row.rr_policy_id in {"", usual_policy} else {"rr_policy_id": row.rr_policy_id})


def _named_policies(starter: Starter) -> list[str]:
    """Return the ids of policies where one is named that is not built in: an index then lists them all."""
    named = {starter.rr_policy_id, *(row.rr_policy_id for row in starter.listed())} - {""}
    return sorted(named) if named != {POLICY_ID} else []


def _named_budgets(starter: Starter) -> list[str]:
    """Return the ids of budgets where one is named that is not built in: an index then lists all that are meant."""
    meant = {CORE_BUDGET, *(f"msg_{kind}_v1" for kind in starter.kinds())}
    named = {row.budget_profile_id for row in starter.listed()} - {""}
    return sorted(named | meant) if any(built_in_budget(name) is None for name in named) else []


def _budgets(ids: list[str]) -> dict[str, JsonObject]:
    """Return an index of budgets with profiles under `ids`; an unknown one is like the core profile."""
    files: dict[str, JsonObject] = {}
    rows = []
    for name in ids:
        path = f"arch/budgets/profiles/{name}.budget.json"
        cfg = built_in_budget(name) or built_in_budget(CORE_BUDGET)
        files[path] = {"schema_version": "x07.budget.profile@0.1.0", "id": name, "v": 1, "cfg": cfg}
        rows.append({"id": name, "profile_path": path, "enforce": "error", "selectors": [], "worlds_allowed": []})
    index = {"schema_version": "x07.arch.budgets.index@0.1.0", "profiles": rows}
    return {"arch/budgets/index.x07budgets.json": index, **files} if ids else {}
