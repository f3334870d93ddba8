"""The ``x07 pkg`` commands that only look: tree, why, list, info, versions, outdated, audit, verify, provides."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.cli.output import Format, console
from x07py.cli.pkg_common import (
    FormatOption,
    IndexOption,
    OfflineOption,
    ProjectOption,
    app,
    is_offline,
    open_index,
    open_project,
    print_report,
)
from x07py.contracts.lockfile import read_lock
from x07py.contracts.semver import parse_range
from x07py.errors import PackageError
from x07py.pkg import query
from x07py.pkg.intent import parse_spec
from x07py.pkg.local import capabilities, toolchain_packages
from x07py.pkg.resolve import name_unknown
from x07py.pkg.sources import Sources

if TYPE_CHECKING:
    from x07py.contracts.lockfile import Lock
    from x07py.pkg.entry import Entry

EXIT_FINDINGS = 20
EXIT_NOT_PROVIDED = 1
NameArgument = Annotated[str, typer.Argument(help="A package or a capability.")]


@app.command()
def tree(
    invert: Annotated[bool, typer.Option("--invert", help="From each package to those that need it.")] = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Draw the locked packages as a tree.

    Example: x07 pkg tree --invert
    """
    found = open_project(project, None)
    lock = query.require_lock(found)
    if format is Format.json:
        nodes = [{"name": row.name, "version": row.version, "source": row.source} for row in lock.packages.values()]
        edges = [{"from": by, "to": row.name} for row in lock.packages.values() for by in row.required_by]
        roots = [row.name for row in lock.packages.values() if row.direct]
        print_report("tree", {"project": str(found.file), "roots": roots, "nodes": nodes, "edges": edges})
        return
    needs = {name: sorted(text.partition("@")[0] for text in row.requires) for name, row in lock.packages.items()}
    below = {name: list(row.required_by) for name, row in lock.packages.items()} if invert else needs
    tops = [name for name, row in sorted(lock.packages.items()) if (not needs[name] if invert else row.direct)]
    for line in _drawn(lock, tops, below):
        console().print(line)
    if not lock.packages:
        console(stderr=True).print("the project has no packages")


def _drawn(lock: Lock, tops: list[str], below: dict[str, list[str]]) -> list[str]:
    lines: list[str] = []
    told: set[str] = set()
    stack = [(name, "", "", "") for name in reversed(tops)]
    while stack:
        name, lead, branch, rest = stack.pop()
        again = name in told and bool(below[name])
        lines.append(f"{lead}{branch}{name} {lock.packages[name].version}{' (*)' if again else ''}")
        if again:
            continue
        told.add(name)
        children = below[name]
        marks = ["└── " if at == len(children) - 1 else "├── " for at in range(len(children))]
        stack += [
            (child, lead + rest, mark, "    " if mark == "└── " else "│   ")
            for child, mark in reversed(list(zip(children, marks, strict=True)))
        ]
    return lines


