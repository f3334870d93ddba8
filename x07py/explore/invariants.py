"""What is wrong with a history, measured against the undisturbed one and against what the program promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.explore.history import counted, identity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from x07py.explore.history import History, Identity
    from x07py.explore.promises import Promise, Promises
    from x07py.msg import Envelope


class Finding(NamedTuple):
    """Something wrong: the invariant's name, where, and what, in a sentence."""

    invariant: str
    where: str
    what: str


UNDISTURBED = "undisturbed"


def failure_of(history: History) -> str:
    """Return why a history without faults failed by itself, empty if it did not."""
    failed = next((life for life in history.lives if life.how == "error"), None)
    return history.stuck or (failed.why or failed.how if failed else "")


def undisturbed_finding(failure: str) -> Finding:
    """Return what is wrong where a program fails without any fault."""
    return Finding(UNDISTURBED, "", f"the program fails without any fault: {failure}")


def check(
    history: History, base: History, promises: Promises, own: Sequence[tuple[str, Callable[[History], object]]] = ()
) -> list[Finding]:
    """Return what is wrong, the most telling first.

    Args:
        history: the history.
        base: the undisturbed one.
        promises: what the program promises.
        own: the user's invariants, by name.
    """
    if history.stuck:
        return [Finding("progress", "", history.stuck)]
    return [*_topics(history, base, promises), *_left(history, base), *_own(history, own)]


def _left(history: History, base: History) -> Iterator[Finding]:
    known = {one.place for one in base.left}
    for one in history.left:
        if one.place not in known:
            yield Finding("handled", one.place, f"{one.messages} messages are never acknowledged")


def _topics(history: History, base: History, promises: Promises) -> Iterator[Finding]:
    here, there = history.topics(), base.topics()
    for topic in sorted(here.keys() | there.keys()):
        if topic in base.read and topic not in promises.topics:
            continue
        promise = promises.of(topic)
        expected, seen = there.get(topic, []), here.get(topic, [])
        letters = topic in promises.dead_letters
        if letters and history.poisoned:
            seen = _without_poison(seen)
        yield from _compare(topic, promise, expected, seen, faults=history.faults, letters=letters)
    if history.poisoned:
        yield from _poison(history, promises)


POISON_ID = "x07-poison"


def _without_poison(seen: list[Envelope]) -> list[Envelope]:
    return [one for one in seen if one.headers.get("ce_id") != POISON_ID]


def _poison(history: History, promises: Promises) -> Iterator[Finding]:
    letters = [
        one.envelope
        for one in history.published
        if one.envelope.topic in promises.dead_letters and one.envelope.headers.get("ce_id") == POISON_ID
    ]
    if not letters:
        where = ", ".join(promises.dead_letters)
        yield Finding("dead letters", where, "the message that cannot be handled is gone, and is no dead letter")


def _compare(
    topic: str, promise: Promise, expected: list[Envelope], seen: list[Envelope], *, faults: int, letters: bool
) -> Iterator[Finding]:
    by_id = promise.results == "ce_id"
    wanted, found = counted(expected), counted(seen)
    missing = [one for one in wanted if one not in found]
    extra = [one for one in found if one not in wanted]
    if by_id:
        ids = {one.headers.get("ce_id", "") for one in seen}
        missing = [identity(one) for one in expected if one.headers.get("ce_id", "") not in ids]
    if missing:
        yield Finding("results", topic, f"{_some(missing)} {_are(missing)} missing; {_sizes(expected, seen)}")
    if extra:
        name = "dead letters" if letters else "results"
        why = "no dead letter" if letters else "no result"
        yield Finding(name, topic, f"{_some(extra)} {_are(extra)} {why} of the undisturbed run")
    if missing or extra:
        return
    allowed = promise.duplicates == "any" or (promise.duplicates == "after-fault" and faults)
    twice = [one for one, times in found.items() if times > wanted[one]]
    if twice and not allowed:
        after = "" if promise.duplicates == "never" else ", without any fault"
        yield Finding("duplicates", topic, f"{_some(twice)} {_are(twice)} there more often than once{after}")
    fewer = [one for one, times in found.items() if times < wanted[one]]
    if fewer:
        yield Finding("results", topic, f"{_some(fewer)} {_are(fewer)} there less often than undisturbed")
    if promise.order == "key" or promise.results == "sequence":
        yield from _order(topic, promise, expected, seen)


def _order(topic: str, promise: Promise, expected: list[Envelope], seen: list[Envelope]) -> Iterator[Finding]:
    exact = promise.duplicates == "never"
    wanted, found = _lanes(expected, exact=exact), _lanes(seen, exact=exact)
    for key, lane in wanted.items():
        other = found.get(key, [])
        if lane != other:
            at = next((n for n, (a, b) in enumerate(zip(lane, other, strict=False)) if a != b), 0)
            what = f"of key {key!r} {_text(other[at])} comes before {_text(lane[at])}" if other else "a key is gone"
            yield Finding("order", topic, what)
            return


def _lanes(envelopes: list[Envelope], *, exact: bool) -> dict[bytes, list[Identity]]:
    """Return the messages of each key in order; what comes again does not count where it may come again."""
    lanes: dict[bytes, list[Identity]] = {}
    seen: set[Identity] = set()
    for one in envelopes:
        same = identity(one)
        if exact or same not in seen:
            seen.add(same)
            lanes.setdefault(one.key, []).append(same)
    return lanes


def _own(history: History, own: Sequence[tuple[str, Callable[[History], object]]]) -> Iterator[Finding]:
    for name, holds in own:
        try:
            told = holds(history)
        except AssertionError as error:
            told = str(error) or "it does not hold"
        except Exception as error:  # noqa: BLE001  (whatever it is, the user has to see it)
            told = f"it ended with {type(error).__name__}: {error}"
        if told is False or (isinstance(told, str) and told):
            yield Finding(name, "", told if isinstance(told, str) else "it does not hold")


def _text(one: Identity) -> str:
    value = one[1][:60].decode("utf-8", "backslashreplace")
    return f"{one[0].decode('utf-8', 'backslashreplace')}={value}"


def _some(many: Sequence[Identity]) -> str:
    more = f" and {len(many) - 2} more" if len(many) > 2 else ""
    return ", ".join(map(_text, many[:2])) + more


def _are(many: Sequence[Identity]) -> str:
    return "is" if len(many) == 1 else "are"


def _sizes(expected: Sequence[Envelope], seen: Sequence[Envelope]) -> str:
    there = "is 1 message" if len(expected) == 1 else f"are {len(expected)} messages"
    return f"undisturbed there {there}, here {len(seen)}"
