"""`x07 arch check`: load, scan, build the graph, ask each rule, sort what they say."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.arch.documents import pretty
from x07py.arch.editor import named_schema
from x07py.arch.exceptions import excuse, excuse_in_code
from x07py.arch.graph import Graph, build_graph
from x07py.arch.lock import (
    CONTRACTS_LOCK_PATH,
    LOCK_PATH,
    ManifestLock,
    check_contracts_lock,
    check_manifest_lock,
    manifest_lock_bytes,
    read_manifest_lock,
    with_foreign,
)
from x07py.arch.manifest import Manifest, manifest_document, manifest_of
from x07py.arch.model import finding
from x07py.arch.packages import check_driver_worlds, check_locked, check_opened, read_package_modules
from x07py.arch.place import with_places
from x07py.arch.repair import Patch, merge, suggest
from x07py.arch.rules.chains import check_chains
from x07py.arch.rules.compiled import check_compiled
from x07py.arch.rules.cycles import check_cycles
from x07py.arch.rules.edges import check_edges
from x07py.arch.rules.excluded import check_imported
from x07py.arch.rules.members import check_members
from x07py.arch.rules.modules import check_modules
from x07py.arch.rules.profiles import check_profiles
from x07py.arch.rules.unmatched import check_excludes, check_names
from x07py.arch.rules.worlds import check_worlds
from x07py.arch.scan.module_files import PYTHON_SUFFIXES, SourceFile, Unread, module_files
from x07py.arch.scan.module_names import ModuleNames
from x07py.arch.scan.tree import read_modules
from x07py.arch.settings import read_settings
from x07py.contracts.journal import settle
from x07py.errors import ArchError
from x07py.files import replace_file
from x07py.printing import counted

if TYPE_CHECKING:
    from pathlib import Path

    from x07py.arch.git import Change
    from x07py.diag import Diagnostic
    from x07py.effects.analysis import Answer
    from x07py.effects.finder import Environment

EXIT_CLEAN, EXIT_FINDINGS, EXIT_CANNOT_CHECK, EXIT_BUDGET = 0, 2, 3, 4
BUDGET_CODE = "E_ARCH_TOOL_BUDGET_EXCEEDED"
_PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
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
    unread: Unread | None = None
    lexical: int = 0
    files: list[SourceFile] = field(default_factory=list)
    contract_files: list[str] = field(default_factory=list)
    editor_schemas: set[str] = field(default_factory=set)
    patches: list[Patch] = field(default_factory=list)
    checked: tuple[Manifest, Graph] | None = None
    accepted: int = 0
    excepted: int = 0
    changed: Change | None = None
    reached: Answer | None = None

    def stats(self) -> dict[str, int]:
        """Return the counts as the report states them."""
        return {
            "modules": self.modules,
            "nodes": self.nodes,
            "module_edges": self.module_edges,
            "node_edges": self.node_edges,
        }

    def read(self) -> str:
        """Return what was read and what was not, as one line of text."""
        languages = Counter("x07AST" if file.path.endswith(".json") else "Python" for file in self.files)
        size = sum(file.stat[0] for file in self.files)
        files = " and ".join(f"{count} {language}" for language, count in sorted(languages.items())) or "no"
        noun = "file" if len(self.files) == 1 else "files"
        newer = f"; {self.lexical} by their tokens, which Python {_PYTHON} cannot parse" if self.lexical else ""
        left = f"; not read: {self.unread}" if self.unread is not None and str(self.unread) else ""
        reached = f"\nfollowed into {self.reached.summary()}" if self.reached is not None else ""
        return f"read {files} {noun}, {size:,} bytes{newer}{left}{reached}"

    def summary(self) -> str:
        """Return the counts and what was read, as two lines of text."""
        errors = sum(row.severity == "error" for row in self.findings)
        rows = ((self.modules, "module"), (self.nodes, "node"), (self.module_edges, "import"))
        counts = ", ".join(counted(*row) for row in rows)
        known = f", {self.accepted} in the baseline" if self.accepted else ""
        known += f", {self.excepted} excepted" if self.excepted else ""
        part = f"; {self.changed}" if self.changed else ""
        found = f"{counted(errors, 'error')}, {counted(len(self.findings) - errors, 'warning')}"
        return f"{counts}: {found}{known}{part}\n{self.read()}"


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
        environment: what the project imports from; None for what this interpreter does.
        recordings: look for secrets in recordings as well.
    """

    root: Path
    manifest: str
    lock: str | None = None
    write_lock: bool = False
    budgets: dict[str, int] = field(default_factory=dict)
    max_bytes: int | None = None
    environment: Environment | None = None
    recordings: bool = False


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
    manifest = _manifest(request, report)
    if manifest is None:
        return _ended(report, EXIT_CANNOT_CHECK)
    report.manifest_digest, report.nodes = manifest.digest, len(manifest.nodes)
    lock = _checked_lock(request, manifest, report.findings)
    if lock is None and report.findings:
        return _ended(report, EXIT_CANNOT_CHECK)
    limits = {**manifest.document["tool_budgets"], **request.budgets}
    if (read := _read_project(request, manifest, report, limits)) is None:
        return report
    _apply_rules(request, manifest, read, report)
    _hold_contracts(request, manifest, lock, read.graph, report)
    report.findings, in_code = excuse_in_code(read.graph, report.findings)
    report.findings, report.excepted = excuse(manifest, report.findings)
    report.excepted += in_code
    return _finish(report, limits["max_diags"])


