"""``x07 msg asyncapi`` and what ``x07 arch init --from-asyncapi`` does."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (Typer reads the annotation)
from typing import Annotated

from x07py.asyncapi import asyncapi_document, load_asyncapi, write_contracts
from x07py.cli.commands import option
from x07py.cli.output import console, print_json
from x07py.contracts.loader import find_root
from x07py.files import replace_file
from x07py.printing import counted


def asyncapi(
    title: Annotated[str | None, option(help="Title; the folder's name if not given.")] = None,
    api_version: Annotated[str, option(help="Version of what the document describes.")] = "1.0.0",
    output: Annotated[Path | None, option("--output", "-o", help="Write it here.")] = None,
) -> None:
    """Write an AsyncAPI 3.0 document, as JSON, from the contracts under arch/msg.

    Example: x07 msg asyncapi --output asyncapi.json
    """
    from x07py.arch.documents import pretty

    root = find_root()
    document = asyncapi_document(root, title=title or root.name, version=api_version)
    if output is None:
        print_json(document)
        return
    replace_file(output, pretty(document))
    console().print(f"{counted(len(document['channels']), 'channel')} to {output}")


def contracts_from(file: Path, root: Path, *, as_json: bool) -> None:
    """Write the contracts that a document asks for, say what it holds beyond them, and what to do next."""
    starter, notes = load_asyncapi(file, root)
    written = write_contracts(root, starter)
    if as_json:
        report = {"written": written, "left_out": notes, "topics": len(starter.topics)}
        print_json({"schema_version": "x07.arch.init.report@0.1.0", "ok": True, **report})
        return
    out = console()
    for note in notes:
        out.print(note)
    out.print(
        f"wrote {counted(len(written), 'file')} for {counted(len(starter.topics), 'topic')}; next: x07 arch check"
    )
