"""``x07 arch``: check a project's imports, worlds and contracts."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from x07py.arch.check import Report, Request, check
from x07py.arch.editor import place_schemas
from x07py.arch.lock import LOCK_PATH
from x07py.arch.project import MANIFEST_PATH, project_folder
from x07py.arch.repair import apply, patchset
from x07py.cli.arch_graph import graph
from x07py.cli.arch_show import print_text, report_document
from x07py.cli.arch_watch import watch
from x07py.cli.commands import Commands, Exit, option
from x07py.cli.output import Format, console, print_json
from x07py.cli.unseen import print_unseen
from x07py.effects.finder import environment_of
from x07py.errors import UsageError
from x07py.files import replace_file
from x07py.printing import counted

if TYPE_CHECKING:
    from x07py.arch.check import Report
    from x07py.arch.init import Convert

app: Commands = Commands("Check what the code may import, in which world, and the contract files under arch/.")


class ArchFormat(StrEnum):
    """The values of ``--format`` of `x07 arch check`."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


@app.command("check")
def check_command(
    manifest: Annotated[str, option(help="The manifest, relative to the root.")] = MANIFEST_PATH,
    lock: Annotated[str | None, option(help="The manifest lock, relative to the root.")] = None,
    write_lock: Annotated[bool, option("--write-lock", help="Write both locks.")] = False,
    repo_root: Annotated[
        Path | None, option(help="The project's folder; default: the nearest here or above with a manifest.")
    ] = None,
    emit_patch: Annotated[
        Path | None, option(metavar="FILE", help="Write the suggested repairs as a patch set.")
    ] = None,
    write: Annotated[bool, option("--write", help="Apply the suggested repairs, then check again.")] = False,
    allow_widening: Annotated[
        bool, option("--allow-widening", help="With --write: also those that allow more than before.")
    ] = False,
    baseline: Annotated[
        Path | None, option(metavar="FILE", help="Accept the findings that this file holds; only new ones fail.")
    ] = None,
    update_baseline: Annotated[
        bool, option("--update-baseline", help="Make the baseline, or drop from it what no longer occurs.")
    ] = False,
    changed: Annotated[
        bool, option("--changed", help="Report only on what git says is not committed, and what depends on it.")
    ] = False,
    since: Annotated[
        str | None, option(metavar="REF", help="With --changed: on what differs since HEAD left this branch.")
    ] = None,
    python: Annotated[Path | None, option(help="A virtual environment to read packages from; it is not run.")] = None,
    explain: Annotated[
        bool, option("--explain", help="Also which calls could not be followed, and what was left out.")
    ] = False,
    secrets: Annotated[
        bool, option("--secrets", help="Also look for secrets in recordings, as x07 rr scan does.")
    ] = False,
    max_modules: Annotated[int | None, option(min=0, help="Most modules.")] = None,
    max_edges: Annotated[int | None, option(min=0, help="Most imports.")] = None,
    max_diags: Annotated[int | None, option(min=0, help="Most findings.")] = None,
    max_bytes_in: Annotated[int | None, option(min=0, help="Most bytes of modules.")] = None,
    format: Annotated[ArchFormat, option(help="How to print.")] = ArchFormat.text,  # noqa: A002
) -> None:
    """Check a project; exit code 0 clean, 2 findings, 3 cannot check, 4 a tool budget was exceeded.

    Example: x07 arch check --write-lock
    """
    root = project_folder(repo_root, manifest)
    given = {"max_modules": max_modules, "max_edges": max_edges, "max_diags": max_diags}
    budgets = {name: limit for name, limit in given.items() if limit is not None}
    if allow_widening and not write:
        raise UsageError("X07_USAGE", "--allow-widening is for --write", hint="give both")
    if update_baseline and baseline is None:
        raise UsageError("X07_USAGE", "--update-baseline needs --baseline FILE", hint="say which file")
    if since is not None and not changed:
        raise UsageError("X07_USAGE", "--since is for --changed", hint="give both")
    if changed and (write or write_lock or update_baseline or emit_patch):
        what = "--write, --write-lock, --emit-patch and --update-baseline are about the whole project"
        raise UsageError("X07_USAGE", what, hint="give them without --changed")
    if explain and format is not ArchFormat.text:
        raise UsageError("X07_USAGE", "--explain is text for people", hint="x07 effects MODULE --format json")
    environment = environment_of(python) if python is not None else None
    request = Request(root, manifest, lock, write_lock and not write, budgets, max_bytes_in, environment, secrets)
    report = check(request)
    if emit_patch is not None:
        replace_file(root / emit_patch, patchset(report.patches))
    if write:
        for path in apply(root, [one for one in report.patches if allow_widening or not one.widens]):
            console(stderr=True).print(f"mended {path}")
        report = check(replace(request, write_lock=write_lock))
    place_schemas(root, report.editor_schemas)
    if baseline is not None:
        from x07py.arch.baseline import hold

        report = hold(report, baseline, update=update_baseline)
    if changed:
        from x07py.arch.changed import narrow
        from x07py.arch.git import changed_since

        report = narrow(report, request, changed_since(root, since or "HEAD"))
    _print(report, format)
    if explain:
        print_unseen(report.reached)
    raise Exit(report.exit_code)


