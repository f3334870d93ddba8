"""``x07 rr scan``: look for secrets in what was recorded already."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003  (it is read at run time)
from typing import Annotated

from x07py.cli.commands import Exit, argument, option
from x07py.cli.output import Format, console, print_json
from x07py.contracts.loader import find_root
from x07py.errors import FileError
from x07py.files import replace_file
from x07py.printing import counted, escaped
from x07py.rr.cassette_files import FOLDER
from x07py.rr.known_secrets import register_surroundings
from x07py.rr.scanning import BASELINE, BASELINE_SCHEMA, Found, read_baseline, recorded_files, scan, sorted_out


def scan_recordings(
    files: Annotated[
        list[Path] | None,
        argument(help="Cassettes or text sides; all below .x07_rr of the project if none.", show_default=False),
    ] = None,
    baseline: Annotated[
        Path | None, option("--baseline", help="Accepted findings; default: scan.baseline.json in .x07_rr.")
    ] = None,
    accept: Annotated[
        str, option("--accept", metavar="REASON", help="Write what is found into the baseline, with this reason.")
    ] = "",
    format: Annotated[Format, option("--format", help="Text for people or JSON for programs.")] = Format.text,  # noqa: A002
) -> None:
    """Look for secrets in recordings and their text sides; exit 1 if there are any that nobody accepted.

    Known values (from the environment and secret folders) and patterns of providers are found in every encoding that
    the guard decodes; text that looks random, only as it is. The secret itself is not shown. Accepted findings that
    are gone are reported too.

    Example: x07 rr scan --accept "keys of the provider's test account"
    """
    register_surroundings()
    root = find_root()
    chosen = files or _all_of(root / FOLDER)
    where = baseline or root / FOLDER / BASELINE
    accepted = read_baseline(where)
    found = [one for file in chosen for one in scan(file, _name(file, root))]
    fresh, stale = sorted_out(found, accepted)
    if files:
        named = {_name(file, root) for file in files}
        stale = [row for row in stale if row["file"] in named]
    if accept:
        kept = [row for row in accepted if row not in stale]
        rows = {(one.file, one.rule, one.fingerprint) for one in fresh}
        kept += [dict(zip(("file", "rule", "fingerprint"), row, strict=True), reason=accept) for row in sorted(rows)]
        text = json.dumps({"accepted": kept, "schema_version": BASELINE_SCHEMA}, indent=2, sort_keys=True)
        replace_file(where, text.encode() + b"\n", root=root)
        fresh, stale = [], []
    _tell(chosen, fresh, stale, format)
    if fresh or stale:
        raise Exit(1)


def _all_of(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileError("X07IO_MISSING", "the folder does not exist", where=str(folder), hint="record a cassette first")
    found = recorded_files(folder)
    if not found:
        raise FileError("X07IO_MISSING", "there is no recording", where=str(folder), hint="name the files to scan")
    return found


def _name(file: Path, root: Path) -> str:
    path = file.absolute()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _tell(chosen: list[Path], fresh: list[Found], stale: list[dict[str, str]], format: Format) -> None:  # noqa: A002
    if format is Format.json:
        print_json(
            {
                "schema_version": "x07.rr.scan.report@0.1.0",
                "files": len(chosen),
                "found": [one._asdict() for one in fresh],
                "stale": stale,
            }
        )
        return
    for one in fresh:
        console().print(f"{escaped(one.file)}: {one.place}: {one.rule} ({one.fingerprint})")
    for row in stale:
        console().print(
            f"{escaped(row['file'])}: accepted and not there: {escaped(row['rule'])} ({row['fingerprint']})"
        )
    console().print(
        f"{counted(len(chosen), 'file')}, {counted(len(fresh), 'finding')}, "
        f"{counted(len(stale), 'acceptance')} of nothing"
    )
