"""``contracts_v1.msg``, ``msg_kafka`` and ``msg_amqp``: topics, broker profiles, topologies."""

from __future__ import annotations

import dataclasses
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.files import LoadCodes
from x07py.arch.model import finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.arch.contracts_checks.files import Contracts

_HOST_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})", re.ASCII)
_ALWAYS = {"E_ARCH_RR_POLICY_NOT_FOUND", "E_ARCH_TOOL_BUDGET_EXCEEDED", "E_ARCH_SECRET_IN_CONTRACT"}
_BUDGETS_INDEX = "arch/budgets/index.x07budgets.json"


def _one(code: str) -> LoadCodes:
    return LoadCodes(code, code, code, code)


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


def check_kafka(state: Contracts, config: dict[str, Any]) -> None:
    """Check the Kafka profiles."""
    _enforced(state, config, lambda: _kafka(state, config["index_path"]))


def check_amqp(state: Contracts, config: dict[str, Any]) -> None:
    """Check the AMQP profiles and topologies."""
    _enforced(state, config, lambda: _amqp(state, config["index_path"]))


def _topics(state: Contracts, path: str) -> None:
    index = state.load(path, "x07.arch.msg.index", _one("E_ARCH_MSG_INDEX_MISSING"), index=True)
    if index is None:
        return
    state.unique(index["topics"], "id", "topics", path)
    state.topic_bytes = max(topic["max_value_bytes"] for topic in index["topics"])
    _policy_known(state, path, index["rr_policy_id"], {"rr_policy_id": index["rr_policy_id"]})


def _kafka(state: Contracts, path: str) -> None:
    index = state.load(path, "x07.arch.msg.kafka.index", _one("E_ARCH_MSG_KAFKA_INDEX_MISSING"), index=True)
    if index is None:
        return
    state.unique(index["profiles"], "id", "Kafka profiles", path)
    for entry in index["profiles"]:
        facts = {"profile_id": entry["id"]}
        _policy_known(state, path, entry["rr_policy_id"], {**facts, "rr_policy_id": entry["rr_policy_id"]})
        if entry["budget_profile_id"] not in state.budgets:
            message, hint, more = _budget(state, entry)
            state.report(
                finding("E_ARCH_MSG_KAFKA_BUDGET_MISSING", message, path=path, hint=hint, data={**facts, **more})
            )
        file = entry["profile_path"]
        profile = state.load(file, "x07.arch.msg.kafka.profile", _one("E_ARCH_MSG_KAFKA_PROFILE_INVALID"))
        if profile is not None:
            state.same_id(profile, entry["id"], file)
            _bootstrap(state, profile, file)
            _security(state, profile.get("security", {}), entry, file)
            _sizes(state, "max_message_bytes", profile["limits"]["max_message_bytes"], entry, file)


def _bootstrap(state: Contracts, profile: dict[str, Any], path: str) -> None:
    for address in profile["bootstrap"]:
        match = _HOST_PORT.fullmatch(address)
        if match is None or not 0 < int(match.group(2)) < 65536:
            message = f"bootstrap entry {address.rpartition('@')[2]!r} is not of the form host:port"
            hint = "write for example 'kafka-1.example:9092', or '[::1]:9092'"
            state.report(finding("E_ARCH_MSG_KAFKA_BOOTSTRAP", message, path=path, hint=hint))


def _security(state: Contracts, security: dict[str, Any], entry: dict[str, Any], path: str) -> None:
    mode = security.get("sasl_mode", "none_v1")
    names = ("username_secret_id", "password_secret_id")
    lacking = [name for name in names if not security.get(name)]
    if mode != "none_v1" and lacking:
        message = f"sasl_mode is {mode}, and {' and '.join(lacking)} name no secret"
        hint = "name both secrets; their values come from the environment or a file when the program runs"
        state.report(finding("E_ARCH_MSG_KAFKA_SECRET_MISSING", message, path=path, hint=hint))
    if len(lacking) < len(names):
        _sanitizer(state, entry, path)


def _sanitizer(state: Contracts, entry: dict[str, Any], path: str) -> None:
    policy = entry["rr_policy_id"]
    if state.sanitized.get(policy) is False:
        message = f"the profile uses secrets, and the sanitizer of policy {policy} redacts no header"
        hint = "list the headers that may hold credentials in redact_headers of the sanitizer"
        state.report(finding("E_ARCH_SANITIZER_REQUIRED", message, path=path, hint=hint))


