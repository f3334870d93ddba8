"""The ``x07 rr`` commands that look into cassettes, check them, compare them, and recover interrupted recordings."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

from x07py.cli.commands import Exit, argument, option
from x07py.cli.completion import cassettes
from x07py.cli.output import Format, console, print_json, print_json_rows, print_line
from x07py.cli.rr_show import (
    found_numbers,
    print_changes,
    print_changes_json,
    print_side_by_side,
    print_timeline,
)
from x07py.contracts.loader import find_root
from x07py.errors import CassetteError, FileError
from x07py.files import digest_file
from x07py.printing import counted, escaped, terminal
from x07py.rr.cassette import Cassette, whole_prefix
from x07py.rr.cassette_files import FOLDER, PARTIAL, SideFile, claimed, publish_recovered, read_cassette
from x07py.rr.comparison import changes_between
from x07py.rr.folder import cassettes_in, locate
from x07py.rr.report import describe_entry, entry_line, statistics
from x07py.rr.text_side import check_text_side, text_side, write_text_side

NameArgument = Annotated[
    str,
    argument(help="A file, or a name below .x07_rr of the project.", show_default=False, autocompletion=cassettes),
]
FormatOption = Annotated[Format, option("--format", help="Text for people or JSON for programs.")]


def list_cassettes(
    folder: Annotated[Path | None, argument(help="Folder to search; .x07_rr of the project if not given.")] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """List cassettes with entries, size and state.

    Example: x07 rr list
    """
    where = folder or find_root() / FOLDER
    if not where.is_dir():
        raise FileError("X07IO_MISSING", "the folder does not exist", where=str(where), hint="record a cassette first")
    rows = [_state(path, where) for path in cassettes_in(where)]
    if format is Format.json:
        print_json({"schema_version": "x07.rr.list.report@0.1.0", "folder": str(where), "cassettes": rows})
        return
    for row in rows:
        console().print(f"{escaped(row['name'])}  {_entries(row['entries'])}  {row['bytes']} bytes  {row['state']}")
    if not rows:
        console(stderr=True).print(f"no cassettes in {where}")


def _state(path: Path, folder: Path) -> dict[str, Any]:
    data = read_cassette(path)
    _, entries, error = whole_prefix(data)
    if path.name.endswith(PARTIAL):
        state = "interrupted"
    elif error is not None:
        state = f"damaged ({error.code})"
    else:
        try:
            state = "verified" if SideFile(path).verify(data) else "unlisted"
        except CassetteError as changed:
            state = f"changed ({changed.code})"
    return {"name": path.relative_to(folder).as_posix(), "entries": entries, "bytes": len(data), "state": state}


def show(
    cassette: NameArgument,
    entry: Annotated[int | None, option("--entry", "-n", min=0, help="Show this entry whole.")] = None,
    search: Annotated[
        str,
        option("--search", help="Show only entries whose topic, key, value or headers hold all of these words."),
    ] = "",
    timeline: Annotated[bool, option("--timeline", help="Draw a line for each topic or queue.")] = False,
    beside: Annotated[
        str | None, option("--with", help="Another cassette, to show beside this one; its JSON is rr diff's.")
    ] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Show the entries, decoded: envelope, record and metadata; what x07 rr view shows, in the terminal.

    Example: x07 rr show orders.x07rr.bin --search "refused k7" --timeline
    """
    path = locate(cassette)
    loaded = Cassette.load(path)
    if beside is not None:
        if format is Format.json:
            diff(cassette, beside, format)
        differ = print_side_by_side(console(), loaded, Cassette.load(locate(beside)), search)
        console().print(f"{differ} rows differ" if differ > 1 else "1 row differs" if differ else "no row differs")
        return
    if entry is not None and entry >= len(loaded):
        raise CassetteError(
            2060, f"the cassette has {len(loaded)} entries, the first is 0", where=str(path), hint="choose another"
        )
    numbers = found_numbers(loaded, search) if entry is None else [entry]
    if format is Format.json:
        loaded.check()
        rows = (describe_entry(number, loaded.entries[number]) for number in numbers)
        version = {"schema_version": "x07.rr.show.report@0.1.0"}
        print_json_rows("entries", rows, before={"cassette": path.name}, after=lambda: version)
        return
    if timeline:
        print_timeline(console(), loaded, numbers)
    for number in numbers:
        if entry is None:
            print_line(entry_line(number, loaded.entries[number]))
        else:
            _print_details(describe_entry(number, loaded.entries[number]))


def _print_details(details: dict[str, Any], indent: str = "") -> None:
    out = console()
    for name, value in details.items():
        if isinstance(value, dict):
            out.print(f"{indent}{name}", style="bold")
            _print_details(value, indent + "  ")
        else:
            out.print(f"{indent}{name}: {escaped(str(value))}")


def stats(cassette: NameArgument, format: FormatOption = Format.text) -> None:  # noqa: A002
    """Count entries, bytes, operations and errors.

    Example: x07 rr stats orders.x07rr.bin
    """
    path = locate(cassette)
    report = {"schema_version": "x07.rr.stats.report@0.1.0", "cassette": path.name, **statistics(read_cassette(path))}
    if format is Format.json:
        print_json(report)
        return
    out = console()
    out.print(
        f"{path.name}: {_entries(report['entries'])}, {report['bytes']} bytes, {counted(report['errors'], 'error')}"
    )
    for row in report["operations"]:
        out.print(f"  {row['entries']:>9}  {row['op']}  {row['key']}  {row['scope']}".rstrip())


