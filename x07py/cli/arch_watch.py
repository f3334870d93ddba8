"""``x07 arch watch``: a check after every change."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

from x07py.arch.check import Report, Request, check
from x07py.arch.lock import LOCK_PATH
from x07py.arch.project import MANIFEST_PATH, project_folder
from x07py.cli.arch_show import print_text
from x07py.cli.commands import option
from x07py.cli.output import console, print_error
from x07py.errors import X07Error


def watch(
    manifest: Annotated[str, option(help="The manifest, relative to the root.")] = MANIFEST_PATH,
    lock: Annotated[str | None, option(help="The manifest lock, relative to the root.")] = None,
    baseline: Annotated[Path | None, option(metavar="FILE", help="Accept the findings that this file holds.")] = None,
    repo_root: Annotated[
        Path | None, option(help="The project's folder; default: the nearest here or above with a manifest.")
    ] = None,
) -> None:
    """Check, and check again whenever a module, the manifest or a contract changes; Ctrl-C ends it.

    Example: x07 arch watch --baseline arch/baseline.json
    """
    from x07py.arch.watch import inputs_before, inputs_of, wait_for_change

    root = project_folder(repo_root, manifest)
    out = console()
    named = {manifest, lock or LOCK_PATH, *([str(baseline.absolute())] if baseline else [])}
    while True:
        before = inputs_before(root, named)
        if out.is_terminal:
            out.rule(style="dim")
        out.print(f"[{_clock()}] checking", style="dim")
        report = _checked(Request(root, manifest, lock), baseline)
        seen = inputs_of(root, before, report)
        named.update(report.contract_files)
        out.print(f"[{_clock()}] watching for changes; Ctrl-C ends", style="dim")
        wait_for_change(root, seen)


def _checked(request: Request, baseline: Path | None) -> Report:
    """Check and print; what keeps a check from being made is printed as well, and waits for its change."""
    from x07py.arch.baseline import hold

    try:
        report = check(request)
        if baseline is not None:
            report = hold(report, baseline, update=False)
    except X07Error as error:
        print_error(error, command="arch.watch", as_json=False)
        return Report(request.manifest)
    print_text(report)
    return report


def _clock() -> str:
    return time.strftime("%H:%M:%S")
