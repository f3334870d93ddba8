"""``contracts_v1.msg``, the topics, and ``msg_KIND``, which the driver of the kind checks."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import one_code
from x07py.arch.contracts_checks.drivers import own_check
from x07py.arch.contracts_checks.profiles import BesideTopics, ProfileCheck, policy_known
from x07py.arch.model import finding
from x07py.contracts.messaging import schema_paths, topic_parameters
from x07py.contracts.profiles import beside_topics
from x07py.drivers.plugin import driver_kinds
from x07py.msg import TopicPattern

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.drivers.contract_check import ContractCheck

_ALWAYS = {"E_ARCH_RR_POLICY_NOT_FOUND", "E_ARCH_TOOL_BUDGET_EXCEEDED", "E_ARCH_SECRET_IN_CONTRACT"}


def _enforced(state: Contracts, config: dict[str, Any], check: Callable[[], None]) -> None:
    """Run a check and give what it finds the severity that the domain's ``enforce`` asks for."""
    before = len(state.findings)
    check()
    found, level = state.findings[before:], config["enforce"]
    del state.findings[before:]
    for row in found:
        if row.code in _ALWAYS or level == "error":
            state.findings.append(row)
        elif level == "warn":
            state.findings.append(dataclasses.replace(row, severity="warning"))


def check_msg(state: Contracts, config: dict[str, Any]) -> None:
    """Check the topics."""
    _enforced(state, config, lambda: _topics(state, config["index_path"]))


def check_kind(state: Contracts, config: dict[str, Any], check: Callable[[ContractCheck, str], None]) -> None:
    """Have a driver check the contracts of its kind."""
    _enforced(state, config, lambda: check(ProfileCheck(state), config["index_path"]))


def _topics(state: Contracts, path: str) -> None:
    index = state.load(path, "x07.arch.msg.index", one_code("E_ARCH_MSG_INDEX_MISSING"), index=True)
    if index is None:
        state.broken.add("topics")
        return
    for topic in index["topics"]:
        parameters = topic_parameters(topic)
        if parameters is None:
            state.topics.add(topic["id"])
        else:
            state.topic_patterns.append(TopicPattern(topic["id"], parameters))
            _parameters(state, topic["id"], parameters, path)
        for file in schema_paths(topic):
            if file not in state.files:
                state.json_schema(file, "E_ARCH_MSG_SCHEMA_INVALID")
    state.unique(index["topics"], "id", "topics", path)
    state.topic_bytes = max(topic["max_value_bytes"] for topic in index["topics"])
    policy_known(state, path, index["rr_policy_id"], {"rr_policy_id": index["rr_policy_id"]})
    for kind in driver_kinds():
        beside = beside_topics(index, kind)
        check = own_check(kind) if any(beside.values()) else None
        if check is not None:
            check(BesideTopics(state, beside), path)


def _parameters(state: Contracts, topic: str, parameters: dict[str, tuple[str, ...]], path: str) -> None:
    """A topic's parameters are those that its id has in braces: one that is not there would match nothing."""
    for name in parameters:
        if f"{{{name}}}" not in topic:
            message = f"topic {topic!r} declares parameter {name!r}, and its id has no {{{name}}}"
            hint = "write the parameter into the id, or drop it"
            state.report(finding("E_ARCH_MSG_INDEX_MISSING", message, path=path, hint=hint, data={"parameter": name}))
