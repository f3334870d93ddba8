"""From what a program did to a policy that would allow it."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from x07py.errors import RunError
from x07py.run.file_access import DEVICES, executable_without_grant, readable_without_grant
from x07py.run.policy import MAX_ROOTS, OWN_VERSION
from x07py.sandbox.network import parse_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from x07py.sandbox.notifications import Access

NOTES = "Learned by x07 from what a program did. Read it before you rely on it."
_TOP, _SHM, _TERMINALS, _MAKES_TERMINALS = "/", "/dev/shm", "/dev/pts", "/dev/ptmx"  # noqa: S108 (names alone)
_LISTED = f" Left out: the list of names in {_TOP}, which could be granted only with all that lies below."
WEAKER = (
    "connections, listening, files and programs are not restricted in this run, only watched; "
    "what remains: no UDP, no datagram sockets of Unix, the system call list, no new privileges"
)


def learned_policy(
    accesses: Iterable[Access],
    root: Path,
    *,
    always: Sequence[Path] = (),
    environment: Sequence[str] = (),
    limits: dict[str, int] | None = None,
) -> dict[str, Any]:
    """Return a policy document that allows what was seen, and as little more as paths and ports can say.

    Args:
        accesses: what was seen, allowed or not.
        root: the project, which needs no grant for reading.
        always: folders that every program of the project may change, such as its place for temporary files.
        environment: variables that it was granted; what a program reads of its environment cannot be seen.
        limits: fields of the policy's ``limits``.

    Raises:
        RunError: ``X07RUN_LEARN`` if it changed files all over the system, so that no list of folders would do.
    """
    seen: dict[str, set[str]] = defaultdict(set)
    for access in accesses:
        seen[access.kind].add(access.target)
    read = _roots(_named(seen["read"]) - {_TOP}, [*readable_without_grant(), str(root), *map(str, always)])
    write = _roots(_named(seen["write"]), [*DEVICES, _SHM, "/proc", *map(str, always)])
    connect, listen = _hosts(seen["connect"], 1), _hosts(seen["listen"], 0)
    unix = _relative(_unix(seen["connect"], seen["listen"], [*write, *map(str, always)]), root)
    programs = _programs(seen["run"])
    net: dict[str, Any] = {"enabled": bool(connect or listen or unix), "allow_hosts": connect}
    return {
        "schema_version": OWN_VERSION,
        "policy_id": "learned",
        "notes": NOTES + (_LISTED if _TOP in seen["read"] else ""),
        "limits": limits or {},
        "fs": {
            "enabled": True,
            "read_roots": _relative(read, root),
            "write_roots": _relative(write, root),
        },
        "net": net | ({"allow_listen": listen} if listen else {}) | ({"allow_unix": unix} if unix else {}),
        "env": {"enabled": True, "allow_keys": sorted(environment)},
        "process": {"enabled": bool(programs), "allow_execs": programs},
    }


def _hosts(targets: set[str], lowest: int) -> list[dict[str, Any]]:
    """Return hosts with their ports; what is no TCP address could not be granted either."""
    ports: dict[str, set[int]] = defaultdict(set)
    for target in targets:
        address = parse_text(target)
        if address is not None and address.port >= lowest:
            ports[target.rpartition(":")[0].strip("[]")].add(address.port)
    return [{"host": host, "ports": sorted(ports[host])} for host in sorted(ports)]


def _unix(connected: set[str], listened: set[str], writable: Sequence[str]) -> list[str]:
    """Return the Unix sockets that need a grant: it may listen where it may write, and connect where it listens."""
    abstract = {target for target in connected | listened if target.startswith("@")}
    paths = {target for target in connected - listened if target.startswith("/")}
    below = [PurePath(os.path.realpath(path)) for path in writable]
    paths |= {
        target
        for target in listened
        if target.startswith("/") and not any(PurePath(target).is_relative_to(one) for one in below)
    }
    return sorted(abstract | {path for path in paths if Path(path).parent.is_dir()})


def _programs(targets: set[str]) -> list[str]:
    """Return the programs that need a grant, interpreters of scripts among them."""
    found = {target for target in targets if Path(target).is_file()}
    return sorted(found - set(executable_without_grant()))


def _named(targets: set[str]) -> set[str]:
    """Return targets as a policy names them: a terminal that was made for the program has another number next time.

    Who makes one opens its other end too, and may do so by a call that names no path.
    """
    found = {_TERMINALS if target.startswith(f"{_TERMINALS}/") else target for target in targets}
    return found | ({_TERMINALS} if _MAKES_TERMINALS in found else set())


def _roots(targets: set[str], granted: list[str]) -> list[str]:
    """Return the fewest paths that cover `targets` and are not granted anyway; existing ones alone can be granted."""
    below = [PurePath(os.path.realpath(path)) for path in granted]
    paths = {PurePath(target) for target in targets if Path(target).exists()}
    wanted = {path for path in paths if not any(path.is_relative_to(one) for one in below)}
    while len(roots := _topmost(wanted)) > MAX_ROOTS:
        deepest = max(len(path.parts) for path in roots)
        wanted = {path.parent if len(path.parts) == deepest else path for path in roots}
    if PurePath(_TOP) in roots:
        raise RunError(
            "X07RUN_LEARN",
            "the program used files all over the system, so no list of folders would confine it",
            hint="run it with --audit FILE to see what it uses",
        )
    return sorted(map(str, roots))


def _topmost(paths: set[PurePath]) -> set[PurePath]:
    return {path for path in paths if not paths.intersection(path.parents)}


def _relative(paths: list[str], root: Path) -> list[str]:
    base = root.resolve()
    return [str(PurePath(path).relative_to(base)) if PurePath(path).is_relative_to(base) else path for path in paths]
