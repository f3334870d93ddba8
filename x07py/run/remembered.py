"""What a profile granted when this user last ran it here, so that one that confines less is said before it starts.

The memory is the user's own and sealed: no checkout can bring it. What flags grant is not kept, since whoever types
them knows them. A profile that was never run here has nothing to be compared with.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from x07py.errors import FileError
from x07py.files import load_json, read_file, replace_file
from x07py.files.own import project_id, seal, state_folder, unseal
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from x07py.run.plan import RunPlan

_MOST_BYTES = 2**20
_NOT_ASKED_FOR = ("--", "always", "world ")
"""How sources begin that are no profile's and no policy's: flags, and what every program of a world gets."""


def less_confined_than_before(plan: RunPlan, profile: str, policy: str | None, *, keep: bool) -> list[str]:
    """Return in what a profile confines less than when this user last ran it here, a line each.

    Args:
        plan: what it grants now.
        profile: its name.
        policy: the file that a flag names; the first run with it has nothing to be compared with.
        keep: remember what it grants now.
    """
    name = profile if policy is None else f"{profile} --policy {policy}"
    now = {"world": plan.world, "grants": sorted(_grants(plan)), "denials": sorted(_denials(plan))}
    try:
        file = state_folder(plan.root) / f"profiles-{project_id(plan.root)}"
        known = _known(file, plan.root)
        before = known.get(name, now)
        if keep and known.get(name) != now:
            replace_file(file, seal(plan.root, json.dumps({**known, name: now}).encode()), mode=0o600)
    except FileError:  # a user without a place for state has nothing to compare with
        return []
    return list(_differences(profile, before, now))


def _grants(plan: RunPlan) -> Iterator[str]:
    hosts = {"allow-host": plan.allow, "allow-listen": plan.listen}
    paths = {"allow-read": plan.read, "allow-write": plan.write, "allow-run": plan.run}
    yield from (f"{kind} {rule.text}" for kind, rules in hosts.items() for rule in _own(rules))
    yield from (f"{kind} {one.path}" for kind, grants in paths.items() for one in _own(grants))
    yield from (f"allow-unix {one.target}" for one in _own(plan.unix))
    yield from (
        f"allow-env {name}" for name, source in plan.env_sources.items() if not source.startswith(_NOT_ASKED_FOR)
    )


def _denials(plan: RunPlan) -> Iterator[str]:
    yield from (f"deny-host {rule.text}" for rule in _own(plan.deny))
    yield from (f"deny-read {one.path}" for one in _own(plan.unread))


def _own(rows: Iterable[Any]) -> Iterator[Any]:
    return (row for row in rows if not row.source.startswith(_NOT_ASKED_FOR))


def _known(file: Path, root: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        known = load_json(unseal(root, read_file(file, limit=_MOST_BYTES)) or b"{}")
        return known if isinstance(known, dict) else {}
    return {}


def _differences(profile: str, before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    old, new = WORLDS.get(before["world"]), WORLDS[now["world"]]
    if old is not new:  # in another world the lists mean something else
        if old is not None and ((old.confined and not new.confined) or (old.solve and not new.solve)):
            yield f"profile {profile} ran in world {old.name} when you last ran it here, and runs in {new.name} now"
        return
    for kind, one, other in (("grants", now, before), ("denials", before, now)):
        verb = "grants" if kind == "grants" else "no longer denies:"
        for row in sorted(set(one[kind]) - set(other[kind])):
            yield f"profile {profile} {verb} {row}, unlike when you last ran it here"
