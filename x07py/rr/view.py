"""One self-contained page about a cassette, or two side by side: time line, columns, search, every field decoded.

What the list shows of each entry stands in columns that are compressed once; what a click shows stands in compressed
pages that the browser opens when it needs one. It draws only the rows that are visible, and the time line on a canvas,
so scrolling costs the same for every cassette. A table that holds all rows lost: the browser lays out every one; so did
plain JSON of all entries, which made the page several times the size of the cassette.
"""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import islice
from typing import TYPE_CHECKING, Any, overload

from x07py.printing import content_policy, escaped, html_data, json_text
from x07py.rr.alignment import pairs_of
from x07py.rr.causes import Causes
from x07py.rr.report import describe_entry
from x07py.rr.view_history import shown_of_history

if TYPE_CHECKING:
    from x07py.rr.cassette import Cassette

_SETTLING = ("ack", "nack", "reject", "commit")
_SHOWN = 100
_ENTRIES_IN_PAGE = 400
_AT_ONCE = 4000
_LONGEST = 65_536
_COLUMNS = ("type", "name", "place", "spot", "position", "key", "value", "outcome")
Row = dict[str, Any]


def page(name: str, cassette: Cassette, other_name: str = "", other: Cassette | None = None) -> Iterator[str]:
    """Yield the page in pieces, so that it is never in memory as a whole.

    Args:
        name: what the cassette is called.
        cassette: the cassette; the older one if there are two.
        other_name: what the other one is called.
        other: a cassette to show beside the first, aligned by place and key.
    """
    template = resources.files(__package__).joinpath("view.html").read_text(encoding="utf-8")
    head, _, tail = template.partition("@DATA@")
    title = html.escape(escaped(f"{name} and {other_name}" if other else name))
    yield head.replace("@POLICY@", content_policy(template)).replace("@TITLE@", title)
    yield f'{{"name":{html_data(name)},"otherName":{html_data(other_name)},"sides":['
    yield from _side(cassette)
    if other is None:
        yield '],"pairs":null}'
    else:
        yield ","
        yield from _side(other)
        pairs = _PackedList()
        pairs.extend(pairs_of(cassette, other))
        yield f'],"pairs":"{_packed(pairs.json())}"}}'
    yield tail


class Rows(Sequence[Row]):
    """What page and terminal show of each entry, described when it is looked at.

    A row has number, op, name, type, lane, text, the columns place, spot, position, key, value and outcome, facts, the
    message or None, and parts: what else was recorded, by title.
    """

    def __init__(self, cassette: Cassette) -> None:
        self._entries = cassette.entries

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Row]:
        return (_row(describe_entry(number, entry)) for number, entry in enumerate(self._entries))

    @overload
    def __getitem__(self, number: int) -> Row: ...
    @overload
    def __getitem__(self, number: slice) -> list[Row]: ...
    def __getitem__(self, number: int | slice) -> Row | list[Row]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        return _row(describe_entry(number, self._entries[number]))


class _PackedList:
    """A list of which only the JSON is wanted, compressed as it grows."""

    def __init__(self) -> None:
        self._pack = zlib.compressobj(1)
        self._done: list[bytes] = []

    def extend(self, values: Iterable[Any]) -> None:
        """Put values behind those that are there."""
        for some in _runs(values, _AT_ONCE):
            comma = "," if self._done else ""
            self._done.append(self._pack.compress((comma + json_text(some, indent=None)[1:-1]).encode()))

    def json(self) -> Iterator[bytes]:
        """Yield the JSON of the list in pieces; it takes no more values."""
        unpack = zlib.decompressobj()
        yield b"["
        yield from map(unpack.decompress, (*self._done, self._pack.flush()))
        yield b"]"


def _side(cassette: Cassette) -> Iterator[str]:
    """Yield a cassette for the page: pages of what a click shows, and columns."""
    causes = Causes.of_entries(cassette.entries)
    columns = {name: _PackedList() for name in (*_COLUMNS, "lane", "ticks")}
    names: dict[str, dict[str, int]] = {name: {} for name in ("name", "place", "lane")}
    ticks = 0
    yield f'{{"count":{len(cassette)},"size":{_ENTRIES_IN_PAGE},"pages":['
    for number, rows in enumerate(_runs(Rows(cassette), _ENTRIES_IN_PAGE)):
        for row in rows:
            row["outcome"] = causes.outcomes.get(row["number"], row["outcome"])
            row["ticks"] = ticks = ticks + row["facts"].get("latency_ticks", 0)
            for name, known in names.items():
                row[name] = known.setdefault(row[name], len(known))
        for name, column in columns.items():
            column.extend([row[name] for row in rows])
        details = [{name: row[name] for name in ("op", "facts", "message", "parts")} for row in rows]
        yield f'{"," if number else ""}"{_packed([json_text(details, indent=None).encode()])}"'
    yield f'],"columns":"{_packed(_columns_json(columns, names, causes))}"}}'


