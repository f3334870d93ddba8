"""This repository keeps its own rooms: each import that the drawing forbids is put in, and each is found."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import pytest

from tests.arch.trees import run
from tests.support.project import REPOSITORY
from x07py.arch.check import Report
from x07py.arch.graph import build_graph
from x07py.arch.manifest import Manifest
from x07py.arch.rules.cycles import check_cycles
from x07py.arch.scan.module_names import ModuleNames

LEVELS = (
    ("errors",),
    ("files",),
    ("tables",),
    ("msg",),
    ("serialization",),
    ("contracts",),
    ("budgets", "effects", "metrics"),
    ("rr",),
    ("brokers",),
    ("drivers",),
    ("pumping",),
    ("wire",),
    ("testing",),
    ("arch", "pkg", "run", "explore"),
    ("asyncapi", "scaffold"),
    ("cli",),
    ("face",),
)
"""The rooms, the lowest first: each may import what is below it, and none beside it."""
SEE_THE_SANDBOX = {"testing", "run", "cli"}
"""The sandbox stands apart: it imports errors and files alone, and these alone import it."""
ROOMS = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}


def is_allowed(source: str, target: str) -> bool:
    if source == "sandbox":
        return target in {"errors", "files"}
    if target == "sandbox":
        return source in SEE_THE_SANDBOX
    return ROOMS[target] < ROOMS[source]


@pytest.fixture(scope="module")
def clean() -> Report:
    return run(REPOSITORY)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree as it stands, for one test to break."""
    root = tmp_path_factory.mktemp("tree")
    for folder in ("arch", "x07py"):
        shutil.copytree(REPOSITORY / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "x07py_start.py", root)
    return root


def manifest_of(report: Report) -> Manifest:
    assert report.checked is not None
    return report.checked[0]


def modules_of(report: Report) -> dict[str, list[tuple[str, str]]]:
    """Name and path of the modules of each room, sorted."""
    assert report.checked is not None
    graph = report.checked[1]
    found: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(graph.modules):
        found.setdefault(graph.node_of[name].id, []).append((name, graph.modules[name].path))
    return found


def test_the_tree_is_clean_and_nothing_of_it_is_left_out(clean: Report) -> None:
    found = clean.findings
    if not (
        REPOSITORY / ".git"
    ).exists():  # unpacked from the sdist: nothing says that git ignores build/, which is not there
        found = [row for row in found if row.code != "W_ARCH_EXCLUDE_UNUSED"]
    assert [row.message for row in found] == []
    templates = REPOSITORY / "x07py/scaffold/templates"
    files = {path for path in (REPOSITORY / "x07py").rglob("*.py") if templates not in path.parents}
    assert files <= {REPOSITORY / file.path for file in clean.files}


def test_the_manifest_has_the_rooms_of_the_drawing(clean: Report) -> None:
    assert {node.id for node in manifest_of(clean).nodes} == ROOMS.keys() | {"sandbox"}


def test_the_page_about_the_rooms_draws_them_in_their_order(clean: Report) -> None:
    page = (REPOSITORY / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    drawn = [line[:26].split() for line in page.split("```")[1].splitlines()[1:]]
    [rule] = manifest_of(clean).rules("layers_v1")
    order = [name for level in rule["layers"] for name in level if name != "face"]
    assert sorted(name for row in drawn for name in row) == sorted(order)
    above = {name: level for level, row in enumerate(drawn) for name in row}
    for source, target in itertools.combinations(reversed(order), 2):
        assert above[source] <= above[target], f"{source} is drawn below {target}"


def test_a_room_may_import_only_the_packages_that_it_uses(clean: Report) -> None:
    manifest = manifest_of(clean)
    assert clean.checked is not None
    graph = clean.checked[1]
    used = {
        (node.id, name.partition(".")[0]) for module, node in graph.node_of.items() for name in graph.outside[module]
    }
    listed = manifest.document["externals"]["allowed_import_prefixes"]
    admitted = {(node.id, name) for node in manifest.nodes for name in listed if name not in node.deny_prefixes}
    idle = sorted(admitted - used)
    assert idle == [], "add each package to imports.deny_prefixes of its room in arch/manifest.x07arch.json"


def test_imports_for_type_checkers_keep_the_rooms_and_make_no_circle(clean: Report) -> None:
    assert clean.checked is not None
    manifest, graph = clean.checked
    modules = {
        name: module._replace(imports=tuple((base, names, "run", at) for base, names, _, at in module.imports))
        for name, module in graph.modules.items()
        if graph.node_of[name].id != "face"  # its names are imported when they are first used
    }
    whole = build_graph(REPOSITORY, manifest, modules, [], ModuleNames(REPOSITORY, manifest.roots))
    assert [row.data["cycle_nodes"] for row in check_cycles(manifest, whole)] == []
    pairs = whole.node_edges()
    assert sorted(pair for pair in pairs if not is_allowed(*pair)) == []


def test_each_forbidden_import_is_found(clean: Report, copy: Path) -> None:
    modules = modules_of(clean)
    pairs = [(a, b) for a in modules for b in modules if a != b and not is_allowed(a, b)]
    packages = [(node.id, name) for node in manifest_of(clean).nodes for name in node.deny_prefixes]
    areas = {(modules[room][-1][1], area) for room in modules for area in ("bench", "tests")}
    wanted: dict[str, str] = {modules[room][-1][1]: "" for room in modules}
    for source, target in pairs:
        wanted[modules[source][-1][1]] += f"import {modules[target][0][0]}\n"
    for source, package in packages:
        wanted[modules[source][-1][1]] += f"import {package}\n"
    for path, area in areas:
        wanted[path] += f"import {area}\n"
    for path, lines in wanted.items():
        (copy / path).write_text(f"{(copy / path).read_text()}\n{lines}")
    report = run(copy)
    refusals = {"E_ARCH_LAYERS_VIOLATION", "E_ARCH_DEPS_DENY", "E_ARCH_VISIBILITY"}
    found = {(row.data["node_from"], row.data["node_to"]) for row in report.findings if row.code in refusals}
    assert sorted(set(pairs) - found) == []
    denied = [row.data for row in report.findings if row.code == "E_ARCH_IMPORT_PREFIX_DENIED"]
    assert sorted(set(packages) - {(data["node"], data["denied_prefix"]) for data in denied}) == []
    outside = [row.data for row in report.findings if row.code == "E_ARCH_EXTERNAL_IMPORT_NOT_ALLOWED"]
    assert sorted(areas - {(data["module_path"], data["import"]) for data in outside}) == []
