"""All contract domains in a fixed order: those that others refer to come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.contracts_checks.budgets import build_in_budgets, check_budgets
from x07py.arch.contracts_checks.contract_files import Contracts
from x07py.arch.contracts_checks.drivers import check_drivers, checks_of_kinds, unchecked_domains
from x07py.arch.contracts_checks.msg import check_kind, check_msg
from x07py.arch.contracts_checks.names import check_names
from x07py.arch.contracts_checks.rr import build_in_policy, check_rr
from x07py.arch.contracts_checks.scopes import check_scopes
from x07py.arch.contracts_checks.services import check_services
from x07py.arch.contracts_checks.subjects import check_subjects
from x07py.arch.lock import contracts_lock
from x07py.arch.model import finding

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.repair import Patch
    from x07py.diag import Diagnostic

_DOMAINS = {"rr": check_rr, "budgets": check_budgets, "msg": check_msg}
_BUILT_IN = {"rr": build_in_policy, "budgets": build_in_budgets}


def check_contracts(
    root: Path, manifest: Manifest, graph: Graph, findings: list[Diagnostic]
) -> tuple[dict[str, Any] | None, list[Patch], set[str]]:
    """Check every domain that the manifest configures; without ``contracts_v1`` there is nothing to check, and no lock.

    Returns:
        The contracts lock as it should be, repairs, and the schemas that files name for editors.
    """
    config = manifest.contracts
    if not config:
        return None, [], set()
    limits = manifest.document["tool_budgets"].get("contracts_budgets", {})
    state = Contracts(root, limits.get("max_contract_files", 2000), limits.get("max_contract_bytes", 67_108_864))
    state.canonical = bool(config["canonical_json"].get("require"))
    for name, check in _DOMAINS.items():
        if name in config:
            check(state, config[name])
        elif name in _BUILT_IN:
            _BUILT_IN[name](state)
    for name, check_of_kind in checks_of_kinds(config).items():
        check_kind(state, config[name], check_of_kind)
    for name in unchecked_domains(config):
        state.findings.append(
            finding(
                "W_ARCH_CONTRACT_DOMAIN_UNCHECKED",
                f"x07py does not check the contracts of domain {name!r}",
                path=manifest.path,
                hint="check them with a tool that does; what the contracts lock holds of them is kept and compared",
                data={"domain": name},
            )
        )
    check_drivers(state)
    check_services(state)
    check_subjects(state)
    check_scopes(state, config, graph)
    if "msg" in config:
        check_names(state, graph)
    findings += state.findings
    return contracts_lock(state.indexes, state.files), state.repairs, state.editor_schemas
