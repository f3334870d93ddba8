"""Policy files: grants and limits of the sandboxed world, to keep beside the program.

Two schemas: ``x07.run-os-policy@0.1.0`` in the reference's words, and ``x07py.run-os-policy@0.1.0`` for what those
cannot say (listening, Unix sockets, larger bounds). A restriction that x07py does not enforce is an error, never
ignored.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.contracts.loader import parse_json
from x07py.contracts.schemas import load_schema
from x07py.drivers.plugin import driver_kinds, find_driver
from x07py.errors import RunError, UsageError
from x07py.files import CONTRACT_BYTES, read_file
from x07py.run.policy_fields import not_enforced
from x07py.sandbox.confinement import ProcessLimits

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.run.policy_fields import Fault
    from x07py.run.profile import Profile

OWN_SCHEMA = "x07py.run-os-policy"
OWN_VERSION = f"{OWN_SCHEMA}@0.1.0"
REFERENCE_SCHEMA = "x07.run-os-policy"
REFERENCE_VERSION = f"{REFERENCE_SCHEMA}@0.1.0"
MAX_ROOTS = 128
"""Most paths that a list of the policy may hold."""

_JOB, _WORKER = "job", "-worker"
_NETWORK = ("allow_host", "allow_contract", "allow_listen", "allow_unix")
_BOTH = {
    "limits": {"cpu_ms": 60_000, "wall_ms": 60_000, "procs": 1024},
    "fs": {"deny_hidden": False},
    "net": {"allow_dns": True, "allow_tcp": True, "allow_udp": False},
    "env": {"deny_keys": []},
    "time": {
        "enabled": True,
        "allow_monotonic": True,
        "allow_wall_clock": True,
        "allow_sleep": True,
        "max_sleep_ms": 86_400_000,
        "allow_local_tzid": True,
    },
    "process": {"allow_spawn": False, "allow_exec": False, "allow_exit": True, "max_live": 0, "max_spawns": 0},
}
"""What the reference requires besides, in the values that hold here."""


class Policy(NamedTuple):
    """A policy file, read: ``document`` as it stands, ``limits`` a process, ``seconds`` for the whole run."""

    source: str
    document: dict[str, Any]
    limits: ProcessLimits
    seconds: float | None


def read_policy(path: Path) -> Policy:
    """Return a policy.

    Raises:
        RunError: ``X07RUN_FILE`` if it cannot be read, ``X07RUN_POLICY`` with every field at fault.
    """
    try:
        document = parse_json(read_file(path, limit=CONTRACT_BYTES))
    except OSError as error:
        raise RunError(
            "X07RUN_FILE", f"cannot read: {error.strerror}", where=str(path), hint="check the path"
        ) from None
    except (ValueError, RecursionError) as error:
        raise _fault(path, [("", f"not JSON: {error}")]) from None
    faults = _faults(document)
    if faults:
        raise _fault(path, faults)
    limits = document["limits"]
    cpu, processes = limits.get("cpu_ms"), limits.get("procs")
    return Policy(
        str(path),
        document,
        ProcessLimits(
            cpu_seconds=None if cpu is None else -(-cpu // 1000),
            memory=limits.get("mem_bytes"),
            open_files=limits.get("fds"),
            processes=None if processes is None else max(1, processes),
        ),
        limits["wall_ms"] / 1000 if "wall_ms" in limits else None,
    )


def _faults(document: Any) -> list[Fault]:
    """Return where a document is not what its schema says, or else asks for what is not enforced."""
    from jsonschema import Draft202012Validator

    version = document.get("schema_version") if isinstance(document, dict) else None
    schema = load_schema(OWN_SCHEMA if version == OWN_VERSION else REFERENCE_SCHEMA)
    errors = sorted(Draft202012Validator(schema).iter_errors(document), key=lambda one: one.json_path)
    if errors:
        sayable = version == REFERENCE_VERSION
        beyond = (
            {one.json_path for one in Draft202012Validator(_own(schema)).iter_errors(document)} if sayable else set()
        )
        advice = f"; {OWN_VERSION} can say it"
        return [(one.json_path, one.message + advice * (sayable and one.json_path not in beyond)) for one in errors]
    return [*not_enforced(document), *_closed(document)]


def _own(reference: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of x07py's own words as it would be under the reference's name."""
    own = load_schema(OWN_SCHEMA)
    return own | {"properties": own["properties"] | {"schema_version": reference["properties"]["schema_version"]}}


