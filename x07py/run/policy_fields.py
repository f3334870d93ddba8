"""What of a policy in the reference's words is enforced here, and what is not, field by field.

A restriction that nothing here enforces is a fault. One that holds anyway is none: a table that is disabled restricts
by that alone, and what only the reference's own language has says nothing of a Python program.
"""

from __future__ import annotations

from fnmatch import fnmatch
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from x07py.run.environment import PASSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_LONGEST_SLEEP_MS = 86_400_000
_CHANGES = ("allow_symlinks", "allow_mkdir", "allow_remove", "allow_rename")
_LOOKS = ("allow_walk", "allow_glob")
_FILE_BOUNDS = ("max_read_bytes", "max_write_bytes", "max_entries", "max_depth")
_CLOCKS = ("allow_wall_clock", "allow_sleep", "allow_local_tzid")
_STARTING = (
    *("allow_exec_prefixes", "allow_args_regex_lite", "max_exe_bytes"),
    *("max_args", "max_arg_bytes", "max_env", "max_env_key_bytes", "max_env_val_bytes", "max_runtime_ms"),
    *("max_stdout_bytes", "max_stderr_bytes", "max_total_bytes", "max_stdin_bytes", "allow_cwd_roots"),
)

_COUNTED = ("max_live", "max_spawns", "allow_env_keys")

Fault = tuple[str, str]
"""Where in the document, and what is wrong there."""


def not_enforced(document: Mapping[str, Any]) -> list[Fault]:
    """Return the fields of a policy, valid by its schema, that ask for what nothing here enforces."""
    return [
        *_limits(document["limits"]),
        *_files(document["fs"]),
        *_network(document["net"]),
        *_environment(document["env"]),
        *_time(document.get("time", {})),
        *_process(document["process"]),
        *_others(document),
    ]


def _limits(limits: Mapping[str, Any]) -> Iterator[Fault]:
    if limits.get("core_dumps"):
        yield "$.limits.core_dumps", "is true: no core is ever dumped"


def _files(files: Mapping[str, Any]) -> Iterator[Fault]:
    if not files["enabled"]:
        yield "$.fs.enabled", "is false: a program can always read its project and Python"
    if files.get("deny_hidden"):
        yield "$.fs.deny_hidden", "is true: files are granted by folder, whatever they are called"
    for name in (*_LOOKS, *(_CHANGES if files["write_roots"] else ())):
        if files.get(name) is False:
            yield f"$.fs.{name}", "is false: a granted folder is granted with all that can be done in it"
    for name in _FILE_BOUNDS:
        if files.get(name):
            yield f"$.fs.{name}", "is a bound that is not kept"


def _network(net: Mapping[str, Any]) -> Iterator[Fault]:
    if net["enabled"] and net.get("allow_udp"):
        yield "$.net.allow_udp", "is true: UDP is never allowed"
    if net["enabled"] and net.get("allow_dns") is False:
        names = [str(row["host"]) for row in net["allow_hosts"] if not _is_address(str(row["host"]))]
        if names:
            yield "$.net.allow_dns", f"is false, and {names[0]} would be looked up"


def _is_address(host: str) -> bool:
    try:
        ip_network(host.strip("[]"), strict=False)
    except ValueError:
        return False
    return True


def _environment(env: Mapping[str, Any]) -> Iterator[Fault]:
    for key in env.get("deny_keys", ()):
        granted = next((one for one in env["allow_keys"] if fnmatch(key, one)), None)
        if granted is not None:
            yield "$.env.deny_keys", f"names {key}, which allow_keys grants: take it out there"
        elif PASSED.fullmatch(key):
            yield "$.env.deny_keys", f"names {key}, which every program gets"


def _time(time: Mapping[str, Any]) -> Iterator[Fault]:
    if not time.get("enabled", True):
        yield "$.time.enabled", "is false: clocks are real in this world (solve worlds have none that differ)"
        return
    for name in _CLOCKS:
        if time.get(name) is False:
            yield f"$.time.{name}", "is false: clocks are real in this world (solve worlds have none that differ)"
    if time.get("allow_sleep", True) and time.get("max_sleep_ms", _LONGEST_SLEEP_MS) < _LONGEST_SLEEP_MS:
        yield "$.time.max_sleep_ms", "is a bound that is not kept"


def _process(process: Mapping[str, Any]) -> Iterator[Fault]:
    if process.get("allow_exit") is False:
        yield "$.process.allow_exit", "is false: a program can always end itself"
    if process["enabled"] and process.get("allow_spawn", True):
        for name in _STARTING:
            if process.get(name):
                yield f"$.process.{name}", "is a bound that is not kept"
        for name in _COUNTED:
            if name in process:
                yield f"$.process.{name}", "is a bound that is not kept; limits.procs is"
        if process.get("allow_cwd") is False:
            yield "$.process.allow_cwd", "is false: a program starts others where it wants"


def _others(document: Mapping[str, Any]) -> Iterator[Fault]:
    if document.get("db", {}).get("enabled"):
        yield (
            "$.db.enabled",
            "is true: what is asked of databases is not looked into; allow them by net.allow_hosts",
        )
    if document.get("threads", {}).get("max_blocking") == 0:
        yield "$.threads.max_blocking", "is 0: reading and writing files is not refused"
