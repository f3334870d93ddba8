"""``contracts_v1.msg_amqp``: what `x07 arch check` asks of AMQP profiles and topologies."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from x07py.drivers.amqp_contract import management_host

if TYPE_CHECKING:
    from x07py.drivers.contract_check import ContractCheck

_PROFILE_INVALID, _TOPOLOGY_INVALID = "E_ARCH_MSG_AMQP_PROFILE_INVALID", "E_ARCH_MSG_AMQP_TOPOLOGY_INVALID"
_USER = ("username_secret_id", "password_secret_id")


def check_contracts(check: ContractCheck, path: str) -> None:
    """Check an index of AMQP profiles and topologies, and these."""
    index = check.index(path, "x07.arch.msg.amqp.index", "E_ARCH_MSG_AMQP_INDEX_MISSING")
    if index is None:
        check.names_unknown()
        return
    check.names(profiles=[entry["id"] for entry in index["profiles"]])
    for kind, rows in (("profile", index["profiles"]), ("topology", index["topologies"])):
        check.unique(rows, "id", f"AMQP {kind} entries", path)
        for entry in rows:
            facts = {"kind": kind, "id": entry["id"]}
            check.entry(entry, path, "E_ARCH_MSG_AMQP_BUDGET_MISSING", facts)
    for entry in index["profiles"]:
        profile = check.document(entry["path"], "x07.arch.msg.amqp.profile", _PROFILE_INVALID, entry["id"])
        if profile is not None:
            check.largest_message("max_body_bytes", profile["limits"]["max_body_bytes"], entry, entry["path"])
            auth = profile.get("auth", {})
            if any(auth.values()):
                check.uses_secrets(entry, entry["path"])
            if (auth.get("username_secret_id") or auth.get("password_secret_id")) and not auth.get("tls"):
                check.cleartext([profile["host"], *profile.get("failover", [])], entry["path"])
            _management(check, profile, entry["path"])
    for entry in index["topologies"]:
        topology = check.document(entry["path"], "x07.arch.msg.amqp.topology", _TOPOLOGY_INVALID, entry["id"])
        if topology is None:
            check.names_unknown()
        else:
            keys = [row["routing_key"] for row in topology["bindings"] if row.get("routing_key")]
            check.names(queues=[row["name"] for row in topology["queues"]], keys=keys)
            _topology(check, topology, entry["path"])


def _management(check: ContractCheck, profile: dict[str, Any], path: str) -> None:
    url = profile.get("management_url", "")
    host = management_host(url)
    if url and not host:
        message, hint = f"management_url {url!r} is no address of a management API", "write http://HOST:PORT"
        check.fault(_PROFILE_INVALID, message, path=path, hint=hint)
    if host and url.startswith("http:") and any(profile.get("auth", {}).get(name) for name in _USER):
        check.cleartext([host], path)


def _topology(check: ContractCheck, topology: dict[str, Any], path: str) -> None:
    for row in topology["exchanges"]:
        if row["type"] == "x-delayed-message" and "x-delayed-type" not in row.get("arguments", {}):
            message = f"exchange {row['name']!r} is an x-delayed-message without the argument x-delayed-type"
            hint = "say how it routes what is due: direct, topic, fanout or headers"
            check.fault(_TOPOLOGY_INVALID, message, path=path, hint=hint)
    for kind in ("exchange", "queue"):
        rows = topology[f"{kind}s"]
        check.unique(rows, "name", f"{kind}s", path)
        declared = {row["name"] for row in rows}
        ends = ("exchange", "to_exchange") if kind == "exchange" else ("queue",)
        bound = {binding[end] for binding in topology["bindings"] for end in ends if end in binding}
        for name in sorted(bound - declared):
            near = get_close_matches(name, declared, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"declare it below {kind}s, or drop the binding"
            message = f"a binding names {kind} {name!r}, which the topology does not declare"
            check.fault("E_ARCH_MSG_AMQP_BINDING", message, path=path, hint=hint, data={kind: name})