def _columns_json(columns: dict[str, _PackedList], names: dict[str, dict[str, int]], causes: Causes) -> Iterator[bytes]:
    of = _PackedList()
    of.extend(causes.of.items())
    listed = json_text({name: list(known) for name, known in names.items()}, indent=None)
    yield f'{{"names":{listed}'.encode()
    for name, column in (columns | {"causes": of}).items():
        yield f',"{name}":'.encode()
        yield from column.json()
    yield b"}"


def _runs(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    left = iter(values)
    while run := list(islice(left, size)):
        yield run


def _packed(pieces: Iterable[bytes]) -> str:
    pack = zlib.compressobj()
    data = b"".join((*map(pack.compress, pieces), pack.flush()))
    return base64.b64encode(data).decode()


def _row(entry: dict[str, Any]) -> Row:
    """Return what is shown of an entry as `describe_entry` describes it."""
    response, meta = entry["response"], entry["meta"] if isinstance(entry["meta"], dict) else {}
    message = next((part for part in (_envelope(response), entry["request"]) if _is_envelope(part)), None)
    facts = ("kind", "key", "scope", "err", "latency_ticks", "req_sha256")
    name = entry["op"].removesuffix("_v1").rpartition(".")[2].removesuffix("_env")
    kind = _type(name, response, failed=bool(entry["err"]))
    parts: list[list[Any]] = [] if message else [["request", _as_fields(entry["request"])]]
    if not message or entry["err"]:
        parts.append(["error" if entry["err"] else "response", _as_fields(response)])
    if entry["meta"]:
        parts.append(["metadata", _as_fields(entry["meta"])])
    lane = entry["scope"] or (message["topic"] if message else "")
    spot = meta.get("partition", meta.get("queue", ""))
    position = meta.get("offset", meta.get("delivery_tag", ""))
    row = {
        "number": entry["number"],
        "op": entry["op"],
        "name": name,
        "type": kind,
        "lane": lane,
        "text": _summary(message, response, entry),
        "place": message["topic"] if message else lane,
        "spot": str(spot),
        "position": str(position),
        "key": _short(message["key"]) if message else "",
        "value": _short(message["value"]) if message else _summary(None, response, entry),
        "outcome": f"error {entry['err']}" if entry["err"] else "confirmed" if kind == "publish" else "",
        "facts": {key: entry[key] for key in facts if entry[key]},
        "message": {field: _cut(value) for field, value in message.items()} if message else None,
        "parts": parts,
    }
    row |= shown_of_history(entry)
    row["value"] = _short(row["value"])
    row["parts"] = [[title, {field: _cut(value) for field, value in fields.items()}] for title, fields in row["parts"]]
    return row


def _envelope(response: Any) -> Any:
    return response.get("envelope") if isinstance(response, dict) else None


def _is_envelope(part: Any) -> bool:
    return isinstance(part, dict) and "topic" in part and "headers" in part


def _as_fields(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {"text": value}


def _type(name: str, response: Any, *, failed: bool) -> str:
    if failed:
        return "error"
    operation = response.get("operation") if isinstance(response, dict) else None
    if operation in ("publish", "deliver"):
        return str(operation)
    settling = next((one for one in _SETTLING if name.startswith(one)), "other")
    return "ack" if settling == "commit" else settling


def _summary(message: dict[str, Any] | None, response: Any, entry: dict[str, Any]) -> str:
    if message is None:
        shown = response if entry["err"] else entry["request"]
        return _short(shown)
    key = f"{_short(message['key'])} " if message["key"] else ""
    return f"{key}{_short(message['value'])}"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _cut(value: Any) -> Any:
    """Return a value, and of a very long text its beginning: a page is for reading."""
    text = value.get("base64") if isinstance(value, dict) else value
    if not isinstance(text, str) or len(text) <= _LONGEST:
        return value
    return f"{text[:_LONGEST]}… ({len(text)} characters{' of Base64' if text is not value else ''})"
