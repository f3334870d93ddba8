"""``x07 rr redact``: take out of a recording what is redacted today."""

from __future__ import annotations

from typing import Annotated

from x07py.cli.commands import Exit, argument, option
from x07py.cli.completion import cassettes
from x07py.cli.output import Format, console, print_json
from x07py.printing import counted
from x07py.rr.cassette import Cassette
from x07py.rr.cassette_files import PartialFile, SideFile, read_cassette
from x07py.rr.folder import locate
from x07py.rr.old_entries import redacted_cassette
from x07py.rr.redaction import Redaction, checked_paths
from x07py.rr.text_side import write_text_side


def redact(
    cassette: Annotated[
        str,
        argument(help="A file, or a name below .x07_rr of the project.", show_default=False, autocompletion=cassettes),
    ],
    name: Annotated[
        list[str] | None, option("--name", help="Also this header, property, field or setting; repeat it.")
    ] = None,
    field: Annotated[
        list[str] | None, option("--field", help="Also this value of JSON, as JSONPath; repeat it.")
    ] = None,
    keep: Annotated[
        list[str] | None, option("--keep", help="Not this one, although its name is usual; repeat it.")
    ] = None,
    check: Annotated[bool, option("--check", help="Change nothing; exit 1 if something would change.")] = False,
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Rewrite a recording, and its text side, as it would have been recorded under the rules of today.

    The old content stays in the history of your version control, so change any secret that was in it.

    Example: x07 rr redact orders.x07rr.bin --name x-customer --field '$.customer.email'
    """
    path = locate(cassette)
    names, kept = (frozenset(one.lower() for one in given or ()) for given in (name, keep))
    content = read_cassette(path)
    new, changed = redacted_cassette(content, Redaction(names, checked_paths(field or ()), kept))
    if changed and not check:
        varying, partial = SideFile(path).varying(), PartialFile(path)
        try:
            partial.write(new)
        except BaseException:
            partial.drop()
            raise
        partial.publish(len(Cassette.load(new)), varying)
        write_text_side(path, Cassette.load(path), varying)
    if format is Format.json:
        print_json(
            {
                "schema_version": "x07.rr.redact.report@0.1.0",
                "cassette": path.name,
                "changed": changed,
                "written": bool(changed) and not check,
            }
        )
    elif changed:
        how = "would be" if check else "were"
        console().print(
            f"{path.name}: {counted(len(changed), 'entry', 'entries')} {how} redacted, the first is number {changed[0]}"
        )
    else:
        console().print(f"{path.name}: no entry has anything to redact")
    if changed and check:
        raise Exit(1)
