"""What became of each delivery, and which publishes it caused, as far as a recording tells.

A recording has no arrows. A publish is said to come of a delivery only where one alone fits among those that were open
(delivered and not settled): by the trace in its headers, else by its key among those of the last batch, else because
that batch has no other. A batch begins where the recording says so, or with the first delivery after a publish. Where
several fit, nothing is said.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import EnvelopeError, RecordError
from x07py.files import load_json
from x07py.msg import Envelope, MessageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.rr.entry import Entry

PUBLISH, DELIVER = 1, 2
_TRACES = ("traceparent", "correlation_id", "x07-correlation-id", "correlation-id", "message_id")
_SETTLED = {"ack": "acknowledged", "nack": "nacked", "reject": "rejected"}
_MOST_OPEN = 10_000
Place = tuple[str, str, int]


class _Open(NamedTuple):
    number: int
    key: bytes
    traces: frozenset[str]


@dataclass(slots=True)
class Causes:
    """What `of_entries` found, by number of an entry.

    Args:
        outcomes: what became of a delivery: acknowledged, nacked, rejected.
        of: the delivery that a publish comes of.
    """

    outcomes: dict[int, str] = field(default_factory=dict)
    of: dict[int, int] = field(default_factory=dict)
    _open: dict[Place, _Open] = field(default_factory=dict)
    _traces: dict[str, set[int]] = field(default_factory=dict)
    _sent: bool = False
    _in_batch: dict[bytes, set[int]] = field(default_factory=dict)

    @classmethod
    def of_entries(cls, entries: Iterable[Entry]) -> Causes:
        """Read all entries of a recording, in order."""
        causes = cls()
        for number, entry in enumerate(entries):
            causes.take(number, entry)
        return causes

    def results(self) -> dict[int, list[int]]:
        """Return the publishes that a delivery caused, by its number."""
        found: dict[int, list[int]] = {}
        for result, cause in self.of.items():
            found.setdefault(cause, []).append(result)
        return found

    def take(self, number: int, entry: Entry) -> None:
        """Read the next entry."""
        name = entry.op.rpartition(".")[2].removesuffix("_v1")
        if name in _SETTLED:
            for place in list(_settled(_json(entry.req), entry.scope, self._open)):
                self.outcomes[self._close(place)] = _SETTLED[name]
            return
        try:
            record = MessageRecord.decode(entry.resp)
            envelope = Envelope.decode(record.env)
        except (RecordError, EnvelopeError):
            return
        traces = frozenset(envelope.headers[one] for one in _TRACES if envelope.headers.get(one))
        if record.op_tag == PUBLISH:
            self._sent = True
            cause = self._cause(envelope.key, traces)
            if cause is not None:
                self.of[number] = cause
        elif record.op_tag == DELIVER:
            meta = _json(entry.meta)
            starts = self._sent or "batch" in meta
            self._sent = False
            self._deliver(_place(meta, entry.scope), _Open(number, envelope.key, traces), starts=starts)

    def _deliver(self, place: Place, one: _Open, *, starts: bool) -> None:
        if starts:
            self._in_batch.clear()
        if place in self._open:
            self._close(place)
        self._open[place] = one
        self._in_batch.setdefault(one.key, set()).add(one.number)
        for trace in one.traces:
            self._traces.setdefault(trace, set()).add(one.number)
        if len(self._open) > _MOST_OPEN:
            self._close(next(iter(self._open)))

    def _close(self, place: Place) -> int:
        one = self._open.pop(place)
        for name, table in [(one.key, self._in_batch), *((trace, self._traces) for trace in one.traces)]:
            numbers = table.get(name)  # type: ignore[attr-defined]
            if numbers is not None:
                numbers.discard(one.number)
                if not numbers:
                    del table[name]  # type: ignore[attr-defined]
        return one.number

    def _cause(self, key: bytes, traces: frozenset[str]) -> int | None:
        by_trace = [number for trace in traces for number in self._traces.get(trace, ())]
        of_key = self._in_batch.get(key, set()) if key else set()
        fits = set(by_trace) or of_key
        if not fits and len(self._in_batch) == 1:
            fits = next(iter(self._in_batch.values()))
        return next(iter(fits)) if len(fits) == 1 else None


def _place(meta: dict[str, Any], scope: str) -> Place:
    source = str(meta.get("queue") or meta.get("topic") or scope)
    lane = meta.get("partition", meta.get("channel", ""))
    number = meta.get("offset", meta.get("delivery_tag"))
    return source, str(lane), number if isinstance(number, int) else -1


def _settled(request: dict[str, Any], scope: str, open_: dict[Place, _Open]) -> Iterator[Place]:
    """Yield the places that an acknowledgement names: ranges of them, or one delivery tag, alone or up to it."""
    for source, lane, first, last in _ranges(request.get("ranges")):
        if last - first < len(open_):
            yield from (place for n in range(first, last + 1) if (place := (source, lane, n)) in open_)
        else:
            yield from (place for place in open_ if place[:2] == (source, lane) and first <= place[2] <= last)
    tag, channel = request.get("delivery_tag"), str(request.get("channel", ""))
    if not isinstance(tag, int):
        return
    if request.get("multiple"):
        yield from (place for place in open_ if place[1] == channel and (place[2] <= tag or not tag))
    elif (scope, channel, tag) in open_:
        yield scope, channel, tag


def _ranges(table: Any) -> Iterator[tuple[str, str, int, int]]:
    """Yield source, partition or channel, first and last number of each range."""
    for source, lanes in table.items() if isinstance(table, dict) else ():
        for lane, rows in lanes.items() if isinstance(lanes, dict) else ():
            for row in rows if isinstance(rows, list) else ():
                match row:
                    case [int(first), int(last)]:
                        yield str(source), str(lane), first, last


def _json(data: bytes | str) -> dict[str, Any]:
    try:
        found = load_json(data) if data else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
