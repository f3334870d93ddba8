"""``x07 init``: a new project, x07 for one that is there, or what an X07 project says of running."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from x07py.cli.commands import Commands, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.errors import UsageError
from x07py.printing import counted
from x07py.run.migration import migrate_project
from x07py.scaffold import TEMPLATES, adopt_project, create_project

app: Commands = Commands()


class Template(StrEnum):
    """What `x07 init` makes: a project of `TEMPLATES`, or x07 for the one that is there."""

    worker = "worker"
    worker_amqp = "worker-amqp"
    driver = "driver"
    pure = "pure"
    existing = "existing"


@app.command()
def init(
    folder: Annotated[Path | None, argument(help="The project's folder.", show_default=False)] = None,
    template: Annotated[
        Template | None,
        option(help="A service, a library, a driver, or x07 for an existing project.", show_default="worker"),
    ] = None,
    from_: Annotated[
        Path | None, option("--from", help="An x07.json whose profiles, policies and hosts to take over.")
    ] = None,
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Make a project that passes its own tests, add x07 to one, or take over the run profiles of an X07 project.

    Example: x07 init orders --template worker

    Example: x07 init --template existing

    Example: x07 init --from x07.json
    """
    name = template.value if template is not None else "worker"
    existing = name == "existing"
    if from_ is not None and template is not None:
        raise UsageError("X07_USAGE", "--from and --template exclude each other", hint="leave one of them out")
    if folder is None and not existing and from_ is None:
        raise UsageError("X07_USAGE", "FOLDER is missing", hint="x07 init NAME; `.` is the folder that you are in")
    place = folder or (from_.parent if from_ is not None else Path())
    left: list[str] = []
    if from_ is not None:
        name = "x07.json"
        rows, left = migrate_project(from_, place)
    else:
        rows = adopt_project(place) if existing else create_project(place, name)
    if format is Format.json:
        report = {"template": name, "folder": str(place.resolve()), "added": rows, "left": left}
        print_json({"schema_version": "x07.init.report@0.1.0", "ok": True, **report})
        return
    out = console()
    if from_ is not None:
        for row in [*(f"added {row}" for row in rows), *(f"not carried over: {row}" for row in left)]:
            out.print(row)
        out.print("next: name the Python program with entry; x07 run --profile NAME --explain")
    elif existing:
        out.print("\n".join(f"added {row}" for row in rows) or "nothing to add: x07 is there already")
        out.print("next: install the new dependency; x07 arch check; pytest")
    else:
        out.print(f"{place}: {TEMPLATES[name].about}, {counted(len(rows), 'file')}")
        out.print(f"next: cd {place}; make test; README.md tells more")
