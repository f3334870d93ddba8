"""The page of ``x07 rr view`` in a terminal: time line by topic or queue, search, two cassettes side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from x07py.cli.output import print_json_rows, print_line
from x07py.printing import counted, escaped
from x07py.rr.alignment import pairs_of
from x07py.rr.view import Rows

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console

    from x07py.rr.cassette import Cassette
    from x07py.rr.comparison import Change

COLOURS = {
    "publish": "blue",
    "deliver": "green",
    "ack": "yellow",
    "nack": "cyan",
    "reject": "magenta",
    "life": "bright_cyan",
    "fault": "bright_red",
    "error": "red",
    "other": "white",
}
_MARKS = {name: name[0] for name in COLOURS} | {"life": "L", "fault": "X", "error": "E"}
_LOUD = {"fault", "error"}
_LABEL = 28


def found_numbers(cassette: Cassette, words: str) -> Sequence[int]:
    """Return the numbers of the entries that hold all of these words, in any case; all entries if there are none.

    Looked at are topic or queue, key, value and headers, and the text of an error.
    """
    wanted = words.lower().split()
    if not wanted:
        return range(len(cassette))
    texts = ("\n".join(_searched(row)).lower() for row in Rows(cassette))
    return [number for number, text in enumerate(texts) if all(word in text for word in wanted)]


def _searched(row: dict[str, Any]) -> Iterator[str]:
    yield row["lane"]
    for name, value in (row["message"] or {}).items():
        yield from (f"{header} {text}" for header, text in value.items()) if name == "headers" else (_text(value),)
    for title, fields in row["parts"]:
        if title in {"error", "history"}:
            yield from map(_text, fields.values())


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def print_timeline(out: Console, cassette: Cassette, numbers: Sequence[int]) -> None:
    """Print one line for each topic or queue, time from left to right; a mark stands for what happened there last.

    Errors and faults are never hidden by what else falls on the same mark.
    """
    from rich.text import Text

    rows = Rows(cassette)
    width = max(out.width - _LABEL - 2, 10)
    lanes: dict[str, list[str]] = {}
    for number in numbers:
        row = rows[number]
        lane = lanes.setdefault(row["lane"], [""] * width)
        at = number * (width - 1) // max(len(rows) - 1, 1)
        if lane[at] not in _LOUD:
            lane[at] = row["type"]
    for name, types in lanes.items():
        label = (name or "(connection)")[:_LABEL].ljust(_LABEL)
        out.print(Text.assemble(escaped(label), "  ", *map(_marked, types)), no_wrap=True)
    there = {kind for types in lanes.values() for kind in types}
    legend = [part for kind in COLOURS if kind in there for part in (_marked(kind), f" {kind}  ")]
    out.print(Text.assemble(" " * (_LABEL + 2), *legend), no_wrap=True)


def _marked(kind: str) -> str | tuple[str, str]:
    return (_MARKS[kind], COLOURS[kind]) if kind else "·"


def side_by_side(old: Cassette, new: Cassette, words: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the lines of two cassettes that stand beside each other, and whether they are alike.

    Args:
        old: the left one.
        new: the right one.
        words: show rows only where either side holds all of them.
    """
    left, right = Rows(old), Rows(new)
    kept_left, kept_right = set(found_numbers(old, words)), set(found_numbers(new, words))
    for one, other, same in pairs_of(old, new):
        if one in kept_left or other in kept_right:
            yield _line(left, one), _line(right, other), same


def _line(rows: Rows, number: int | None) -> str:
    if number is None:
        return ""
    row = rows[number]
    return f"{row['number']:>6}  {row['name']}  {row['lane']}  {row['text']}"


def print_side_by_side(out: Console, old: Cassette, new: Cassette, words: str) -> int:
    """Print two cassettes side by side and return how many rows differ; ``|`` marks those."""
    half = max((out.width - 3) // 2, 20)
    differ = 0
    for one, other, same in side_by_side(old, new, words):
        differ += not same
        style = None if same else "red"
        out.print(f"{one[:half]:<{half}} {' ' if same else '|'} {other[:half]}", style=style, no_wrap=True)
    return differ


def print_changes(changes: Iterable[Change], facts: Counter[str]) -> int:
    """Print what differs between two cassettes, and return how many differences there are."""
    differ = 0
    for change in changes:
        differ += 1
        print_line(f"{change.change} {change.line}")
        if change.detail:
            print_line(change.detail)
    print_line(counted(differ, "difference") if differ else "no differences")
    if facts:
        named = ", ".join(f"{escaped(name)} in {number}" for name, number in facts.most_common(8))
        print_line(f"facts of the run that differ too: {named}")
    return differ


def print_changes_json(changes: Iterable[Change], facts: Counter[str]) -> int:
    """Print what differs between two cassettes as JSON, and return how many differences there are."""
    differ = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal differ
        for change in changes:
            differ += 1
            yield change._asdict()

    def after() -> dict[str, Any]:
        return {"equal": not differ, "schema_version": "x07.rr.diff.report@0.1.0", "volatile": dict(facts)}

    print_json_rows("changes", rows(), before={}, after=after)
    return differ