def text(cassette: NameArgument) -> None:
    """Print the text side: what the cassette holds, for people who review it.

    With `git config diff.x07rr.textconv "x07 rr text"`, git shows it for the binary.

    Example: x07 rr text orders.x07rr.bin
    """
    path = locate(cassette)
    sys.stdout.write(terminal(text_side(Cassette.load(path), path.name, SideFile(path).varying())))


def verify(
    cassette: NameArgument,
    write: Annotated[
        bool, option("--write", help="Accept the file as it is: in the integrity file, and in its text side.")
    ] = False,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Check every entry against the format, request digests, text side, and the file against what was recorded here.

    Example: x07 rr verify orders.x07rr.bin
    """
    path = locate(cassette)
    data = read_cassette(path)
    loaded = Cassette.load(data)
    for number, one in enumerate(loaded.entries):
        one.check_digest(number)
    side = SideFile(path)
    if write:
        write_text_side(path, loaded, side.varying())
        with side:
            side.expect(digest_file(path), len(data), len(loaded))
            side.settle()
    listed, described = side.verify(data), check_text_side(path, loaded, side.varying())
    state = "listed" if listed else "unlisted"
    if format is Format.json:
        report = {
            "cassette": path.name,
            "entries": len(loaded),
            "bytes": len(data),
            "integrity": state,
            "text_side": described,
        }
        print_json({"schema_version": "x07.rr.verify.report@0.1.0", "ok": True, **report})
        return
    note = "as recorded here" if listed else "not listed in cassettes.lock.json; --write lists it"
    text = "" if described else "; it has no text side, --write makes it"
    console().print(f"{path.name}: {_entries(len(loaded))} {'is' if len(loaded) == 1 else 'are'} whole, {note}{text}")


def diff(
    old: Annotated[str, argument(help="The older cassette.", autocompletion=cassettes)],
    new: Annotated[str, argument(help="The newer cassette.", autocompletion=cassettes)],
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Compare two recordings by topic and key; exit 1 if they differ in more than facts of the run.

    Offsets, timestamps, batches, latencies and how partitions interleave are facts of the run. Fields that were
    declared to vary when the cassettes were recorded do not count as differences either.

    Example: x07 rr diff before.x07rr.bin after.x07rr.bin
    """
    before, after = locate(old), locate(new)
    varying = SideFile(before).varying().or_also(SideFile(after).varying())
    facts: Counter[str] = Counter()
    changes = changes_between(Cassette.load(before), Cassette.load(after), facts, varying)
    differ = print_changes_json(changes, facts) if format is Format.json else print_changes(changes, facts)
    raise Exit(1 if differ else 0)


def _entries(number: int) -> str:
    return counted(number, "entry", "entries")


def recover(
    cassette: NameArgument,
    discard: Annotated[bool, option("--discard", help="Delete the interrupted recording instead.")] = False,
    output: Annotated[Path | None, option("--output", "-o", help="Write here, not over the cassette.")] = None,
    format: FormatOption = Format.text,  # noqa: A002
) -> None:
    """Turn an interrupted recording, or a damaged cassette, into a cassette up to its last whole entry.

    A damaged cassette is kept as NAME.damaged.

    Example: x07 rr recover orders.x07rr.bin
    """
    target, source = _recovery_of(cassette)
    with claimed(source):
        if discard:
            kept, report = None, _discard(source)
        else:
            kept, report = _recover(source, output or target)
    if format is Format.json:
        report["kept"] = str(kept) if kept else None
        print_json({"schema_version": "x07.rr.recover.report@0.1.0", "ok": True, "discarded": discard, **report})
        return
    if discard:
        console().print(f"deleted {source}")
        return
    console().print(f"recovered {_entries(report['entries'])} to {output or target} from {source}")
    if report["dropped_bytes"]:
        console(stderr=True).print(f"dropped {report['dropped_bytes']} bytes behind the last whole entry")
    if kept:
        console(stderr=True).print(f"the damaged file is kept as {kept}")


def _recover(source: Path, target: Path) -> tuple[Path | None, dict[str, Any]]:
    """Write what is whole in `source` to `target`; return where a damaged original stands now, and the report."""
    data = read_cassette(source)
    size, entries, error = whole_prefix(data)
    if source == target and error is None:
        raise CassetteError(2063, "the cassette is whole", where=str(source), hint="there is nothing to recover")
    if not entries:
        raise CassetteError(
            2063, "no whole entry is left", where=str(source), hint="restore it from a copy, or record it again"
        )
    if source != target and target.exists() and not data.startswith(read_cassette(target)):
        raise CassetteError(
            2064,
            f"the recording of {entries} entries would replace a cassette that it does not continue",
            where=str(target),
            hint="write it elsewhere with --output, or move the cassette away first",
        )
    kept = publish_recovered(source, target, data[:size], entries)
    return kept, {"source": source.name, "entries": entries, "bytes": size, "dropped_bytes": len(data) - size}


def _recovery_of(name: str) -> tuple[Path, Path]:
    """Return the cassette that `name` means and the file to recover it from."""
    plain = name.removesuffix(PARTIAL)
    for base in (Path(plain), find_root() / FOLDER / plain):
        partial = base.with_name(base.name + PARTIAL)
        if partial.is_file():
            return base, partial
    path = locate(name)
    return path, path


def _discard(source: Path) -> dict[str, Any]:
    if not source.name.endswith(PARTIAL):
        raise CassetteError(
            2061,
            "there is no interrupted recording to discard",
            where=str(source),
            hint="a cassette is deleted with rm",
        )
    report = {"source": source.name, "entries": 0, "bytes": 0, "dropped_bytes": source.stat().st_size}
    source.unlink()
    return report
