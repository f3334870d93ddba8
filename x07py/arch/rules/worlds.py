"""Solve worlds hold nothing that reaches the operating system or differs between runs, whatever it is called through.

What the functions of solve nodes reach is worked out over the whole program: the project, the standard library and the
installed packages. A finding stands where its chain starts; what a function of a solve node does is said of that
function and not of those that call it, so that one cause gives one finding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.arch.model import finding
from x07py.arch.scan.module_files import PYTHON_SUFFIXES
from x07py.arch.scan.scopes import NAMES_OF_OPEN_DRIVER
from x07py.effects.analysis import Answer, Question, analyze
from x07py.effects.finder import this_environment
from x07py.osbound import os_bound_table
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.arch.graph import Graph
    from x07py.arch.manifest import Manifest
    from x07py.arch.packages import PackageModules
    from x07py.diag import Diagnostic
    from x07py.effects.finder import Environment
    from x07py.effects.graph import Reach

OPENS = "E_ARCH_DRIVER_WORLD"
CODES = {
    "clock": "E_ARCH_CALL_CLOCK",
    "randomness": "E_ARCH_CALL_RANDOMNESS",
    "environment": "E_ARCH_CALL_ENVIRONMENT",
    "files": "E_ARCH_CALL_FILES",
    "files-read": "E_ARCH_CALL_FILES",
    "files-write": "E_ARCH_CALL_FILES",
    "network": "E_ARCH_CALL_NETWORK",
    "processes": "E_ARCH_CALL_PROCESSES",
    "threads": "E_ARCH_CALL_THREADS",
    "event-loop": "E_ARCH_CALL_THREADS",
    "parallel": "E_ARCH_CALL_THREADS",
    "native": "E_ARCH_CALL_NATIVE",
    "dynamic": "E_ARCH_CALL_DYNAMIC",
    "identity": "E_ARCH_CALL_IDENTITY",
    "order": "E_ARCH_SET_ORDER",
    "unread": "E_ARCH_NOT_READ",
    "driver": OPENS,
}
_SPECIAL = {"import ?": "E_ARCH_DYNAMIC_IMPORT", "hash": "E_ARCH_CALL_IDENTITY"}
_OWN = ("x07py",)
"""Modules that the runner answers for: its drivers replay in solve worlds."""
_WHY_NOT = "that world has neither a network nor cassettes (9610)"
_INSTEAD = "open it in an adapter in a run-os node, or in a solve-rr node that only replays"


def check_worlds(
    root: Path, manifest: Manifest, graph: Graph, packages: PackageModules, environment: Environment | None = None
) -> tuple[list[Diagnostic], Answer | None]:
    """Return what modules of solve nodes reach that their world refuses, and what was read to tell.

    Args:
        root: the project's folder.
        manifest: says which module is in which world.
        graph: the project's modules.
        packages: locked packages, which say themselves which worlds they are for.
        environment: what the project imports from; by default what this interpreter does.
    """
    if not manifest.checks("enforce_world_caps"):
        return [], None
    solve = {name: node.world for name, node in graph.node_of.items() if WORLDS[node.world].solve}
    findings = [row for name in sorted(solve) for row in _packages(name, solve[name], graph, packages)]
    judged = tuple(sorted(name for name in solve if graph.modules[name].path.endswith(PYTHON_SUFFIXES)))
    if not judged:
        return findings, None
    base = root.resolve()
    project = {name: f"{base}/{row.path}" for name, row in graph.modules.items() if row.path.endswith(PYTHON_SUFFIXES)}
    trusted = (*(name for name in _OWN if name not in project), *sorted(packages.locked))
    environment = environment or this_environment()
    told = {} if "x07py" in project else dict.fromkeys(NAMES_OF_OPEN_DRIVER, ("driver", f"{_WHY_NOT}; {_INSTEAD}"))
    answer = analyze(Question(project, judged, environment, _refused(), trusted, told, base))
    admitted = {name: _admitted(solve[name]) for name in judged}
    for name in judged:
        reaches = answer.findings(name, admitted)
        by_text = _lines_that_open(graph, name)
        findings += [
            _finding(name, solve[name], graph, reach)
            for reach in reaches
            if reach.end.capability != "driver" or reach.chain.step.line not in by_text
        ]
    return findings, answer


def _admitted(world: str) -> frozenset[str]:
    return os_bound_table().admits[world] | ({"driver"} if WORLDS[world].opens_drivers else set())


def _lines_that_open(graph: Graph, name: str) -> set[int]:
    """Return the lines of a module whose text shows a call of `open_driver`, which is reported with its kind."""
    module = graph.modules[name]
    return {graph.sources.line(module.path, offset) for scope, _, _, offset in module.scopes if scope == "driver"}


def _refused() -> dict[str, tuple[str, str, str]]:
    """Return the modules of the standard library that have no use but the operating system."""
    rows = [row for row in os_bound_table().modules.values() if row.origin == "standard library"]
    return {row.name: (row.capability, row.name, row.reason) for row in rows}


def _packages(name: str, world: str, graph: Graph, packages: PackageModules) -> Iterator[Diagnostic]:
    for target in sorted(graph.outside[name]):
        package = packages.owner(target)
        if package is not None and world not in package.worlds:
            edge = graph.edge(name, target)
            reason = f"belongs to package {package.name}, which allows {', '.join(package.worlds)}"
            yield finding(
                "E_ARCH_OS_IMPORT",
                f"{name} ({world}) reaches {target}; {target} {reason}",
                **graph.at(edge),
                hint="move this to an adapter in a run-os node and pass values in",
                data={**_facts(name, world, graph), "import": target, "capability": "package", "chain": [name, target]},
            )


def _facts(name: str, world: str, graph: Graph) -> dict[str, Any]:
    return {
        "node": graph.node_of[name].id,
        "world": world,
        "module_id": name,
        "module_path": graph.modules[name].path,
    }


def _finding(name: str, world: str, graph: Graph, reach: Reach) -> Diagnostic:
    first, *rest = reach.steps
    end = reach.end
    what, _, hint = end.reason.partition("; ")
    by_import = bool(rest and not rest[0].function) or end.name in _refused()
    code = "E_ARCH_OS_IMPORT" if by_import else _SPECIAL.get(end.name, CODES[end.capability])
    shown = end.name.removeprefix("builtins.")
    through = f" through {first.target}" if rest else ""
    subject = f"{name} ({world}) reaches {shown}{through}" if rest or by_import else f"{shown} in a {world} module"
    place = graph.sources.at_line(graph.modules[name].path, first.line)
    return finding(
        code,
        f"{subject}: {what}",
        **place,
        hint=hint or "move this to an adapter in a run-os node and pass values in",
        notes=tuple(_notes(reach, graph)) if rest else (),
        data={
            **_facts(name, world, graph),
            "name": end.name,
            "capability": end.capability,
            "chain": [(first.function and f"{name}.{first.function}") or name, *(step.target for step in reach.steps)],
            **({"import": first.target} if by_import else {"import": "", "package": ""} if code == OPENS else {}),
        },
    )


def _notes(reach: Reach, graph: Graph) -> Iterator[str]:
    """Yield the steps of a chain: which line imports or calls what."""
    imports = [not step.function for step in reach.steps[1:]] + [reach.end.name in _refused()]
    for step, is_import in zip(reach.steps, imports, strict=True):
        module = graph.modules.get(step.module)
        place = module.path if module is not None else step.module
        verb = "imports" if is_import else "reaches"
        yield f"{place}:{step.line} {verb} {step.target.removeprefix('builtins.')}"
