"""`x07 arch init` and `check` on other people's projects, with import-linter and tach, and the imports against grimp's.

Each project is its source distribution as PyPI has it, downloaded by pip into ``build/projects`` once. `init` has to
leave a check that finds nothing. On the larger ones import-linter and tach run too, with a rule that says the same:
the package does not import ``antigravity``. grimp's imports of a package are compared with ours, type-only ones too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.measure import table, write
from x07py.arch.scan.module_files import is_importable

if TYPE_CHECKING:
    from x07py.arch.model import Import

FOLDER = Path("build/projects")
CACHE = Path("build/projects-cache")
"""Not in a project: the check believes nothing that is kept there."""
PROJECTS = [
    "ansible-core==2.19.14",
    "apache-airflow-core==3.3.2",
    "attrs==26.1.0",
    "black==26.10.1",
    "celery==5.7.0",
    "dask==2026.8.0",
    "django==5.2.19",
    "dvc==3.67.1",
    "fastapi==0.165.0",
    "flask==3.1.3",
    "hatch==1.18.2",
    "homeassistant==2024.3.3",
    "httpx==0.28.1",
    "litestar==2.25.0",
    "networkx==3.6.1",
    "nox==2026.10.20",
    "pdm==2.29.4",
    "pip==26.3",
    "poetry==2.5.1",
    "poetry-core==2.5.0",
    "prefect==3.9.1",
    "pydantic==2.14.4",
    "pytest==9.2.0",
    "requests==2.34.2",
    "rich==15.0.0",
    "salt==3008.5",
    "scrapy==2.19.0",
    "setuptools==84.2.1",
    "sphinx==9.0.4",
    "sqlglot==30.30.0",
    "sympy==1.14.0",
    "tornado==6.6.1",
    "transformers==5.24.0",
    "twisted==26.10.0",
    "wagtail==8.0.1",
]
PEERS = {"django": "django", "homeassistant": "homeassistant", "sympy": "sympy", "transformers": "src/transformers"}
GRIMP = {
    "attrs": "src/attr",
    "celery": "celery",
    "dask": "dask",
    "django": "django",
    "flask": "src/flask",
    "httpx": "httpx",
    "networkx": "networkx",
    "requests": "src/requests",
    "rich": "rich",
    "scrapy": "scrapy",
}
_BIN = Path(sys.executable).parent
_MOST_S = 60
_SETTLE_SECONDS = 2.2
"""Files that were just written are not trusted to be unchanged."""


class Run(NamedTuple):
    """One process: seconds, exit code, what it said."""

    seconds: float
    code: int
    text: str


def main() -> None:
    """Fetch, measure, compare; print and write the results."""
    first: list[list[object]] = []
    results: dict[str, Any] = {}
    for project in PROJECTS:
        root = fetch(project)
        results[project] = row = first_run(root)
        first.append([project.replace("==", " "), *row.values()])
    headings = ["project", "modules", "imports", "nodes", "excused", "init, s", "check, s", "nothing changed, s"]
    text = table(headings, first)
    peers = [row for name, package in PEERS.items() for row in against_peers(name, package)]
    text += "\n" + table(["project", "tool", "cold, s", "again, s"], peers)
    edges = [against_grimp(name, package) for name, package in GRIMP.items()]
    text += "\n" + table(["package", "imports of both", "ours alone", "grimp's alone"], edges)
    results |= {"peers": peers, "grimp": edges}
    write("projects", "make bench-projects", ["x07py", "import-linter", "grimp", "tach"], results, text)


def fetch(project: str) -> Path:
    """Return the folder of an unpacked source distribution, downloading it if it is not there."""
    name, _, version = project.partition("==")
    unpacked = FOLDER / f"{name.replace('-', '_')}-{version}"
    if not unpacked.is_dir():
        FOLDER.mkdir(parents=True, exist_ok=True)
        command = [
            str(_BIN / "pip"),
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            ":all:",
            "-d",
            str(FOLDER),
            project,
        ]
        subprocess.run(command, check=True)
        archive = next(FOLDER.glob(f"{unpacked.name}.tar.gz"))
        with tarfile.open(archive) as file:
            file.extractall(FOLDER, filter="data")
    return unpacked


def first_run(root: Path) -> dict[str, object]:
    """Return what `init` made of a project, and how long it and two checks took; end if one does not end well."""
    shutil.rmtree(root / "arch", ignore_errors=True)
    shutil.rmtree(CACHE, ignore_errors=True)
    started = run(root, "x07", "arch", "init")
    shutil.rmtree(CACHE, ignore_errors=True)
    time.sleep(_SETTLE_SECONDS)
    cold = run(root, "x07", "arch", "check", "--format", "json")
    run(root, "x07", "arch", "check")
    warm = run(root, "x07", "arch", "check")
    for one in (started, cold, warm):
        if one.code or "Traceback" in one.text or one.seconds > _MOST_S:
            raise SystemExit(f"{root.name}: exit {one.code} after {one.seconds:.1f} s\n{one.text[-2000:]}")
    stats = json.loads(cold.text)["stats"]
    manifest = json.loads((root / "arch/manifest.x07arch.json").read_text(encoding="utf-8"))
    counts = {"modules": stats["modules"], "imports": stats["module_edges"], "nodes": stats["nodes"]}
    times = {"init": started, "cold": cold, "warm": warm}
    excused = len(manifest.get("exceptions", ()))
    return {**counts, "excused": excused, **{name: f"{one.seconds:.2f}" for name, one in times.items()}}


def run(root: Path, program: str, *args: str) -> Run:
    """Run a tool in a project, with its caches there."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(CACHE.resolve())}
    environment["PYTHONPATH"] = os.pathsep.join([str(root.resolve()), str(root.resolve() / "src")])
    started = time.perf_counter()
    done = subprocess.run(
        [str(_BIN / program), *args], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return Run(time.perf_counter() - started, done.returncode, done.stdout + done.stderr)


def against_peers(name: str, package: str) -> list[list[object]]:
    """Return seconds of each tool, cold and again, for a rule that holds and asks for the whole graph."""
    root = fetch(next(one for one in PROJECTS if one.startswith(f"{name}==")))
    top, above = Path(package).name, str(Path(package).parent)
    (root / ".importlinter").write_text(
        f"[importlinter]\nroot_package = {top}\ninclude_external_packages = True\n[importlinter:contract:one]\n"
        f"name = one\ntype = forbidden\nsource_modules = {top}\nforbidden_modules = antigravity\n"
        "allow_indirect_imports = True\n",
        encoding="utf-8",
    )
    (root / "tach.toml").write_text(
        f'source_roots = ["{above}"]\nexclude = []\n[[modules]]\npath = "{top}"\ndepends_on = []\n', encoding="utf-8"
    )
    manifest = root / "arch/manifest.x07arch.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["rules"] = [{"kind": "forbidden_v1", "id": "one", "from": ["*"], "externals": ["antigravity"]}]
    document["rules"][0]["allow_indirect"] = True
    manifest.write_text(json.dumps(document), encoding="utf-8")
    run(root, "x07", "arch", "check", "--write-lock")
    tools = {
        "x07 arch check": ("x07", "arch", "check"),
        "import-linter": ("lint-imports",),
        "tach": ("tach", "check"),
    }
    time.sleep(_SETTLE_SECONDS)
    rows: list[list[object]] = []
    for tool, command in tools.items():
        for cache in (CACHE, root / ".import_linter_cache", root / ".tach"):
            shutil.rmtree(cache, ignore_errors=True)
        cold, again = run(root, *command), run(root, *command)
        if cold.code or again.code:
            raise SystemExit(f"{tool} ended with {cold.code} on {name}:\n{cold.text[-2000:]}")
        rows.append([name, tool, f"{cold.seconds:.2f}", f"{again.seconds:.2f}"])
    return rows


def against_grimp(name: str, package: str) -> list[object]:
    """Return how many imports inside a package both find, and those that one finds alone, by why."""
    root = fetch(next(one for one in PROJECTS if one.startswith(f"{name}==")))
    top, above = Path(package).name, Path(package).parent
    theirs = _grimp(root / above, top)
    ours = _ours(root, above, top)
    both = theirs & ours.keys()
    alone = [ours[pair] for pair in ours.keys() - theirs], [_why_not(pair) for pair in theirs - ours.keys()]
    counts = [", ".join(f"{count} {why}" for why, count in sorted(Counter(rows).items())) or 0 for rows in alone]
    if "OTHER" in f"{counts}":
        raise SystemExit(f"{name}: an import that only one of both finds, and nobody knows why: {counts}")
    return [top, len(both), *counts]


def _grimp(folder: Path, top: str) -> set[tuple[str, str]]:
    code = (
        f"import grimp, json; g = grimp.build_graph({top!r}, cache_dir=None); "
        "print(json.dumps([[m, i] for m in sorted(g.modules) for i in g.find_modules_directly_imported_by(m)]))"
    )
    environment = {**os.environ, "PYTHONPATH": str(folder.resolve())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return {(importer, imported) for importer, imported in json.loads(done.stdout)}


def _ours(root: Path, above: Path, top: str) -> dict[tuple[str, str], str]:
    """Return our imports inside a package, each with what may make it ours alone."""
    from x07py.arch.graph import build_graph
    from x07py.arch.manifest import read_manifest
    from x07py.arch.project import MANIFEST_PATH
    from x07py.arch.scan.module_files import module_files
    from x07py.arch.scan.module_names import ModuleNames
    from x07py.arch.scan.tree import read_modules

    manifest = read_manifest(root, MANIFEST_PATH, [])
    if manifest is None:
        raise SystemExit(f"{root.name} has no manifest")
    manifest.document.setdefault("scan", {})["type_imports"] = True
    files, _ = module_files(root, manifest.scan)
    names = ModuleNames(root, [above.as_posix()], [file.path for file in files if file.path.endswith(".py")])
    modules, _ = read_modules(root, files, names, None, lambda _name, _path: 0)
    graph = build_graph(root, manifest, modules, [], names)
    inside = {
        (importer, target): origin
        for importer, imported in graph.inside.items()
        for target, origin in imported.items()
        if importer.partition(".")[0] == target.partition(".")[0] == top
    }
    packages = {name for name, module in modules.items() if module.path.endswith("/__init__.py")}
    return {pair: _why(pair, origin, packages) for pair, origin in inside.items()}


def _why(pair: tuple[str, str], origin: Import, packages: set[str]) -> str:
    """Return why grimp may lack an import that we have."""
    if origin[2] == "dynamic":
        return "by name"
    if any(not set(_above(name)) <= packages for name in pair):
        return "in folders without __init__"
    if pair[1] not in packages and origin[0].startswith(f"{pair[1]}."):
        return "below a module that is no package"
    return "OTHER"


def _above(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _why_not(pair: tuple[str, str]) -> str:
    """Return why we lack an import that grimp has."""
    if pair[0] == pair[1]:
        return "of a module by itself"
    if not all(is_importable(part) for name in pair for part in name.split(".")):
        return "of files with names that no import can write"
    return "OTHER"


if __name__ == "__main__":
    main()
