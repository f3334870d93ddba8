"""A counterexample as a cassette: what happened, as a recording would hold it, and before it what makes it happen."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.drivers.base import AMQP, KAFKA, canonical_json
from x07py.errors import DriverError, UsageError
from x07py.explore.inputs import Input, input_of
from x07py.explore.kept_entry import FOLDER
from x07py.explore.promises import Promises, promise_of
from x07py.explore.services import Answered, answered_of
from x07py.explore.story import line_of
from x07py.files import load_json, make_folder, replace_file
from x07py.msg import MessageRecord
from x07py.rr import Cassette
from x07py.rr.entry import Entry
from x07py.worlds import CASSETTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from x07py.explore.choices import Decisions
    from x07py.explore.order import Order
    from x07py.explore.process import Event
    from x07py.explore.shrinking import Counterexample

_DIALECTS = {"kafka": KAFKA, "amqp": AMQP}
_SCHEDULE = "x07.explore.schedule_v1"
_KEY = "explored"
_PROFILE = "simulated"
_LONGEST_IDLE_S = 60


class Schedule(NamedTuple):
    """What makes a history happen again."""

    entry: str
    args: tuple[str, ...]
    families: frozenset[str]
    promises: Promises
    inputs: Sequence[Input]
    decisions: Decisions
    seed: int
    invariant: str
    where: str
    call: tuple[tuple[str, str], ...] = ()
    answers: Sequence[Answered] = ()
    until_idle_s: float = 0.0

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        promises = self.promises
        topics = {
            topic: {"results": one.results, "duplicates": one.duplicates, "order": one.order}
            for topic, one in promises.topics.items()
        }
        answers = {"answers": [one.document() for one in self.answers]} if self.answers else {}
        wire = {"until_idle_s": self.until_idle_s} if self.until_idle_s else {}
        return {
            **answers,
            **wire,
            "args": list(self.args),
            "call": dict(self.call),
            "decisions": self.decisions,
            "entry": self.entry,
            "families": sorted(self.families),
            "finding": {"invariant": self.invariant, "where": self.where},
            "inputs": [one.document() for one in self.inputs],
            "promises": {
                "dead_letters": list(promises.dead_letters),
                "instances": promises.instances,
                "invariants": list(promises.invariants),
                "topics": topics,
            },
            "seed": self.seed,
        }


def keep(root: Path, schedule: Schedule, found: Counterexample) -> Path:
    """Write a counterexample below the project's cassettes and return the file."""
    req = canonical_json(schedule.document())
    name = "".join(one if one.isalnum() else "-" for one in f"{schedule.entry}-{schedule.invariant}").strip("-")
    digest = hashlib.sha256(req).hexdigest()[:8]
    path = root / CASSETTES / FOLDER / f"{name}-{digest}.x07rr.bin"
    make_folder(path.parent, root=root)
    first = Entry("rr", _SCHEDULE, _KEY, req, found.finding.what.encode())
    entries = [first, *(entry for event in found.history.events for entry in _entries(event))]
    replace_file(path, Cassette.from_entries(entries).to_bytes(), root=root)
    return path


def _entries(event: Event) -> Iterator[Entry]:
    facts = event.facts
    meta = canonical_json({"process": event.process}).decode()
    if event.what == "published":
        dialect = _DIALECTS[facts[1]]
        for one in facts[0]:
            record = MessageRecord(1, dialect.number, _PROFILE, one.encode(), 1, b"OK").encode()
            yield Entry("rr", dialect.publish_op, _PROFILE, one.encode(), record, meta=meta, scope=one.topic)
    elif event.what == "delivered":
        _, batch, subscription, kind = facts
        dialect = _DIALECTS[kind]
        for number, one in enumerate(batch):
            record = MessageRecord(2, dialect.number, _PROFILE, one.envelope_bytes, 1, b"ACK").encode()
            about = {**one.meta, "process": event.process}
            if number == 0:
                about = {"batch": len(batch), **about}
            text = json.dumps(about, separators=(",", ":"), ensure_ascii=False)
            scope, req = subscription.scope(), subscription.request()
            yield Entry("rr", dialect.poll_op, _PROFILE, req, record, meta=text, scope=scope)
    else:
        kind = "fault" if event.what == "fault" else "life" if event.what in {"started", "ended", "crash"} else "step"
        req = canonical_json({"process": event.process, "what": event.what, "facts": _plain(facts)})
        resp = canonical_json({"told": line_of(event)})
        scope = f"{event.process} {event.what}"
        yield Entry("rr", f"x07.explore.{kind}_v1", _KEY, req, resp, meta=meta, scope=scope)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            "/".join(map(str, key)) if isinstance(key, tuple) else str(key): _plain(one) for key, one in value.items()
        }
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int) else str(value)


def read_schedule(path: Path) -> Schedule:
    """Return what a kept counterexample says.

    Raises:
        CassetteError: it is no cassette.
        UsageError: ``X07EXPLORE_SCHEDULE`` if it is no counterexample.
    """
    cassette = Cassette.load(path)
    try:
        first = cassette.entries[0]
        if first.op != _SCHEDULE:
            raise ValueError(first.op)
        document = load_json(first.req)
        promised = document["promises"]
        where = str(path)
        promises = Promises(
            {topic: promise_of(topic, given, where) for topic, given in promised["topics"].items()},
            tuple(map(str, promised["dead_letters"])),
            tuple(map(str, promised["invariants"])),
            int(promised["instances"]),
        )
        decisions = {str(name): one for name, one in document["decisions"].items() if isinstance(one, str | int)}
        return Schedule(
            str(document["entry"]),
            tuple(map(str, document["args"])),
            frozenset(map(str, document["families"])),
            promises,
            [input_of(one) for one in document["inputs"]],
            decisions,
            int(document["seed"]),
            str(document["finding"]["invariant"]),
            str(document["finding"]["where"]),
            tuple((str(name), str(value)) for name, value in document["call"].items()),
            [answered_of(one) for one in document.get("answers", [])],
            _idle_s(document.get("until_idle_s", 0)),
        )
    except (DriverError, IndexError, KeyError, ValueError, TypeError, AttributeError):
        hint = "x07 explore writes such files; make it anew"
        raise UsageError("X07EXPLORE_SCHEDULE", "the cassette is no kept history", where=str(path), hint=hint) from None


def _idle_s(value: object) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= _LONGEST_IDLE_S:
        raise ValueError("that is no number of seconds")
    return float(value)


def schedule_of(order: Order, found: Counterexample) -> Schedule:
    """Return what makes a counterexample of an exploration happen again."""
    return Schedule(
        order.entry,
        order.args,
        order.families,
        order.promises,
        found.inputs,
        found.decisions,
        found.seed,
        found.finding.invariant,
        found.finding.where,
        order.call,
        order.answers,
        order.until_idle_s,
    )
