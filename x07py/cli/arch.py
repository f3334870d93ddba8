"""``x07 arch``: check a project's imports, worlds and contracts."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from x07py.arch.check import Report, Request, check
from x07py.arch.documents import write_file
from x07py.arch.manifest import MANIFEST_PATH
from x07py.arch.repair import apply, patchset
from x07py.cli.arch_graph import graph
from x07py.cli.arch_watch import watch
from x07py.cli.output import console, print_json
from x07py.errors import ArchError, UsageError

if TYPE_CHECKING:
    from x07py.diag import Diagnostic

_PARSING = ("_PARSE", "_READ", "_SCHEMA_VERSION", "_SCHEMA_INVALID", "_LOCK_INVALID", "_MANIFEST_INVALID")

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, add_completion=False)


class ArchFormat(StrEnum):
    """The values of ``--format`` of `x07 arch check`."""

    text = "text"
    json = "json"
    github = "github"
    sarif = "sarif"


@app.callback()
def arch() -> None:
    """Check what the code may import, in which world, and the contract files under arch/."""


@app.command("check")
def check_command(
    manifest: Annotated[str, typer.Option(help="The manifest, relative to the root.")] = MANIFEST_PATH,
    lock: Annotated[str | None, typer.Option(help="The manifest lock, relative to the root.")] = None,
    write_lock: Annotated[bool, typer.Option("--write-lock", help="Write both locks.")] = False,
    repo_root: Annotated[Path, typer.Option(help="The folder to check.")] = Path(),
    emit_patch: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the suggested repairs as a patch set.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Apply the suggested repairs, then check again.")] = False,
    allow_widening: Annotated[
        bool, typer.Option("--allow-widening", help="With --write: also those that allow more than before.")
    ] = False,
    baseline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Accept the findings that this file holds; only new ones fail.")
    ] = None,
    update_baseline: Annotated[
        bool, typer.Option("--update-baseline", help="Make the baseline, or drop from it what no longer occurs.")
    ] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Report only on what git says is not committed, and what depends on it.")
    ] = False,
    since: Annotated[
        str | None, typer.Option(metavar="REF", help="With --changed: on what differs since HEAD left this branch.")
    ] = None,
    max_modules: Annotated[int | None, typer.Option(min=0, help="Most modules.")] = None,
    max_edges: Annotated[int | None, typer.Option(min=0, help="Most imports.")] = None,
    max_diags: Annotated[int | None, typer.Option(min=0, help="Most findings.")] = None,
    max_bytes_in: Annotated[int | None, typer.Option(min=0, help="Most bytes of modules.")] = None,
    format: Annotated[ArchFormat, typer.Option(help="How to print.")] = ArchFormat.text,  # noqa: A002
) -> None:
    """Check a project; exit code 0 clean, 2 findings, 3 cannot check, 4 a tool budget was exceeded.

    Example: x07 arch check --write-lock
    """
    require_folder(repo_root)
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
    request = Request(repo_root, manifest, lock, write_lock and not write, budgets, max_bytes_in)
    report = check(request)
    if emit_patch is not None:
        write_file(repo_root / emit_patch, patchset(report.patches))
    if write:
        for path in apply(repo_root, [one for one in report.patches if allow_widening or not one.widens]):
            console(stderr=True).print(f"mended {path}")
        report = check(replace(request, write_lock=write_lock))
    if baseline is not None:
        from x07py.arch.baseline import hold

        report = hold(report, baseline, update=update_baseline)
    if changed:
        from x07py.arch.changed import changed_since, narrow

        report = narrow(report, request, changed_since(repo_root, since or "HEAD"))
    _print(report, format)
    raise typer.Exit(report.exit_code)


@app.command("init")
def init_command(
    repo_root: Annotated[Path, typer.Option(help="The project's folder.")] = Path(),
    from_asyncapi: Annotated[
        Path | None, typer.Option(help="Make contracts from this AsyncAPI 3 document; needs PyYAML for YAML.")
    ] = None,
) -> None:
    """Write a first manifest from what the project looks like today; a check is clean right after.

    Example: x07 arch init
    """
    from x07py.arch.init import first_manifest

    require_folder(repo_root)
    if from_asyncapi is not None:
        from x07py.cli.asyncapi import contracts_from

        contracts_from(from_asyncapi, repo_root)
        return
    nodes, excluded = first_manifest(repo_root)
    out = console()
    for path in excluded:
        out.print(f"left out, not a module: {path}")
    out.print(f"wrote {MANIFEST_PATH} with {nodes} nodes; now give pure packages the world solve-pure, and check")


app.command("graph")(graph)
app.command("watch")(watch)


def report_document(report: Report) -> dict[str, Any]:
    """Return the JSON report, schema ``x07.arch.report``."""
    document = {
        "schema_version": "x07.arch.report@0.1.0",
        "manifest": {"path": report.manifest_path, "jcs_sha256_hex": report.manifest_digest},
        "stats": report.stats(),
        "diags": [_diagnostic(row) for row in report.findings],
        "suggested_patches": [patch.document() for patch in report.patches],
    }
    return {**document, "changed": report.changed.document()} if report.changed else document


def require_folder(root: Path) -> None:
    """Refuse a root that is no folder, before a missing manifest is blamed (``E_ARCH_ROOT``)."""
    if not root.is_dir():
        raise ArchError("E_ARCH_ROOT", "the root is not a folder", where=str(root), hint="give a folder to --repo-root")


def _diagnostic(row: Diagnostic) -> dict[str, Any]:
    stage = "parse" if row.code.endswith(_PARSING) else "lint"
    document: dict[str, Any] = {"code": row.code, "severity": row.severity, "stage": stage, "message": row.message}
    if row.path:
        at = {"line": row.line or 1, "col": row.column or 1}
        document["loc"] = {"kind": "text", "span": {"file": row.path, "start": at, "end": at}}
    optional = {"data": {**row.data, **({"hint": row.hint} if row.hint else {})}, "notes": list(row.notes)}
    return {**document, **{name: value for name, value in optional.items() if value}}


def _print(report: Report, format: ArchFormat) -> None:  # noqa: A002
    match format:
        case ArchFormat.json:
            print_json(report_document(report))
        case ArchFormat.sarif:
            from x07py.arch.sarif import sarif_document

            print_json(sarif_document(report.findings))
        case ArchFormat.github:
            from x07py.diag import github_line

            for row in report.findings:
                typer.echo(github_line(row))
        case ArchFormat.text:
            print_text(report)
    if report.changed and format in {ArchFormat.github, ArchFormat.sarif}:
        console(stderr=True).print(report.summary())


def print_text(report: Report) -> None:
    """Print a report for people."""
    out = console()
    for row in report.findings:
        out.print(f"{row.severity}[{row.code}]", style="bold red" if row.severity == "error" else "yellow", end="")
        out.print(f": {row.message}")
        if row.path:
            out.print(f"  --> {row.location()}", style="cyan")
        if row.source:
            out.print(f"   {row.line:>4} | {row.source}")
        for note in row.notes:
            out.print(f"   note: {note}")
        if row.hint:
            out.print(f"   help: {row.hint}")
        out.print()
    out.print(report.summary(), style="red" if report.exit_code else "green")
    for widens, command in ((False, "--write"), (True, "--write --allow-widening")):
        if notes := [f"{patch.path}: {patch.note}" for patch in report.patches if patch.widens == widens]:
            out.print(f"`x07 arch check {command}` would: {'; '.join(notes)}")
