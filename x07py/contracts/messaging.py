"""Typed reader of the topic catalogue, ``arch/msg/index.x07msg.json``; its code is the reference's, 9501."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.contracts.loader import JsonObject, read_contract
from x07py.contracts.profiles import MAX_I31, TOPIC_INDEX
from x07py.errors import ContractError
from x07py.msg import TopicLimits, TopicPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Topic:
    """One catalogued topic: its id, brands, and the most bytes a value may have.

    `parameters` are those that stand in braces in the id, each with the values that it may have, none for any; None
    where the id is a plain name.
    """

    id: str
    key_brand: str
    value_brand: str
    max_value_bytes: int
    parameters: Mapping[str, tuple[str, ...]] | None = None


def read_topics(root: Path) -> dict[str, Topic]:
    """Return the topic catalogue of the project at `root`, by id, in file order.

    Raises:
        ContractError: 9501 if the index is missing, not JSON, or a topic has no usable ``max_value_bytes``.
    """
    path = root / TOPIC_INDEX
    index = read_contract(path, root=root, code=9501, hint=f"list the project's topics in {TOPIC_INDEX}")
    rows = index.get("topics")
    topics: dict[str, Topic] = {}
    for row in rows if isinstance(rows, list) else []:
        limit = row.get("max_value_bytes") if isinstance(row, dict) else None
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MAX_I31:
            raise ContractError(
                9501,
                "a topic has no usable max_value_bytes",
                where=f"{path}: {row.get('id') if isinstance(row, dict) else row!r}",
                hint="give it a number of bytes from 1 to 1073741824",
            )
        name = str(row.get("id", ""))
        brands = str(row.get("key_brand", "std.bytes.raw_v1")), str(row.get("value_brand", ""))
        topics[name] = Topic(name, *brands, limit, topic_parameters(row))
    return topics


def topic_parameters(row: JsonObject) -> dict[str, tuple[str, ...]] | None:
    """Return the parameters of a row of the catalogue with the values of each, None if the row has no parameters."""
    table = row.get("parameters")
    if not isinstance(table, dict):
        return None
    values = {name: rule.get("enum") if isinstance(rule, dict) else None for name, rule in table.items()}
    return {name: tuple(map(str, given)) if isinstance(given, list) else () for name, given in values.items()}


def schema_paths(row: JsonObject) -> Iterator[str]:
    """Yield the paths of the JSON Schemas that a row of the catalogue pins for its messages."""
    for message in row.get("messages", ()):
        yield from (message[name] for name in ("payload_path", "headers_path") if name in message)


def topic_limits(root: Path) -> TopicLimits:
    """Return the most bytes of a value by topic, names with parameters included; raises as `read_topics`."""
    topics = read_topics(root).values()
    fixed = {topic.id: topic.max_value_bytes for topic in topics if topic.parameters is None}
    patterns = [
        (TopicPattern(topic.id, topic.parameters), topic.max_value_bytes)
        for topic in topics
        if topic.parameters is not None
    ]
    return TopicLimits(fixed, patterns)
