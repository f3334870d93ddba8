"""``x07 arch graph``: the nodes and their imports, drawn."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

from x07py.arch.check import Request, check
from x07py.arch.project import MANIFEST_PATH, project_folder
from x07py.cli.commands import option
from x07py.errors import ArchError
from x07py.files import replace_file
from x07py.printing import json_text, terminal


class GraphFormat(StrEnum):
    """The values of ``--format`` of `x07 arch graph`."""

    mermaid = "mermaid"
    dot = "dot"
    html = "html"
    json = "json"


def graph(
    format: Annotated[GraphFormat, option("--format", help="What to write.")] = GraphFormat.mermaid,  # noqa: A002
    output: Annotated[
        Path | None, option("--output", "-o", help="File to write; standard output if not given.")
    ] = None,
    manifest: Annotated[str, option(help="The manifest, relative to the root.")] = MANIFEST_PATH,
    repo_root: Annotated[
        Path | None, option(help="The project's folder; default: the nearest here or above with a manifest.")
    ] = None,
) -> None:
    """Draw nodes and their imports: worlds as colours, forbidden edges red; html is one page to click through.

    Example: x07 arch graph --format html -o graph.html
    """
    from x07py.arch import draw

    root = project_folder(repo_root, manifest)
    report = check(Request(root, manifest))
    if report.checked is None:
        first = report.findings[0]
        raise ArchError(first.code, first.message, where=first.location(), hint=first.hint)
    checked, imports = report.checked
    drawn = draw.picture(checked, imports, report.findings)
    match format:
        case GraphFormat.mermaid:
            text = draw.mermaid(drawn)
        case GraphFormat.dot:
            text = draw.dot(drawn)
        case GraphFormat.json:
            text = json_text(draw.document(drawn)) + "\n"
        case GraphFormat.html:
            text = draw.page(drawn, f"architecture of {root.resolve().name}")
    if output is None:
        sys.stdout.write(terminal(text))
    else:
        replace_file(output, text.encode())
