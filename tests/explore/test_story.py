"""A story of more steps than fit: what stays in it."""

from __future__ import annotations

from x07py.explore.history import History, Life, Published
from x07py.explore.invariants import Finding
from x07py.explore.process import Event
from x07py.explore.shrinking import Counterexample
from x07py.explore.story import tell
from x07py.msg import Envelope


def step(number: int) -> Event:
    return Event("a.1", "acked", ({"orders": {"0": [[number, number]]}},))


def test_a_long_story_shows_its_fault_and_the_result_that_is_wrong() -> None:
    wrong = Envelope("out", b"ada", b"195")
    fault = Event("a.1", "fault", ("publish", "crash-after", "a.1:publish#1"))
    events = [
        Event("a.1", "started", ()),
        *map(step, range(30)),
        fault,
        Event("a.2", "started", ()),
        *map(step, range(30)),
        Event("a.2", "published", ((wrong,), "kafka")),
        *map(step, range(30)),
    ]
    history = History([wrong], [Published(wrong, "out/0", "a.2")], lives=[Life("a.1", "crash", "")], events=events)
    finding = Finding("results", "out", "ada=195 is no result of the undisturbed run")
    lines = tell(Counterexample(history, History([wrong]), finding, {}, [], 0))
    assert "  a.2 publishes out: ada=195" in lines
    assert any("crash-after at publish" in line for line in lines)
    assert (len(lines), "  a.1 acknowledges orders/0 29-29" in lines) == (20, True)
