"""Typed reader of ``arch/budgets``: what a scope may use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from x07py.contracts.defaults import built_in_budget
from x07py.contracts.loader import find_by_id, ids_of, read_object, resolve_inside
from x07py.counting import RESULT, STATS, TRAP, YIELD, Budget
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.contracts.loader import JsonObject

INDEX = "arch/budgets/index.x07budgets.json"
_MODES = (TRAP, RESULT, STATS, YIELD)
_LIMITS = ("alloc_bytes", "alloc_calls", "realloc_calls", "memcpy_bytes", "sched_ticks", "fuel")
_HINT = "x07 arch check tells what is wrong with arch/budgets"


def read_budget(root: Path, profile_id: str, world: str) -> Budget:
    """Return the budget profile `profile_id` of the project at `root`, without an index of budgets a built-in one.

    Args:
        root: the project's folder.
        profile_id: an id of the budgets index.
        world: the world of the running program.

    Raises:
        ContractError: ``X07_BUDGET_PROFILE`` if index or profile are missing or malformed, or `world` is not one of the
            profile's ``worlds_allowed``; ``X07_CONTRACT_PATH`` for a path that leaves the project.
    """
    built_in = built_in_budget(profile_id)
    if built_in is not None and not (root / INDEX).exists():
        return _budget(profile_id, built_in, root / INDEX)
    index = read_object(root / INDEX, root=root, code="X07_BUDGET_PROFILE", hint=_HINT)
    entry = find_by_id(index, "profiles", profile_id)
    if entry is None:
        _refuse(
            root / INDEX, f"there is no budget profile {profile_id!r}; there are {', '.join(ids_of(index, 'profiles'))}"
        )
    worlds = entry.get("worlds_allowed")
    if worlds and (not isinstance(worlds, list) or world not in worlds):
        _refuse(root / INDEX, f"budget profile {profile_id!r} is not for world {world}")
    path = resolve_inside(root, str(entry.get("profile_path", "")))
    document = read_object(path, root=root, code="X07_BUDGET_PROFILE", hint=_HINT)
    cfg = document.get("cfg")
    if document.get("id") != profile_id or not isinstance(cfg, dict) or cfg.get("mode") not in _MODES:
        _refuse(path, f"it is no budget profile {profile_id!r} with one of the modes {', '.join(_MODES)}")
    return _budget(profile_id, cfg, path)


def _budget(profile_id: str, cfg: JsonObject, path: Path) -> Budget:
    given = {name: cfg.get(name, 0) for name in _LIMITS}
    for name, limit in given.items():
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            _refuse(path, f"cfg.{name} is not a number from 0")
    limits = {name: limit for name, limit in given.items() if limit}
    return Budget(profile_id, str(cfg.get("label", profile_id)), cfg["mode"], limits)


def _refuse(path: Path, what: str) -> NoReturn:
    raise ContractError("X07_BUDGET_PROFILE", what, where=str(path), hint=_HINT)