@app.command()
def why(name: NameArgument, project: ProjectOption = None, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Tell through which dependencies a package is there.

    Example: x07 pkg why ext-msg-core
    """
    lock = query.require_lock(open_project(project, None))
    plain, _ = parse_spec(name)
    ways = query.why(lock, plain)
    if format is Format.json:
        print_report("why", {"name": plain, "version": lock.packages[plain].version, "paths": ways})
        return
    for way in ways:
        console().print(" -> ".join(["project", *(f"{each} {lock.packages[each].version}" for each in way)]))


@app.command("list")
def list_packages(
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """List what can be added: capabilities, packages of x07py, packages of the index.

    Example: x07 pkg list
    """
    found = open_project(project, index)
    lock = read_lock(found.root)
    with open_index(found, offline=offline) as source:
        names = list(source.names()) if source is not None else []
    by_name = {row["canonical"]["name"]: row for row in capabilities().values()}
    rows: list[dict[str, Any]] = []
    for name in sorted({*toolchain_packages(), *names}):
        locked = lock.packages.get(name) if lock is not None else None
        known = by_name.get(name, {})
        kind = "toolchain" if name in toolchain_packages() else "index"
        facts = {"name": name, "source": kind, "locked": locked.version if locked is not None else None}
        rows.append({**facts, "capability": known.get("id"), "summary": known.get("summary")})
    if format is Format.json:
        print_report("list", {"index": found.index_url, "packages": rows})
        return
    for row in rows:
        extra = [row["capability"] or "", row["summary"] or "", f"locked {row['locked']}" if row["locked"] else ""]
        console().print("  ".join([row["name"], *(text for text in extra if text)]))


def _entries(name: str, found: Any, offline: bool) -> list[Entry]:
    """Return every version of a package, ascending."""
    with open_index(found, offline=offline) as source:
        offered = Sources(found, None, source).offered(name)
        if not offered:
            raise name_unknown(name, source)
    return [offered[version] for version in sorted(offered)]


@app.command()
def info(
    spec: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", help="A package or a capability.")],
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Tell what a package is, needs and allows.

    Example: x07 pkg info msg.kafka
    """
    found = open_project(project, index)
    name, wanted = parse_spec(spec)
    fits = [row for row in _entries(name, found, offline) if parse_range(wanted or "*").contains(row.version)]
    if not fits:
        raise PackageError(
            "X07PKG_INDEX_NO_MATCH",
            f"{name} has no version {wanted or 'that is a release'}",
            hint=f"x07 pkg versions {name}",
        )
    best = [row for row in fits if not row.yanked] or fits
    entry = best[-1]
    facts = {
        "name": name,
        "version": entry.version.text,
        "source": entry.source,
        "sha256": entry.archive_sha256,
        "yanked": entry.yanked,
        "advisories": [dict(row) for row in entry.advisories],
    }
    if format is Format.json:
        print_report("info", {"index": found.index_url, **facts, "package_manifest": dict(entry.manifest)})
        return
    requires = ", ".join(f"{other} {bound.text}" for other, bound in sorted(entry.requires.items()))
    rows = {
        "": str(entry.manifest.get("description", "")),
        "source": entry.source,
        "licence": str(entry.manifest.get("license", "not stated")),
        "worlds": ", ".join(entry.worlds),
        "modules": ", ".join(entry.modules),
        "requires": requires or "nothing",
        "distributions": ", ".join(entry.requires_dists) or "none",
        "yanked": "yes" if entry.yanked else "",
        "advisories": ", ".join(str(row["id"]) for row in entry.advisories),
    }
    console().print(f"{name} {entry.version.text}")
    for label, text in rows.items():
        if text:
            console().print(f"  {label:<14}{text}" if label else f"  {text}")


@app.command()
def versions(
    name: NameArgument,
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """List the versions of a package.

    Example: x07 pkg versions ext-msg-core
    """
    found = open_project(project, index)
    plain, _ = parse_spec(name)
    entries = _entries(plain, found, offline)
    if format is Format.json:
        rows = [
            {
                "version": row.version.text,
                "yanked": row.yanked,
                "compatible": row.compatible,
                "advisories": [dict(each) for each in row.advisories],
            }
            for row in entries
        ]
        print_report("versions", {"index": found.index_url, "name": plain, "versions": rows})
        return
    for row in entries:
        notes = ["yanked"] if row.yanked else []
        notes += [] if row.compatible or row.compat is None else [f"needs x07py {row.compat.text}"]
        notes += [f"advisory {each['id']}" for each in row.advisories]
        console().print("  ".join([row.version.text, *notes]))


@app.command()
def outdated(
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """List locked packages of which newer versions exist.

    Example: x07 pkg outdated
    """
    found = open_project(project, index)
    lock = query.require_lock(found)
    with open_index(found, offline=offline) as source:
        rows = query.outdated(found, lock, source)
    if format is Format.json:
        print_report("outdated", {"packages": [asdict(row) for row in rows]})
        return
    for row in rows:
        within = f", {row.compatible} fits the ranges" if row.compatible != row.version else ""
        console().print(f"{row.name} {row.version}: newest {row.newest}{within}")
    if not rows:
        console().print("everything is at its newest version")


@app.command()
def audit(
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Tell which locked packages are yanked or have advisories; offline, as recorded in the lock.

    Example: x07 pkg audit
    """
    found = open_project(project, index)
    lock = query.require_lock(found)
    with open_index(found, offline=offline) as source:
        rows = query.audit(found, lock, None if is_offline(offline) else source)
    if format is Format.json:
        print_report("audit", {"findings": rows}, ok=not rows)
    else:
        for row in rows:
            what = "was yanked" if row["kind"] == "yanked" else f"advisory {row['id']} {row.get('severity') or ''}"
            console().print(f"{row['name']} {row['version']}: {what.strip()} {row.get('summary') or ''}".rstrip())
        console().print(f"{len(lock.packages)} packages, {len(rows)} findings")
    if rows:
        raise typer.Exit(EXIT_FINDINGS)


@app.command()
def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Packages; all of the lock if none is given.")] = None,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Check every file of the installed packages against the lock.

    Example: x07 pkg verify
    """
    found = open_project(project, None)
    rows = query.verify(found, query.require_lock(found), [parse_spec(name)[0] for name in names or []])
    ok = all(row["ok"] for row in rows)
    if format is Format.json:
        print_report("verify", {"packages": rows}, ok=ok)
    else:
        for row in rows:
            console().print(f"{row['name']} {row['version']}: {'ok' if row['ok'] else row['message']}")
            if not row["ok"]:
                console().print(f"  {row['code']}; help: {row['hint']}")
    if not ok:
        raise typer.Exit(EXIT_FINDINGS)


@app.command()
def provides(
    module: Annotated[str, typer.Argument(help="A dotted module name.")],
    index: IndexOption = None,
    offline: OfflineOption = False,
    project: ProjectOption = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Tell which package has a module; exit code 1 if none has.

    Example: x07 pkg provides x07py.drivers.kafka
    """
    found = open_project(project, index)
    with open_index(found, offline=offline) as source:
        rows = query.provides(read_lock(found.root), found, source, module)
    if format is Format.json:
        print_report("provides", {"module_id": module, "providers": rows}, ok=bool(rows))
    else:
        for row in rows:
            hint = "in the lock" if row["locked"] else f"x07 pkg add {row['name']} --sync"
            console().print(f"{row['name']} {row['version']}  {row['kind']}, {hint}")
        if not rows:
            console(stderr=True).print(f"no package provides {module}")
    if not rows:
        raise typer.Exit(EXIT_NOT_PROVIDED)
