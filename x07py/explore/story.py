"""A history told: what was delivered, what the program did, where it died, what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.explore.faults import KINDS
from x07py.printing import counted, terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from x07py.explore.invariants import Finding
    from x07py.explore.process import Event
    from x07py.explore.shrinking import Counterexample
    from x07py.msg import Envelope

_MOST_LINES = 20
_MOST_NAMED = 3
_SHORT = 48
_DISTANCES = (-1, 1, -2, 2, -3, 3, -4, 4)
"""How near to what has to be told other lines are, the nearest first."""


def tell(found: Counterexample) -> list[str]:
    """Return the story of a counterexample, in twenty lines at most."""
    history, finding = found.history, found.finding
    where = f" {finding.where}:" if finding.where else ""
    lives = counted(len(history.lives), "life", "lives")
    head = [
        f"{finding.invariant}:{where} {finding.what}",
        f"{counted(len(found.inputs), 'message')}, {counted(history.faults, 'fault')}, {lives}:",
    ]
    told = [(line, _shows(event, finding)) for event in history.events if (line := line_of(event))]
    lines = [line for line, _ in told]
    room = _MOST_LINES - len(head) - 1
    shown = [f"  {line}" for line in _fold(lines, [number for number, (_, shows) in enumerate(told) if shows], room)]
    left = [f"{one.messages} of {one.place} are not acknowledged" for one in history.left]
    end = f"  at the end {', '.join(left) or 'everything is acknowledged'}; {_published(found)}"
    return [terminal(line)[:400] for line in [*head, *shown, end]]


def _published(found: Counterexample) -> str:
    here, there = found.history.topics(), found.base.topics()
    rows = [
        f"{topic} has {len(here.get(topic, []))} messages, undisturbed {len(there.get(topic, []))}"
        for topic in sorted(here.keys() | there.keys())
    ]
    return ", ".join(rows[:4]) or "nothing was published"


def _shows(event: Event, finding: Finding) -> bool:
    """Tell whether an event publishes where something is wrong, under a key that the finding names."""
    return event.what == "published" and any(
        one.topic == finding.where and f"{_text(one.key)}=" in finding.what for one in event.facts[0]
    )


def _fold(lines: list[str], telling: list[int], room: int) -> list[str]:
    """Leave lines out until the rest fits: faults and starts stay, then what is wrong, then what is next to either."""
    if len(lines) <= room:
        return lines
    marks = [number for number, line in enumerate(lines) if "!" in line[:4] or " starts" in line[:8]]
    near = {0, len(lines) - 1}
    for distance in (0, *_DISTANCES):
        for mark in (*marks, *telling):
            number = mark + distance
            if 0 <= number < len(lines) and _length(near | {number}) <= room:
                near.add(number)
    shown: list[str] = []
    last = -1
    for number in sorted(near):
        if number > last + 1:
            shown.append(f"... {counted(number - last - 1, 'more step')}")
        shown.append(lines[number])
        last = number
    return shown


def _length(near: set[int]) -> int:
    """Return how many lines it takes to show these, with one for each gap."""
    return len(near) + sum(number - 1 not in near for number in near if number)


def line_of(event: Event) -> str:
    """Return what happened as a line of the story, empty if the story leaves it out."""
    facts = event.facts
    who = event.process
    if event.what == "fault":
        operation, kind, place = facts
        why = KINDS[kind].why if kind in KINDS else kind
        return f"!   {who} {kind} at {operation} ({place.rpartition(':')[2]}): {why}"
    if event.what == "delivered":
        return f"{who} gets {_places(facts[0])}: {_some(one.envelope for one in facts[1])}"
    if event.what == "published":
        return f"{who} publishes {_messages(facts[0])}" if facts[0] else f"{who} publishes nothing of it"
    if event.what == "ended":
        how, why = facts
        return f"{who} ends: {why or how}" if how in {"error", "stopped"} else ""
    tell = _TEXTS.get(event.what)
    return f"{who} {tell(facts)}" if tell else ""


def _places(taken: dict[tuple[str, int], list[int]]) -> str:
    return ", ".join(f"{topic}/{number} {_span(offsets)}" for (topic, number), offsets in taken.items())


def _span(numbers: Sequence[int]) -> str:
    if not numbers:
        return "nothing"
    return str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]}-{numbers[-1]}"


def _ranges(given: Any) -> str:
    if isinstance(given, tuple):
        return f"{len(given)} messages" if given else "nothing that the broker still waits for"
    return ", ".join(
        f"{topic}/{number} {_span([spans[0][0], spans[-1][1]])}"
        for topic, parts in given.items()
        for number, spans in parts.items()
    )


def _offsets(offsets: dict[tuple[str, int], int]) -> str:
    return ", ".join(f"{topic}/{number} up to {at}" for (topic, number), at in sorted(offsets.items())) or "nothing"


def _messages(envelopes: Iterable[Envelope]) -> str:
    topics: dict[str, list[Envelope]] = {}
    for one in envelopes:
        topics.setdefault(one.topic, []).append(one)
    return "; ".join(f"{topic}: {_some(many)}" for topic, many in topics.items())


def _some(envelopes: Iterable[Envelope]) -> str:
    many = list(envelopes)
    texts = [f"{_text(one.key)}={_text(one.value)}" for one in many[:_MOST_NAMED]]
    return ", ".join(texts) + (f" and {len(many) - _MOST_NAMED} more" if len(many) > _MOST_NAMED else "")


def _text(data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 3]}..."


_TEXTS: dict[str, Callable[[tuple[Any, ...]], str]] = {
    "started": lambda _: "starts",
    "crash": lambda _: "is dead; what it held in memory is gone",
    "acked": lambda facts: f"acknowledges {_ranges(facts[0])}",
    "nacked": lambda facts: f"gives back {_ranges(facts[0])}",
    "committed": lambda facts: f"commits {_offsets(facts[0])}",
    "not committed": lambda facts: f"does not commit {_offsets(facts[0])}",
    "revoked": lambda facts: "loses " + ", ".join(f"{topic}/{number}" for topic, number in facts),
    "answered": lambda facts: f"is answered {facts[1]} to {facts[0]}",
    "unanswered": lambda facts: f"gets no answer to {facts[1]}",
    "began": lambda _: "begins a transaction",
    "aborted": lambda _: "aborts the transaction",
}
