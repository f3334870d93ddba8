"""A policy of the X07 toolchain in x07py's own words, where x07py does not enforce all that it asks for.

What is not carried over is named, field by field: a migrated policy never says less in silence.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network, summarize_address_range
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from x07py.contracts.schemas import load_schema
from x07py.errors import RunError
from x07py.run.hosts import is_name, parse_host
from x07py.run.policy import OWN_SCHEMA, OWN_VERSION, REFERENCE_SCHEMA
from x07py.run.policy_fields import not_enforced

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIMITS = ("cpu_ms", "wall_ms", "mem_bytes", "fds", "procs")
_ABSORBED = ("$.env.deny_keys", "$.net.allow_dns")
"""Restrictions that hold in the migrated policy because what they close is not granted there."""


def migrated_policy(document: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a policy in x07py's own words, and what of the old one it does not say, a line each.

    Args:
        document: a policy of ``x07.run-os-policy@0.1.0``.

    Raises:
        ValueError: it is none, with the first field at fault.
    """
    errors = sorted(Draft202012Validator(load_schema(REFERENCE_SCHEMA)).iter_errors(document), key=lambda one: one.path)
    if errors:
        raise ValueError(f"{errors[0].json_path} {errors[0].message}")
    left = [f"{where} {what}" for where, what in not_enforced(document) if where not in _ABSORBED]
    limits = dict(_limits(document["limits"], left))
    net, process = document["net"], document["process"]
    tcp = net["enabled"] and net.get("allow_tcp", True)
    hosts = list(_hosts(net["allow_hosts"], names=net.get("allow_dns", True), left=left)) if tcp else []
    denied = document["env"].get("deny_keys", [])
    keys = [key for key in document["env"]["allow_keys"] if not any(fnmatchcase(one, key) for one in denied)]
    files = document["fs"]
    starts = process["enabled"] and process.get("allow_spawn", True)
    return {
        "schema_version": OWN_VERSION,
        "policy_id": document["policy_id"],
        "notes": "\n".join(["Migrated by x07 init --from.", *(f"Not carried over: {line}" for line in left)])[:4096],
        "limits": limits,
        "fs": {
            "enabled": True,
            "read_roots": files["read_roots"] if files["enabled"] else [],
            "write_roots": files["write_roots"] if files["enabled"] else [],
        },
        "net": {"enabled": tcp, "allow_hosts": hosts},
        "env": {"enabled": document["env"]["enabled"], "allow_keys": keys if document["env"]["enabled"] else []},
        "process": {"enabled": starts, "allow_execs": process.get("allow_execs", []) if starts else []},
    }, left


def _limits(limits: dict[str, Any], left: list[str]) -> Iterator[tuple[str, int]]:
    bounds = load_schema(OWN_SCHEMA)["properties"]["limits"]["properties"]
    for name in _LIMITS:
        if name not in limits:
            continue
        if limits[name] < bounds[name]["minimum"]:
            left.append(f"$.limits.{name} is {limits[name]}: less than {bounds[name]['minimum']} is no limit here")
        else:
            yield name, limits[name]


def _hosts(rows: list[dict[str, Any]], *, names: bool, left: list[str]) -> Iterator[dict[str, Any]]:
    for row in rows:
        host, ports = str(row["host"]).strip("[]").lower(), row["ports"]
        found = _meant(host)
        if not ports or not found:
            why = "it matched nothing there, and would here" if "*" in host else "it is no host here"
            left.append(f"$.net.allow_hosts {row['host']}: " + (why if ports else "it has no ports"))
        elif found == [host] and is_name(host) and not names:
            left.append(f"$.net.allow_hosts {host}: net.allow_dns is false, and it would be looked up")
        else:
            yield from ({"host": one, "ports": ports} for one in found)


def _meant(host: str) -> list[str]:
    """Return a host of the toolchain as hosts of x07py: ``FIRST-LAST`` becomes networks; none for what cannot be."""
    networks = _networks(host)
    try:
        for one in networks:
            parse_host(f"[{one}]:1" if ":" in one else f"{one}:1", "policy")
    except RunError:
        return []
    return networks or ([host] if is_name(host) else [])


def _networks(host: str) -> list[str]:
    first, dash, last = host.partition("-")
    try:
        if not dash:
            return [str(ip_network(host))]
        return [str(one) for one in summarize_address_range(ip_address(first), ip_address(last))]
    except (ValueError, TypeError):  # a name, or addresses of two kinds
        return []
