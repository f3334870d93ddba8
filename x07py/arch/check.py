"""`x07 arch check`: load, scan, build the graph, ask each rule, sort what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import pretty, write_file
from x07py.arch.graph import Graph, build_graph
from x07py.arch.lock import (
    CONTRACTS_LOCK_PATH,
    LOCK_PATH,
    check_contracts_lock,
    check_manifest_lock,
    manifest_lock_bytes,
    read_manifest_lock,
)
from x07py.arch.manifest import Manifest, read_manifest
from x07py.arch.model import finding
from x07py.arch.packages import check_locked, read_package_modules
from x07py.arch.place import with_places
from x07py.arch.repair import Patch, merge, suggest
from x07py.arch.rules.cycles import check_cycles
from x07py.arch.rules.edges import check_edges
from x07py.arch.rules.modules import check_exports, check_imports, check_secrets
from x07py.arch.rules.unmatched import check_names
from x07py.arch.rules.worlds import check_worlds
from x07py.arch.scan.files import ModuleNames, Scan, SourceFile, module_files
from x07py.arch.scan.tree import read_modules
from x07py.arch.settings import read_settings
from x07py.contracts.journal import settle
from x07py.errors import ArchError

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.changed import Change
    from x07py.diag import Diagnostic

EXIT_CLEAN, EXIT_FINDINGS, EXIT_CANNOT_CHECK, EXIT_BUDGET = 0, 2, 3, 4
BUDGET_CODE = "E_ARCH_TOOL_BUDGET_EXCEEDED"
_SEVERITIES = ("error", "warning", "info")


@dataclass(slots=True)
class Report:
    """The outcome of one check: findings in a fixed order, counts, the exit code, and what was read."""

    manifest_path: str
    manifest_digest: str | None = None
    findings: list[Diagnostic] = field(default_factory=list)
    modules: int = 0
    nodes: int = 0
    module_edges: int = 0
    node_edges: int = 0
    exit_code: int = EXIT_CLEAN
    scan: Scan = field(default_factory=Scan)
    files: list[SourceFile] = field(default_factory=list)
    contract_files: list[str] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)
    checked: tuple[Manifest, Graph] | None = None
    accepted: int = 0
    changed: Change | None = None

    def stats(self) -> dict[str, int]:
        """Return the counts as the report states them."""
        return {
            "modules": self.modules,
            "nodes": self.nodes,
            "module_edges": self.module_edges,
            "node_edges": self.node_edges,
        }

    def summary(self) -> str:
        """Return the counts as one line of text."""
        errors = sum(row.severity == "error" for row in self.findings)
        counts = f"{self.modules} modules, {self.nodes} nodes, {self.module_edges} imports"
        known = f", {self.accepted} in the baseline" if self.accepted else ""
        part = f"; {self.changed}" if self.changed else ""
        return f"{counts}: {errors} errors, {len(self.findings) - errors} warnings{known}{part}"


@dataclass(frozen=True, slots=True)
class Request:
    """What to check.

    Args:
        root: folder that paths are relative to.
        manifest: path of the manifest below `root`.
        lock: path of the manifest lock below `root`; None uses ``arch/manifest.lock.json`` if it is there.
        write_lock: write both locks instead of comparing with them.
        budgets: limits that replace those of the manifest: ``max_modules``, ``max_edges``, ``max_diags``.
        max_bytes: most bytes of module files, or None.
    """

    root: Path
    manifest: str
    lock: str | None = None
    write_lock: bool = False
    budgets: dict[str, int] = field(default_factory=dict)
    max_bytes: int | None = None


def check(request: Request) -> Report:
    """Check a project.

    Raises:
        ArchError: ``E_ARCH_SETTINGS``.
        PackageError, FileError: ``x07.lock`` or a lock to be written cannot be used.
    """
    report = _check(request)
    if report.findings:
        report.findings = with_places(request.root, request.manifest, report.findings)
    return report


def _check(request: Request) -> Report:
    settle(request.root)
    report = Report(request.manifest)
    manifest = read_manifest(request.root, request.manifest, report.findings)
    if manifest is None:
        return _ended(report, EXIT_CANNOT_CHECK)
    report.manifest_digest, report.nodes = manifest.digest, len(manifest.nodes)
    scan = _scan_globs(request, manifest, report.findings)
    if scan is None:
        return _ended(report, EXIT_CANNOT_CHECK)
    settings = read_settings(request.root)
    limits = {**manifest.document["tool_budgets"], **request.budgets}
    files = module_files(request.root, scan)
    report.scan, report.files, report.modules = scan, files, len(files)
    if len(files) > limits["max_modules"]:
        return _over(report, "max_modules", limits["max_modules"], f"the project has {len(files)} modules")
    try:
        names = ModuleNames(request.root, settings.module_roots)
        modules, unread = read_modules(request.root, files, names, request.max_bytes, manifest.depth)
    except ArchError as error:
        report.findings.append(finding(BUDGET_CODE, error.message, path=error.where, hint=error.hint))
        return _ended(report, EXIT_BUDGET)
    report.findings += unread
    graph = build_graph(request.root, manifest, modules, report.findings)
    _count(report, graph)
    if report.module_edges > limits["max_edges"]:
        return _over(report, "max_edges", limits["max_edges"], f"the project has {report.module_edges} imports")
    report.checked = manifest, graph
    _apply_rules(request.root, manifest, graph, report.findings, self_edges=settings.self_edges)
    report.findings += check_names(manifest, graph) if outcome(unread) == EXIT_CLEAN else ()
    before = len(report.findings)
    locked, repairs = _check_contracts(request.root, manifest, graph, report.findings)
    report.contract_files = _named_files(manifest, locked)
    report.patches = merge([*suggest(request.root, manifest.path, report.findings), *repairs])
    faults = [row for row in report.findings[before:] if row.severity == "error" and "module_id" not in row.data]
    if request.write_lock and not faults:  # what is wrong in a module is no fault of the contracts
        _write_locks(request, manifest, scan, locked)
    elif request.write_lock:
        report.findings.append(_not_locked(request))
    elif locked is not None:
        check_contracts_lock(request.root, locked, report.findings)
    return _finish(report, limits["max_diags"])


def _scan_globs(request: Request, manifest: Manifest, findings: list[Diagnostic]) -> Scan | None:
    before = len(findings)
    lock = read_manifest_lock(request.root, request.lock or LOCK_PATH, findings)
    if len(findings) > before:
        return None
    if lock is None:
        if request.lock and not request.write_lock:
            findings.append(
                finding(
                    "E_ARCH_LOCK_READ",
                    "the lock that --lock names is not there",
                    path=request.lock,
                    hint="x07 arch check --write-lock",
                )
            )
            return None
        return Scan()
    if not request.write_lock:
        check_manifest_lock(manifest, lock, findings)
    return lock.scan


def _count(report: Report, graph: Graph) -> None:
    report.modules = len(graph.modules)
    report.module_edges = graph.count_within_nodes()
    report.node_edges = len(graph.node_edges())


def _apply_rules(root: Path, manifest: Manifest, graph: Graph, findings: list[Diagnostic], *, self_edges: bool) -> None:
    packages = read_package_modules(root)
    findings += check_imports(manifest, graph)
    findings += check_edges(manifest, graph, self_edges=self_edges)
    findings += check_cycles(manifest, graph)
    findings += check_exports(manifest, graph)
    findings += check_secrets(graph)
    findings += check_worlds(manifest, graph, packages)
    findings += check_locked(graph, packages)


def _check_contracts(
    root: Path, manifest: Manifest, graph: Graph, findings: list[Diagnostic]
) -> tuple[dict[str, Any] | None, list[Patch]]:
    if not manifest.contracts:
        return None, []
    from x07py.arch.contracts_checks.run import check_contracts

    return check_contracts(root, manifest, graph, findings)


def _named_files(manifest: Manifest, locked: dict[str, Any] | None) -> list[str]:
    folders = [domain["gen_dir"] for domain in manifest.contracts.values() if "gen_dir" in domain]
    return [*folders, *(locked["indexes"] if locked else ()), *(locked["files"] if locked else ())]


def _not_locked(request: Request) -> Diagnostic:
    return finding(
        "W_ARCH_LOCK_NOT_WRITTEN",
        "no lock was written: a lock never pins contracts that failed the check",
        path=request.lock or LOCK_PATH,
        hint="mend the contracts and run again",
    )


def _write_locks(request: Request, manifest: Manifest, scan: Scan, locked: dict[str, Any] | None) -> None:
    write_file(request.root / (request.lock or LOCK_PATH), manifest_lock_bytes(manifest, scan))
    if locked is not None:
        write_file(request.root / CONTRACTS_LOCK_PATH, pretty(locked))


def _over(report: Report, budget: str, limit: int, what: str) -> Report:
    report.findings.append(
        finding(
            BUDGET_CODE,
            f"{what}, and tool_budgets.{budget} is {limit}",
            path=report.manifest_path,
            hint=f"raise {budget} in the manifest, or exclude folders in {LOCK_PATH}",
            data={"budget": f"tool_budgets.{budget}", budget: limit},
        )
    )
    return _ended(report, EXIT_BUDGET)


def _finish(report: Report, limit: int) -> Report:
    over = any(row.code == BUDGET_CODE for row in report.findings)
    report.findings.sort(key=_order)
    if len(report.findings) > limit:
        what = f"there are {len(report.findings)} findings"
        del report.findings[max(limit - 1, 0) :]
        return _over(report, "max_diags", limit, what)
    return _ended(report, EXIT_BUDGET if over else outcome(report.findings))


def outcome(findings: list[Diagnostic]) -> int:
    """Return the exit code of a check that was made, within its budgets: only errors fail it."""
    return EXIT_FINDINGS if any(row.severity == "error" for row in findings) else EXIT_CLEAN


def _ended(report: Report, exit_code: int) -> Report:
    report.exit_code = exit_code
    report.findings.sort(key=_order)
    return report


def _order(row: Diagnostic) -> tuple[object, ...]:
    facts = [str(row.data.get(key, "")) for key in ("node_from", "node_to", "module_path", "import")]
    place = (row.path or "", row.line or 0, row.column or 0)
    return (_SEVERITIES.index(row.severity), row.code, *facts, row.message, *place)
