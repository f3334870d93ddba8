"""Policy files, ``x07.run-os-policy@0.1.0``: grants and limits of the sandboxed world, to keep beside the program.

A field that x07py does not enforce is an error, never ignored; so is a value that promises less than what is in force.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from x07py.contracts.loader import parse_json
from x07py.contracts.schemas import load_schema
from x07py.errors import RunError
from x07py.sandbox.confine import Limits

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.run.profile import Profile

SCHEMA = "x07.run-os-policy"
POLICY_VERSION = "x07.run-os-policy@0.1.0"
MAX_ROOTS = 128
"""Most paths that a list of the policy may hold."""

TEMPLATES = {
    "kafka-worker": ("127.0.0.1", 9092),
    "amqp-worker": ("127.0.0.1", 5672),
    "job": None,
}
"""What `template` offers: the broker that each may reach."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file, read: ``document`` as it stands, ``limits`` a process, ``seconds`` for the whole run."""

    source: str
    document: dict[str, Any]
    limits: Limits
    seconds: float | None


def read_policy(path: Path) -> Policy:
    """Return a policy.

    Raises:
        RunError: ``X07RUN_FILE`` if it cannot be read, ``X07RUN_POLICY`` with the field at fault.
    """
    from jsonschema import Draft202012Validator

    try:
        document = parse_json(path.read_bytes())
    except OSError as error:
        raise RunError(
            "X07RUN_FILE", f"cannot read: {error.strerror}", where=str(path), hint="check the path"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _fault(path, "", f"not JSON: {error}") from None
    found = sorted(Draft202012Validator(load_schema(SCHEMA)).iter_errors(document), key=lambda one: one.json_path)
    if found:
        raise _fault(path, found[0].json_path, found[0].message)
    limits, net, env = document["limits"], document["net"], document["env"]
    closed = (
        ("net", "allow_hosts", net["enabled"] and net.get("allow_tcp", True)),
        ("net", "allow_listen", net["enabled"] and net.get("allow_tcp", True)),
        ("env", "allow_keys", env["enabled"]),
        ("process", "allow_execs", document["process"]["enabled"] and document["process"].get("allow_spawn", True)),
    )
    for table, field, enabled in closed:
        if document[table].get(field) and not enabled:
            raise _fault(path, f"$.{table}.{field}", "is not empty, although it is disabled")
    cpu = limits.get("cpu_ms")
    return Policy(
        str(path),
        document,
        Limits(
            cpu_seconds=None if cpu is None else -(-cpu // 1000),
            memory=limits.get("mem_bytes"),
            open_files=limits.get("fds"),
        ),
        limits["wall_ms"] / 1000 if "wall_ms" in limits else None,
    )


def _fault(path: Path, where: str, what: str) -> RunError:
    return RunError(
        "X07RUN_POLICY",
        f"{where} {what}".strip(),
        where=str(path),
        hint="docs/reference/run.md lists the fields; `x07 policy init TEMPLATE` prints a policy to start from",
    )


def apply(policy: Policy, profile: Profile) -> Profile:
    """Return the profile with the policy's grants before its own.

    Raises:
        RunError: ``X07RUN_CONTRADICTION`` if the profile or a flag asks for what the policy closes.
    """
    document = policy.document
    closed = (
        ("net", profile.allow_host or profile.allow_contract or profile.allow_listen, "a network grant"),
        ("env", profile.allow_env, "--allow-env"),
        ("process", profile.allow_run, "--allow-run"),
    )
    for table, asked, what in closed:
        if asked and not document[table]["enabled"]:
            raise _contradiction(policy, f"{table}.enabled is false, and {what} is given")
    for name, own, limit in (
        ("limits.wall_ms", profile.timeout, policy.seconds),
        ("limits.mem_bytes", profile.max_memory, policy.limits.memory),
    ):
        if own is not None and limit is not None and own > limit:
            raise _contradiction(policy, f"{name} is less than the flag or profile asks for")
    given = {
        "allow_host": hosts_of(document),
        "allow_listen": listen_of(document),
        "allow_read": document["fs"]["read_roots"],
        "allow_write": document["fs"]["write_roots"],
        "allow_env": document["env"]["allow_keys"],
        "allow_run": document["process"]["allow_execs"],
    }
    sources = {(kind, grant): f"policy {profile.policy}" for kind, grants in given.items() for grant in grants}
    lists: dict[str, Any] = {kind: (*grants, *getattr(profile, kind)) for kind, grants in given.items()}
    return replace(
        profile,
        **lists,
        sources={**sources, **profile.sources},
        timeout=profile.timeout if profile.timeout is not None else policy.seconds,
        max_memory=profile.max_memory if profile.max_memory is not None else policy.limits.memory,
    )


def hosts_of(document: dict[str, Any]) -> list[str]:
    """Return the hosts that a policy document lets a program connect to, as ``--allow-host`` writes them."""
    return [_host(row) for row in document["net"]["allow_hosts"]]


def listen_of(document: dict[str, Any]) -> list[str]:
    """Return the addresses that a policy document lets a program listen on, as ``--allow-listen`` writes them."""
    return [_host(row) for row in document["net"].get("allow_listen", [])]


def _host(row: dict[str, Any]) -> str:
    host = str(row["host"])
    bracketed = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"{bracketed}:{','.join(map(str, row['ports']))}"


def _contradiction(policy: Policy, what: str) -> RunError:
    return RunError("X07RUN_CONTRADICTION", what, where=policy.source, hint="change the policy, or leave the flag out")


def template(name: str) -> str:
    """Return a policy to start from, as text.

    Args:
        name: a key of `TEMPLATES`.
    """
    broker = TEMPLATES[name]
    document = {
        "schema_version": POLICY_VERSION,
        "policy_id": name,
        "limits": {"mem_bytes": 2 << 30, "fds": 1024} | ({} if broker else {"cpu_ms": 60_000, "wall_ms": 60_000}),
        "fs": {"enabled": True, "read_roots": [], "write_roots": []},
        "net": {
            "enabled": broker is not None,
            "allow_hosts": [{"host": broker[0], "ports": [broker[1]]}] if broker else [],
        },
        "env": {"enabled": True, "allow_keys": []},
        "process": {"enabled": False, "allow_execs": []},
    }
    return json.dumps(document, indent=2) + "\n"