def _sizes(state: Contracts, name: str, size: int, entry: dict[str, Any], path: str) -> None:
    """A message that fits the profile has to fit the recording; a topic's largest value has to fit the profile."""
    limits = state.rr_policies.get(entry["rr_policy_id"], {}).get("budgets", {})
    for limit_name in ("max_req_bytes", "max_resp_bytes"):
        limit = limits.get(limit_name)
        if limit is not None and size > limit:
            message = f"{name} is {size}, and {limit_name} of policy {entry['rr_policy_id']} is {limit}"
            hint = f"lower {name}, or raise {limit_name} in the policy"
            facts = {"limit": limit_name, "value": size, "maximum": limit}
            state.report(finding("E_ARCH_MSG_SIZE", message, path=path, hint=hint, data=facts))
    if state.topic_bytes > size:
        message = f"a topic admits values of {state.topic_bytes} bytes, and {name} is {size}"
        hint = f"raise {name}, or lower max_value_bytes of the topic"
        facts = {"limit": name, "value": state.topic_bytes, "maximum": size}
        state.report(finding("E_ARCH_MSG_SIZE", message, path=path, hint=hint, data=facts))


def _amqp(state: Contracts, path: str) -> None:
    index = state.load(path, "x07.arch.msg.amqp.index", _one("E_ARCH_MSG_AMQP_INDEX_MISSING"), index=True)
    if index is None:
        return
    for kind, rows in (("profile", index["profiles"]), ("topology", index["topologies"])):
        state.unique(rows, "id", f"AMQP {kind} entries", path)
        for entry in rows:
            facts = {"kind": kind, "id": entry["id"]}
            _policy_known(state, path, entry["rr_policy_id"], {**facts, "rr_policy_id": entry["rr_policy_id"]})
            if entry["budget_profile_id"] not in state.budgets:
                message, hint, more = _budget(state, entry)
                state.report(
                    finding("E_ARCH_MSG_AMQP_BUDGET_MISSING", message, path=path, hint=hint, data={**facts, **more})
                )
    for entry in index["profiles"]:
        profile = state.load(entry["path"], "x07.arch.msg.amqp.profile", _one("E_ARCH_MSG_AMQP_PROFILE_INVALID"))
        if profile is not None:
            state.same_id(profile, entry["id"], entry["path"])
            _sizes(state, "max_body_bytes", profile["limits"]["max_body_bytes"], entry, entry["path"])
            if any(profile.get("auth", {}).values()):
                _sanitizer(state, entry, entry["path"])
    for entry in index["topologies"]:
        schema, code = "x07.arch.msg.amqp.topology", "E_ARCH_MSG_AMQP_TOPOLOGY_INVALID"
        topology = state.load(entry["path"], schema, _one(code))
        if topology is not None:
            state.same_id(topology, entry["id"], entry["path"])
            _topology(state, topology, entry["path"])


def _topology(state: Contracts, topology: dict[str, Any], path: str) -> None:
    for kind in ("exchange", "queue"):
        rows = topology[f"{kind}s"]
        state.unique(rows, "name", f"{kind}s", path)
        declared = {row["name"] for row in rows}
        for name in sorted({binding[kind] for binding in topology["bindings"]} - declared):
            near = get_close_matches(name, declared, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"declare it below {kind}s, or drop the binding"
            message = f"a binding names {kind} {name!r}, which the topology does not declare"
            state.report(finding("E_ARCH_MSG_AMQP_BINDING", message, path=path, hint=hint, data={kind: name}))


def _policy_known(state: Contracts, path: str, policy: str, facts: dict[str, str]) -> None:
    if policy not in state.rr_policies:
        near = get_close_matches(policy, state.rr_policies, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "add the policy to arch/rr/index.x07rr.json"
        message = f"no record/replay policy is called {policy!r}"
        state.report(finding("E_ARCH_RR_POLICY_NOT_FOUND", message, path=path, hint=hint, data=facts))


def _budget(state: Contracts, entry: dict[str, Any]) -> tuple[str, str, dict[str, str]]:
    wanted = entry["budget_profile_id"]
    near = get_close_matches(wanted, sorted(state.budgets), n=1)
    guess = f"did you mean {near[0]!r}? If not, add" if near else "add"
    hint = (
        f"{guess} {wanted!r} to {_BUDGETS_INDEX}, with its profile; "
        "docs/examples/contracts_project/arch/budgets is a set to copy"
    )
    message = f"entry {entry['id']} names budget profile {wanted!r}, which the budgets index lacks"
    return message, hint, {"budget_profile_id": wanted}