@dataclass(frozen=True, slots=True)
class _Read:
    """What stands in a project's modules.

    Args:
        graph: its modules, their nodes and imports.
        names: which file a dotted name means.
        left_out: what the scan did not read.
        whole: each module could be read.
        self_edges: the project's settings judge imports within one node as well.
    """

    graph: Graph
    names: ModuleNames
    left_out: Unread
    whole: bool
    self_edges: bool


def _read_project(request: Request, manifest: Manifest, report: Report, limits: dict[str, int]) -> _Read | None:
    """Read the modules into a graph; None where the check ends here, for a reason that the report has."""
    settings = read_settings(request.root)
    files, left_out = module_files(request.root, manifest.scan)
    report.files, report.unread, report.modules = files, left_out, len(files)
    if not files and manifest.nodes:
        report.findings.append(_no_modules(request, manifest, left_out))
        _ended(report, EXIT_CANNOT_CHECK)
        return None
    if len(files) > limits["max_modules"]:
        _over(report, "max_modules", limits["max_modules"], f"the project has {len(files)} modules")
        return None
    try:
        names = ModuleNames(
            request.root, manifest.roots, (file.path for file in files if file.path.endswith(PYTHON_SUFFIXES))
        )
        modules, unread = read_modules(request.root, files, names, request.max_bytes, manifest.depth)
    except ArchError as error:
        report.findings.append(finding(BUDGET_CODE, error.message, path=error.where, hint=error.hint))
        _ended(report, EXIT_BUDGET)
        return None
    report.findings += unread
    report.lexical = sum(module.lexical for module in modules.values())
    graph = build_graph(request.root, manifest, modules, report.findings, names)
    _count(report, graph)
    if report.module_edges > limits["max_edges"]:
        _over(report, "max_edges", limits["max_edges"], f"the project has {report.module_edges} imports")
        return None
    report.checked = manifest, graph
    return _Read(graph, names, left_out, outcome(unread) == EXIT_CLEAN, settings.self_edges)


def _manifest(request: Request, report: Report) -> Manifest | None:
    """Return the manifest, None after a finding that says why it cannot be used; note the schema that it names."""
    document = manifest_document(request.root, request.manifest, report.findings)
    if report.findings:
        return None
    if schema := named_schema(document):
        report.editor_schemas.add(schema)
    return manifest_of(request.root, request.manifest, document, report.findings)


def _unchecked_domains(manifest: Manifest) -> list[str]:
    if not manifest.contracts:
        return []
    from x07py.arch.contracts_checks.drivers import unchecked_domains

    return unchecked_domains(manifest.contracts)


def _checked_lock(request: Request, manifest: Manifest, findings: list[Diagnostic]) -> ManifestLock | None:
    """Return the manifest's lock; None after a finding where it cannot be used, and without one where there is none."""
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
    if not request.write_lock:
        check_manifest_lock(manifest, lock, findings)
    return lock