@app.command("init")
def init_command(
    repo_root: Annotated[Path, option(help="The project's folder.")] = Path(),
    from_asyncapi: Annotated[
        Path | None, option(help="Make contracts from this AsyncAPI document; needs PyYAML for YAML.")
    ] = None,
    from_importlinter: Annotated[
        Path | None, option(metavar="FILE", help="Take contracts of import-linter over as nodes and rules.")
    ] = None,
    from_tach: Annotated[
        Path | None, option(metavar="FILE", help="Take modules of tach over as nodes and rules.")
    ] = None,
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Write a first manifest from what the project looks like today; a check is clean right after.

    Example: x07 arch init

    Example: x07 arch init --from-importlinter .importlinter
    """
    from x07py.arch.init import first_manifest

    root = project_folder(repo_root, MANIFEST_PATH)
    if from_asyncapi is not None:
        from x07py.cli.asyncapi import contracts_from

        contracts_from(from_asyncapi, root, as_json=format is Format.json)
        return
    first = first_manifest(root, _converter(from_importlinter, from_tach))
    if format is Format.json:
        report = {
            "written": [MANIFEST_PATH, LOCK_PATH],
            "left_out": first.left_out,
            "roots": [one or "." for one in first.roots],
            "excluded": first.excluded,
            "nodes": first.nodes,
            "exceptions": first.exceptions,
        }
        print_json({"schema_version": "x07.arch.init.report@0.1.0", "ok": True, **report})
        return
    out = console()
    out.print(f"code starts in: {', '.join(root or '.' for root in first.roots)}")
    for line in first.left_out:
        out.print(f"not taken over: {line}")
    for pattern in first.excluded:
        out.print(f"left out, in scan.exclude: {pattern}")
    if first.exceptions:
        out.print(
            f"excused as they are today, in exceptions: {first.exceptions} kinds of findings by file; look at them"
        )
    nodes = counted(first.nodes, "node")
    out.print(f"wrote {MANIFEST_PATH} with {nodes}; now give pure packages the world solve-pure, and check")


def _converter(importlinter: Path | None, tach: Path | None) -> Convert | None:
    if importlinter is not None and tach is not None:
        raise UsageError("X07_USAGE", "--from-importlinter and --from-tach exclude each other", hint="give one")
    if importlinter is not None:
        from x07py.arch.convert.importlinter import from_importlinter

        return partial(from_importlinter, importlinter)
    if tach is not None:
        from x07py.arch.convert.tach import from_tach

        return partial(from_tach, tach)
    return None


app.command("graph")(graph)
app.command("watch")(watch)


def _print(report: Report, format: ArchFormat) -> None:  # noqa: A002
    match format:
        case ArchFormat.json:
            print_json(report_document(report))
        case ArchFormat.sarif:
            from x07py.arch.sarif import sarif_document

            print_json(sarif_document(report.findings))
        case ArchFormat.github:
            from x07py.diag import github_lines

            for row in report.findings:
                for line in github_lines(row, each="node_from" in row.data):
                    sys.stdout.write(f"{line}\n")
        case ArchFormat.text:
            print_text(report)
    if report.changed and format in {ArchFormat.github, ArchFormat.sarif}:
        console(stderr=True).print(report.summary())
