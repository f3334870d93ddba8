"""Policy and budget scopes in code: do their contracts exist, admit the module's world, and stand where they must?

Modules without a node have no world and are passed over, as in the reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.manifest import is_below
from x07py.arch.model import finding
from x07py.arch.scan.module_files import PYTHON_SUFFIXES
from x07py.arch.scan.scopes import ANY_POLICY, OF_DRIVER, OPEN_DRIVER
from x07py.codes import all_codes
from x07py.drivers.base import Dialect
from x07py.drivers.plugin import usable_drivers
from x07py.files import SOURCE_BYTES, read_file
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from x07py.arch.contracts_checks.contract_files import Contracts
    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Node
    from x07py.arch.model import Module
    from x07py.arch.scan.scopes import Functions
    from x07py.drivers.plugin import DriverPlugin


def check_scopes(state: Contracts, config: dict[str, Any], graph: Graph) -> None:
    """Check what modules say of the domains ``rr`` and ``budgets``, where these are configured and could be read."""
    check = _Scopes(state, graph)
    for module_id, node in graph.node_of.items():
        module = graph.modules[module_id]
        if "rr" in state.read:
            check.policies(module, node)
            if config["rr"]["require_policy_for_os_calls"] and not WORLDS[node.world].solve:
                check.policy_required(module)
        if "budgets" in state.read:
            check.budgets(module, node)
    if config.get("budgets", {}).get("require_scopes"):
        for entry in sorted(state.budgets.values(), key=lambda row: str(row["id"])):
            if entry["enforce"] != "off":
                check.selectors(entry)


class _Scopes:
    def __init__(self, state: Contracts, graph: Graph) -> None:
        self._state, self._graph = state, graph
        self._drivers = {driver.dialect.name: driver for driver in usable_drivers()}
        on_brokers = {call for driver in self._drivers.values() for call in _calls(driver)}
        self._recordable = on_brokers.union(*(entry["ops_allowed"] for entry in state.rr_entries.values()))
        rows = os_bound_table().modules.values()
        self._clients = {row.name for row in rows if row.origin == "distribution" and row.capability == "network"}

    def policies(self, module: Module, node: Node) -> None:
        entries = self._state.rr_entries
        for kind, name, op, offset in module.scopes:
            if kind == "policy" and not name:
                self._report(module, offset, "W_ARCH_CONTRACT_OPAQUE_USAGE", "the policy is known at run time only")
            elif kind == "policy" and name not in entries:
                message = f"there is no policy {name!r}"
                self._report(module, offset, "E_ARCH_RR_POLICY_NOT_FOUND", message, policy_id=name)
            elif kind == "policy" and node.world not in entries[name]["worlds_allowed"]:
                message = f"policy {name} is not for {node.world}, the world of node {node.id}"
                facts = {"policy_id": name, "world": node.world}
                self._report(module, offset, "E_ARCH_RR_WORLD_VIOLATION", message, **facts)
            elif kind == "op":
                self._allowed(module, name, op, offset)

    def _allowed(self, module: Module, name: str, op: str, offset: int) -> None:
        """Report an operation that its policy does not list; of Python's, those of drivers are known by themselves."""
        op = self._recorded_as(op)
        entries = self._state.rr_entries
        if name == ANY_POLICY and len(entries) == 1:
            name = next(iter(entries))
        ruled = op != OPEN_DRIVER and (op in self._recordable or module.path.endswith(PYTHON_SUFFIXES))
        if ruled and name in entries and op not in entries[name]["ops_allowed"]:
            message = f"policy {name} does not allow {op}"
            self._report(module, offset, "E_ARCH_RR_OP_NOT_ALLOWED", message, policy_id=name, op=op)

    def _recorded_as(self, op: str) -> str:
        """Return the name of an operation in recordings, as its driver, or one that is not installed, would call it."""
        kind, of_driver, method = op.partition(OF_DRIVER)
        if not of_driver:
            return op
        driver = self._drivers.get(kind)
        dialect = driver.dialect if driver else Dialect.of(kind, 0, ("", "", ""), (), 0)
        return dialect.operation(method)

    def policy_required(self, module: Module) -> None:
        """Report operations outside of any policy, and imports of client libraries, which know of none."""
        for kind, name, called, offset in module.scopes:
            op = self._recorded_as(called)
            if kind == "op" and not name and (op in self._recordable or op == OPEN_DRIVER):
                message = f"{op} is called outside of any policy"
                self._report(module, offset, "E_ARCH_RR_POLICY_REQUIRED", message, op=op)
        for target, origin in self._graph.outside[module.id].items():
            if target.partition(".")[0] in self._clients:
                message = f"{module.id} uses {target}, which no policy covers"
                self._report(module, origin[3], "E_ARCH_RR_POLICY_REQUIRED", message, op=target)

    def budgets(self, module: Module, node: Node) -> None:
        for kind, name, _, offset in module.scopes:
            if kind != "budget":
                continue
            entry = self._state.budgets.get(name)
            if not name:
                self._report(module, offset, "W_ARCH_CONTRACT_OPAQUE_USAGE", "the budget is known at run time only")
            elif entry is None:
                message = f"there is no budget profile {name!r}"
                self._report(module, offset, "E_ARCH_BUDGET_PROFILE_NOT_FOUND", message, profile_id=name)
            else:
                self._budget_world(module, node, entry, offset)

    def _budget_world(self, module: Module, node: Node, entry: dict[str, Any], offset: int) -> None:
        if entry["worlds_allowed"] and node.world not in entry["worlds_allowed"]:
            message = f"budget {entry['id']} is not for {node.world}, the world of node {node.id}"
            facts = {"profile_id": entry["id"], "world": node.world}
            self._report(module, offset, "E_ARCH_BUDGET_WORLD_VIOLATION", message, **facts)

    def selectors(self, entry: dict[str, Any]) -> None:
        """Report what a profile selects and is not there, is not for its world, or is not in its scope."""
        severity = "warning" if entry["enforce"] == "warn" else "error"
        for row in sorted(entry["selectors"], key=lambda one: (one["module_prefix"], one["fn"])):
            prefix, name = row["module_prefix"], row["fn"]
            below = [module for key, module in self._graph.modules.items() if is_below(key, prefix)]
            if not below:
                self._nothing(entry, "E_ARCH_BUDGET_SELECTOR_MODULE_PREFIX_NOT_FOUND", f"no module below {prefix}", row)
                continue
            selected = [found for module in below for found in self._selected(module, name)]
            if not selected:
                self._nothing(entry, "E_ARCH_BUDGET_SELECTOR_FN_NOT_FOUND", f"no function {name} below {prefix}", row)
            for module, function, budget, offset in selected:
                if module.id in self._graph.node_of:
                    self._budget_world(module, self._graph.node_of[module.id], entry, offset)
                if budget != entry["id"]:
                    message = f"{function} is not in the scope of budget {entry['id']}"
                    facts = {"profile_id": entry["id"], "fn": function}
                    self._report(module, offset, "E_ARCH_BUDGET_SCOPE_MISSING", message, severity, **facts)

    def _selected(self, module: Module, name: str) -> Iterator[tuple[Module, str, str, int]]:
        for full, (budget, offset) in _functions(self._state, module).items():
            if full in {name, f"{module.id}.{name}"}:
                yield module, full, budget, offset

    def _nothing(self, entry: dict[str, Any], code: str, message: str, row: dict[str, str]) -> None:
        self._state.report(
            finding(
                code,
                f"budget {entry['id']} selects what is not there: {message}",
                path=entry["profile_path"],
                hint="correct the selector in the budgets index",
                data={"profile_id": entry["id"], **row},
            )
        )

    def _report(
        self, module: Module, offset: int, code: str, message: str, severity: str = "", **facts: object
    ) -> None:
        place = self._graph.sources.at(module.path, offset)
        level = {"severity": severity} if severity else {}
        hint = all_codes()[code].fix
        data = {"module_id": module.id, **facts}
        self._state.report(finding(code, message, **level, **place, hint=hint, data=data))


def _calls(driver: DriverPlugin[Any]) -> tuple[str, ...]:
    """Return what x07AST modules do with a kind of broker; ruled by policies even if none of them lists it."""
    return driver.dialect.publish_op, driver.dialect.poll_op, *driver.x07ast_calls


def _functions(state: Contracts, module: Module) -> Functions:
    """Read a module again for its functions; only selectors ask, and they ask for few."""
    from x07py.arch.scan.python import package_of
    from x07py.arch.scan.scopes import python_functions
    from x07py.arch.scan.x07ast import x07ast_functions
    from x07py.files import source_text

    try:
        data = read_file(state.root / module.path, limit=SOURCE_BYTES)
        if module.path.endswith(".x07.json"):
            return x07ast_functions(data)
        return python_functions(source_text(module.path, data), module.id, package_of(module.id, module.path))
    except (OSError, ValueError, SyntaxError, RecursionError):  # gone, changed or broken: the scan tells of those
        return {}
