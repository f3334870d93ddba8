"""The ``x07 pkg`` commands that only look: tree, why, list, info, outdated, verify, provides."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads it at run time)
from typing import TYPE_CHECKING, Annotated

from x07py.cli.commands import Exit, argument, option
from x07py.cli.output import Format, console
from x07py.cli.pkg_common import FormatOption, ProjectOption, print_report
from x07py.contracts.installed import installed_here
from x07py.contracts.lockfile import read_lock
from x07py.contracts.project import find_manifest, read_project
from x07py.errors import PackageError
from x07py.pkg import query
from x07py.pkg.closure import package_of

if TYPE_CHECKING:
    from x07py.contracts.lockfile import Lock

EXIT_FINDINGS = 20
EXIT_NOT_PROVIDED = 1
NameArgument = Annotated[str, argument(help="A package or a capability.")]


def _lock_here(project: Path | None) -> Lock | None:
    """Return the lock of the project, or None where there is no project or no lock."""
    manifest = project or find_manifest()
    return read_lock(read_project(manifest).root) if manifest is not None else None


def tree(
    invert: Annotated[bool, option("--invert", help="From each package to those that need it.")] = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Draw the locked packages as a tree.

    Example: x07 pkg tree --invert
    """
    found = read_project(project)
    lock = query.require_lock(found.root)
    needs = {name: sorted(need.name for need in row.needs) for name, row in lock.items()}
    if format is Format.json:
        nodes = [{"name": one.name, "version": one.version, "distribution": one.distribution} for one in lock.values()]
        edges = [{"from": name, "to": other} for name, others in needs.items() for other in others]
        roots = [row.name for row in lock.values() if row.direct]
        print_report("tree", {"project": str(found.file), "roots": roots, "nodes": nodes, "edges": edges})
        return
    below = {name: query.needed_by(lock, name) for name in lock} if invert else needs
    for name in [name for name, row in lock.items() if (not needs[name] if invert else row.direct)]:
        _draw(lock, below, name, "", "", set())
    if not lock:
        console(stderr=True).print("the project has no packages")


def _draw(lock: Lock, below: dict[str, list[str]], name: str, lead: str, rest: str, above: set[str]) -> None:
    clients = ", ".join(f"{client} {version}" for client, version in lock[name].clients.items())
    console().print(f"{lead}{name} {lock[name].version}{f' ({clients})' if clients else ''}")
    children = [] if name in above else below[name]
    for number, child in enumerate(children, 1):
        last = number == len(children)
        lines = ("└── ", "    ") if last else ("├── ", "│   ")
        _draw(lock, below, child, rest + lines[0], rest + lines[1], above | {name})


def why(name: NameArgument, project: ProjectOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Tell through which dependencies a package is there.

    Example: x07 pkg why ext-msg-core
    """
    lock = query.require_lock(read_project(project).root)
    plain = package_of(name, installed_here())
    ways = query.ways_to(lock, plain)
    if format is Format.json:
        print_report("why", {"name": plain, "version": lock[plain].version, "paths": ways})
        return
    for way in ways:
        console().print(" -> ".join(["project", *(f"{each} {lock[each].version}" for each in way)]))


def list_packages(project: ProjectOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """List the packages of this environment and of the lock, with versions, worlds and source.

    Example: x07 pkg list
    """
    rows = query.listed(installed_here(), _lock_here(project))
    if format is Format.json:
        print_report("list", {"packages": rows})
        return
    for row in rows:
        state = "locked" if row["locked"] == row["version"] else f"locked as {row['locked']}" if row["locked"] else ""
        names = ", ".join(row["capabilities"])
        told = [row["version"] or "not installed", names, row["source"], state]
        console().print(f"{row['name']}  {'  '.join(one for one in told if one)}")
        console().print(f"    {row['description']}; worlds: {', '.join(row['worlds'])}")


def info(name: NameArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Show what a package says of itself.

    Example: x07 pkg info msg.kafka
    """
    here = installed_here()
    plain = package_of(name, here)
    if plain not in here:
        hint = "x07 pkg list shows those that are"
        raise PackageError("X07PKG_NAME_UNKNOWN", f"no package {plain!r} is installed", hint=hint)
    found = here[plain]
    document = found.document
    facts = {
        "name": plain,
        "version": document.version,
        "description": document.description,
        "distribution": f"{found.distribution.name} {found.distribution.version}",
        "live": found.source,
        "worlds": list(document.worlds),
        "modules": list(document.modules),
        "capabilities": list(document.capabilities),
        "drivers": [f"{kind} = {value}" for kind, value in found.drivers.items()],
        "requires": [f"{need.name}@{need.requirement}" for need in document.requires],
        "clients": list(document.clients),
    }
    if format is Format.json:
        print_report("info", facts)
        return
    for key, value in facts.items():
        text = ", ".join(value) if isinstance(value, list) else value
        if text:
            console().print(f"{key + ':':<14}{text}")


def outdated(project: ProjectOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Ask the installer which distributions of the lock have newer versions.

    Example: x07 pkg outdated
    """
    rows = query.newer_distributions(query.require_lock(read_project(project).root))
    if format is Format.json:
        print_report("outdated", {"distributions": rows})
        return
    for row in rows:
        console().print(f"{row['name']} {row['version']} -> {row['latest']}")
    if not rows:
        console().print("nothing is outdated")


def verify(project: ProjectOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Compare every file of the locked packages, their drivers and clients with the lock.

    Example: x07 pkg verify
    """
    root = read_project(project).root
    rows = query.verdicts(root, query.require_lock(root), installed_here())
    broken = [row for row in rows if row["wrong"]]
    if format is Format.json:
        print_report("verify", {"packages": rows}, ok=not broken)
    else:
        for row in rows:
            _print_verdict(row)
        if not rows:
            console().print("the lock holds no packages: nothing was compared")
    if broken:
        raise Exit(EXIT_FINDINGS)


def _print_verdict(row: dict[str, object]) -> None:
    out = console()
    title = f"{row['name']} {row['version']}"
    if row["wrong"]:
        out.print(f"{title}: CHANGED: {row['wrong']}\n  help: {row['hint']}")
    elif row["live"]:
        out.print(f"{title}: live from {row['live']}: its files are not compared")
    else:
        out.print(f"{title}: ok, {row['files']} files compared")


def provides(
    text: Annotated[
        str, argument(metavar="MODULE|KIND|CAPABILITY", help="A module, the kind of a driver, or a capability.")
    ],
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Tell which installed package holds a module, registers a driver or is for a capability; exit code 1 if none does.

    Example: x07 pkg provides kafka
    """
    names = query.providers(text, installed_here())
    if format is Format.json:
        print_report("provides", {"text": text, "providers": names}, ok=bool(names))
    else:
        for name in names:
            console().print(f"{name}\n  help: x07 pkg add {name} --sync")
        if not names:
            console(stderr=True).print(f"no installed package provides {text}")
    if not names:
        raise Exit(EXIT_NOT_PROVIDED)
