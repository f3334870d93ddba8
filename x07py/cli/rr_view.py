"""``x07 rr view``: one HTML page about a cassette, or two side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from x07py.cli.commands import argument, option
from x07py.cli.output import Format, console, print_json
from x07py.errors import UsageError
from x07py.files import replace_file
from x07py.printing import counted

if TYPE_CHECKING:
    from collections.abc import Iterator


def view(
    cassette: Annotated[str, argument(help="A file, or a name below .x07_rr of the project.")],
    beside: Annotated[str | None, option("--with", help="Another cassette, to show beside this one.")] = None,
    output: Annotated[
        Path | None, option("--output", "-o", help="File to write; NAME.html in this folder if not given.")
    ] = None,
    force: Annotated[bool, option("--force", help="Overwrite an existing file.")] = False,
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Write one self-contained HTML page: time line, entries, search; two cassettes side by side with --with.

    Example: x07 rr view orders.x07rr.bin -o orders.html
    """
    from x07py.rr.cassette import Cassette
    from x07py.rr.folder import locate
    from x07py.rr.view import page

    path = locate(cassette)
    other = locate(beside) if beside else None
    target = output or Path(path.name.removesuffix(".bin").removesuffix(".x07rr") + ".html")
    if target.exists() and not force:
        raise UsageError("X07_RR_VIEW_EXISTS", "the file is there already", where=str(target), hint="add --force")
    loaded = Cassette.load(path)
    beside_it = Cassette.load(other) if other else None
    size = 0

    def pieces() -> Iterator[bytes]:
        nonlocal size
        for piece in page(path.name, loaded, other.name if other else "", beside_it):
            data = piece.encode()
            size += len(data)
            yield data

    replace_file(target, pieces())
    if format is Format.json:
        report = {"ok": True, "page": str(target), "entries": len(loaded), "bytes": size}
        print_json({"schema_version": "x07.rr.view.report@0.1.0", **report})
        return
    console().print(f"wrote {target}: {counted(len(loaded), 'entry', 'entries')}")
