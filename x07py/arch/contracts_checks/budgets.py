"""``contracts_v1.budgets``: the budgets index and its profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.contract_files import LoadCodes
from x07py.contracts.budgets import INDEX

if TYPE_CHECKING:
    from x07py.arch.contracts_checks.contract_files import Contracts

_INDEX = LoadCodes(
    "E_ARCH_BUDGETS_INDEX_READ",
    "E_ARCH_BUDGETS_INDEX_JSON_PARSE",
    "E_ARCH_BUDGETS_INDEX_SCHEMA_VERSION",
    "E_ARCH_BUDGETS_INDEX_SCHEMA_INVALID",
)
_PROFILE = LoadCodes(
    "E_ARCH_BUDGET_PROFILE_READ",
    "E_ARCH_BUDGET_PROFILE_JSON_PARSE",
    "E_ARCH_BUDGET_PROFILE_SCHEMA_VERSION",
    "E_ARCH_BUDGET_PROFILE_SCHEMA_INVALID",
)


def build_in_budgets(state: Contracts) -> None:
    """Let contracts name the built-in budgets in a project that has no index of budgets."""
    state.built_in_budgets = not (state.root / INDEX).exists()


def check_budgets(state: Contracts, config: dict[str, Any]) -> None:
    """Check the domain and remember its ids for the domains that refer to them."""
    folders = (("arch/budgets", "E_ARCH_BUDGETS_DIR_MISSING"), (config["gen_dir"], "E_ARCH_BUDGETS_GEN_DIR_MISSING"))
    state.require_folders(folders)
    path = config["index_path"]
    index = state.load(path, "x07.arch.budgets.index", _INDEX, index=True)
    if index is None:
        state.broken.add("budgets")
        return
    state.read.add("budgets")
    state.unique(index["profiles"], "id", "budget profiles", path)
    for entry in index["profiles"]:
        state.budgets[entry["id"]] = entry
        profile = state.load(entry["profile_path"], "x07.budget.profile", _PROFILE)
        if profile is not None:
            state.same_id(profile, entry["id"], entry["profile_path"])
