"""``x07 init``: a new project, or x07 for one that is there."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from x07py.cli.output import Format, console, print_json
from x07py.errors import UsageError
from x07py.scaffold import TEMPLATES, adopt_project, create_project

app = typer.Typer(rich_markup_mode=None, add_completion=False)

Template = StrEnum("Template", {name: name for name in (*TEMPLATES, "existing")})  # type: ignore[misc]


@app.command()
def init(
    folder: Annotated[Path | None, typer.Argument(help="The project's folder.", show_default=False)] = None,
    template: Annotated[
        Template, typer.Option(help="A service, a library, or x07 for the project that is there.")
    ] = Template("worker"),  # noqa: B008
    format: Annotated[Format, typer.Option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Make a project that passes its own tests, or add x07 to one.

    Example: x07 init orders --template worker

    Example: x07 init --template existing
    """
    existing = template.value == "existing"
    if folder is None and not existing:
        raise UsageError("X07_USAGE", "FOLDER is missing", hint="x07 init NAME; `.` is the folder that you are in")
    place = folder or Path()
    rows = adopt_project(place) if existing else create_project(place, template.value)
    if format is Format.json:
        report = {"template": template.value, "folder": str(place.resolve()), "added": rows}
        print_json({"schema_version": "x07.init.report@0.1.0", "ok": True, **report})
        return
    out = console()
    if existing:
        out.print("\n".join(f"added {row}" for row in rows) or "nothing to add: x07 is there already")
        out.print("next: install the new dependency; x07 arch check; pytest")
    else:
        out.print(f"{place}: {TEMPLATES[template.value].about}, {len(rows)} files")
        out.print(f"next: cd {place}; make test; README.md tells more")