def _closed(document: dict[str, Any]) -> list[Fault]:
    """Return what is granted in a table that is disabled."""
    net, env, process = document["net"], document["env"], document["process"]
    closed = (
        ("net", "allow_hosts", net["enabled"] and net.get("allow_tcp", True)),
        ("net", "allow_listen", net["enabled"] and net.get("allow_tcp", True)),
        ("net", "allow_unix", net["enabled"]),
        ("env", "allow_keys", env["enabled"]),
        ("process", "allow_execs", process["enabled"] and process.get("allow_spawn", True)),
    )
    return [
        (f"$.{table}.{field}", "is not empty, although it is disabled")
        for table, field, enabled in closed
        if document[table].get(field) and not enabled
    ]


def _fault(path: Path, faults: list[Fault]) -> RunError:
    return RunError(
        "X07RUN_POLICY",
        "; ".join(f"{where} {what}".strip() for where, what in faults),
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
        ("net", any(getattr(profile, kind) for kind in _NETWORK), "a network grant"),
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
        "allow_unix": document["net"].get("allow_unix", []),
        "allow_read": document["fs"]["read_roots"],
        "allow_write": document["fs"]["write_roots"],
        "allow_env": document["env"]["allow_keys"],
        "allow_run": document["process"].get("allow_execs", []),
    }
    sources = {(kind, grant): f"policy {profile.policy}" for kind, grants in given.items() for grant in grants}
    lists: dict[str, Any] = {kind: (*grants, *getattr(profile, kind)) for kind, grants in given.items()}
    return profile._replace(
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


def templates() -> list[str]:
    """Return what `template` offers: a job without a network, and a worker for each driver that is installed."""
    return [_JOB, *(f"{kind}{_WORKER}" for kind in driver_kinds())]


def _port(kind: str) -> int:
    port = find_driver(kind).schemes.get(kind)
    if port is None:
        hint = f"start with `x07 policy init {_JOB}` and write the broker into net.allow_hosts"
        raise UsageError("X07_USAGE", f"the driver {kind} does not say where its brokers listen", hint=hint)
    return port


def template(name: str) -> str:
    """Return a policy to start from, as text.

    Args:
        name: one of `templates`.

    Raises:
        UsageError: ``X07_USAGE`` for another name.
        DriverError: 9624 or 9625 if the driver cannot be used.
    """
    if name not in templates():
        raise UsageError("X07_USAGE", f"no policy is called {name!r}", hint=f"there are {', '.join(templates())}")
    port = None if name == _JOB else _port(name.removesuffix(_WORKER))
    document: dict[str, Any] = {
        "schema_version": REFERENCE_VERSION if port is None else OWN_VERSION,
        "policy_id": name,
        "limits": {"mem_bytes": 2 << 30, "fds": 1024},
        "fs": {"enabled": True, "read_roots": [], "write_roots": []},
        "net": {
            "enabled": port is not None,
            "allow_hosts": [] if port is None else [{"host": "127.0.0.1", "ports": [port]}],
        },
        "env": {"enabled": True, "allow_keys": []},
        "process": {"enabled": False, "allow_execs": []},
    }
    if port is None:  # it has bounds, so that the reference can read it as well
        for table, fields in _BOTH.items():
            document[table] = document.get(table, {}) | fields
    return json.dumps(document, indent=2) + "\n"