def _no_modules(request: Request, manifest: Manifest, unread: Unread) -> Diagnostic:
    left = f" ({unread})" if str(unread) else ""
    return finding(
        "E_ARCH_NO_MODULES",
        f"the manifest has {len(manifest.nodes)} nodes, and {request.root.resolve().name}/ holds no module{left}",
        path=manifest.path,
        hint="check the project's folder, or scan.exclude; without code, a manifest has no nodes",
    )


def _count(report: Report, graph: Graph) -> None:
    report.modules = len(graph.modules)
    report.module_edges = graph.count_within_nodes()
    report.node_edges = len(graph.node_edges())


def _apply_rules(request: Request, manifest: Manifest, read: _Read, report: Report) -> None:
    root, graph, findings = request.root, read.graph, report.findings
    packages = read_package_modules(root)
    findings += check_modules(manifest, graph)
    findings += check_members(manifest, graph)
    findings += check_edges(manifest, graph, self_edges=read.self_edges)
    findings += check_chains(manifest, graph)
    if manifest.document["checks"].get("distributions"):
        from x07py.arch.rules.distributions import check_distributions

        findings += check_distributions(root, graph)
    findings += check_cycles(manifest, graph)
    findings += check_locked(graph, packages)
    findings += check_opened(graph, packages)
    findings += check_driver_worlds(manifest, graph, packages)
    reached, report.reached = check_worlds(root, manifest, graph, packages, request.environment)
    findings += reached
    findings += check_compiled(root, read.left_out)
    findings += check_excludes(root, manifest, read.left_out.excluded)
    findings += check_imported(root, graph, read.names, read.left_out.excluded)
    findings += check_names(manifest, graph) if read.whole else ()
    findings += check_profiles(root)
    if request.recordings:
        from x07py.arch.recordings import check_recordings

        findings += check_recordings(root)


def _hold_contracts(
    request: Request, manifest: Manifest, lock: ManifestLock | None, graph: Graph, report: Report
) -> None:
    """Check the contract files, suggest repairs, and write the locks or compare with the contracts' one."""
    before = len(report.findings)
    locked, repairs, schemas = _check_contracts(request.root, manifest, graph, report.findings)
    report.editor_schemas |= schemas
    if locked is not None and lock is None and request.lock is None and manifest.own_format:
        locked["files"][manifest.path] = {"jcs_sha256_hex": manifest.digest}
    report.contract_files = _named_files(manifest, locked)
    report.patches = merge([*suggest(request.root, manifest.path, report.findings), *repairs])
    faults = [row for row in report.findings[before:] if row.severity == "error" and "module_id" not in row.data]
    foreign = bool(_unchecked_domains(manifest))
    if request.write_lock and not faults:  # what is wrong in a module is no fault of the contracts
        _write_locks(request, manifest, lock, with_foreign(request.root, locked) if locked and foreign else locked)
    elif request.write_lock:
        report.findings.append(_not_locked(request))
    elif locked is not None:
        check_contracts_lock(request.root, locked, report.findings, foreign=foreign, manifest=manifest.path)


def _check_contracts(
    root: Path, manifest: Manifest, graph: Graph, findings: list[Diagnostic]
) -> tuple[dict[str, Any] | None, list[Patch], set[str]]:
    if not manifest.contracts:
        return None, [], set()
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


def _write_locks(
    request: Request, manifest: Manifest, before: ManifestLock | None, locked: dict[str, Any] | None
) -> None:
    if locked is None or manifest.path not in locked["files"] or request.lock:
        inside = None if request.lock else request.root  # a lock that somebody names may stand elsewhere
        replace_file(request.root / (request.lock or LOCK_PATH), manifest_lock_bytes(manifest, before), root=inside)
    if locked is not None:
        replace_file(request.root / CONTRACTS_LOCK_PATH, pretty(locked), root=request.root)


def _over(report: Report, budget: str, limit: int, what: str) -> Report:
    report.findings.append(
        finding(
            BUDGET_CODE,
            f"{what}, and tool_budgets.{budget} is {limit}",
            path=report.manifest_path,
            hint=f"raise {budget} in the manifest, or list folders that hold no code of yours in scan.exclude",
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
