"""What a policy grants, as lines that people read and that two policies are compared by."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from x07py.run.hosts import parse_host
from x07py.run.policy import hosts_of, listen_of

if TYPE_CHECKING:
    from x07py.run.policy import Policy


def granted(policy: Policy) -> dict[str, list[str]]:
    """Return what a policy grants, by kind; sorted, each host in one spelling.

    Raises:
        RunError: ``X07RUN_HOST`` or ``X07RUN_HOST_UNRESOLVED`` for a host that cannot be enforced.
    """
    document = policy.document
    limits = {name: value for name, value in document["limits"].items() if name != "core_dumps"}
    return {
        "connect": _addresses(hosts_of(document), policy.source),
        "listen": _addresses(listen_of(document), policy.source, listen=True),
        "unix": sorted(set(document["net"].get("allow_unix", []))),
        "read": sorted(set(document["fs"]["read_roots"])),
        "write": sorted(set(document["fs"]["write_roots"])),
        "environment": sorted(set(document["env"]["allow_keys"])),
        "run": sorted(set(document["process"].get("allow_execs", []))),
        "limit": [f"{name} {limits[name]}" for name in sorted(limits)],
    }


def _addresses(texts: list[str], source: str, *, listen: bool = False) -> list[str]:
    """Return one line a host and range of ports, so that the order and grouping in the file do not count."""
    found: set[str] = set()
    for text in texts:
        rule = parse_host(text, source, listen=listen)
        host = text.strip().rpartition(":")[0].lower()
        found |= {f"{host}:{one.first}" + (f"-{one.last}" if one.last > one.first else "") for one in rule.ranges}
    return sorted(found)


def digest(grants: dict[str, list[str]]) -> str:
    """Return the SHA-256 of what is granted: equal for policies that mean the same."""
    return hashlib.sha256(json.dumps(grants, sort_keys=True).encode()).hexdigest()


def changes(old: dict[str, list[str]], new: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Return what `new` grants and `old` does not (``added``), and the reverse (``removed``)."""
    rows: list[dict[str, Any]] = []
    for kind, before in old.items():
        after = new[kind]
        rows += [{"change": "removed", "kind": kind, "value": one} for one in before if one not in after]
        rows += [{"change": "added", "kind": kind, "value": one} for one in after if one not in before]
    return rows
