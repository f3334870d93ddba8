"""Whether one version of a schema can read what another one wrote, and what of a row of versions cannot.

The words are those of schema registries. Protobuf and Avro are judged by what their specifications make of the bytes,
JSON Schema by what can be shown: a change that is right and not shown to be right counts as wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from x07py.serialization.schema import lacking, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from x07py.serialization.schema import Schema

Compatibility = Literal[
    "backward", "backward_transitive", "forward", "forward_transitive", "full", "full_transitive", "none"
]
LEVELS: tuple[Compatibility, ...] = get_args(Compatibility)


class Misfit(NamedTuple):
    """What version `reader` cannot read of what version `writer` wrote, and why."""

    reader: int
    writer: int
    reasons: list[str]


class UnfinishedError(Exception):
    """There was no time for all comparisons.

    Args:
        made: how many comparisons were made.
        wanted: how many there are.
    """

    def __init__(self, made: int, wanted: int) -> None:
        super().__init__(made, wanted)
        self.made, self.wanted = made, wanted


def misfits(
    level: Compatibility, versions: Mapping[int, Schema], is_over: Callable[[], bool] = lambda: False
) -> Iterator[Misfit]:
    """Yield what breaks the level that versions are held to: each with the one before it, or with all before it.

    Args:
        level: ``backward`` (a new version reads the old one's messages), ``forward`` (the other way), ``full`` (both),
            ``none``; with ``_transitive``, all older versions and not the last one alone.
        versions: by number.
        is_over: asked before each comparison but the first whether the time for them is over.

    Raises:
        SchemaError: 9598 for a schema that cannot be used.
        NotInstalledError: 9635 if the library of a kind is not installed.
        UnfinishedError: if there is more to compare and the time is over.
    """
    pairs = list(_pairs(level, sorted(versions)))
    ready: dict[int, Any] = {}
    for made, (reader, writer) in enumerate(pairs):
        if made and is_over():
            raise UnfinishedError(made, len(pairs))
        reasons = _compared(reader, writer, versions, ready)
        if reasons:
            yield Misfit(reader, writer, reasons)


def _pairs(level: Compatibility, numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield who has to read whom."""
    for place, new in enumerate(numbers):
        for old in numbers[:place] if level.endswith("_transitive") else numbers[max(place - 1, 0) : place]:
            if level.startswith(("backward", "full")):
                yield new, old
            if level.startswith(("forward", "full")):
                yield old, new


def incompatibilities(reader: Schema, writer: Schema) -> list[str]:
    """Return why a program that reads by one schema cannot read all that another one writes; nothing if it can.

    Raises:
        SchemaError: 9598 for a schema that cannot be used.
        NotInstalledError: 9635 if the library of the kind is not installed.
    """
    return _compared(0, 1, {0: reader, 1: writer}, {})


def _compared(reader: int, writer: int, versions: Mapping[int, Schema], ready: dict[int, Any]) -> list[str]:
    """Compare two versions; each is parsed once, and kept in `ready`."""
    kind, other = versions[writer].kind, versions[reader].kind
    if kind != other:
        return [f"the one is {kind} and the other {other}"]
    rules = _rules(kind)
    for number in (reader, writer):
        if number not in ready:
            ready[number] = rules.parsed(versions[number])
    found: list[str] = rules.incompatibilities(ready[reader], ready[writer])
    return found


def _rules(kind: str) -> Any:
    try:
        match kind:
            case "avro":
                from x07py.serialization.compatibility import avro

                return avro
            case "json":
                from x07py.serialization.compatibility import json_schema

                return json_schema
            case "protobuf":
                from x07py.serialization.compatibility import protobuf

                return protobuf
    except ImportError as error:
        raise lacking(kind, error) from None
    raise unusable(kind, "there is no such kind")
