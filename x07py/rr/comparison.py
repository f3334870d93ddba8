"""What changed between two recordings, for ``x07 rr diff``: each field once, facts of the run apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from x07py.files import load_json
from x07py.printing import escaped
from x07py.rr.alignment import NOTHING_VARIES, message_of, pairs_of
from x07py.rr.difference import describe_difference
from x07py.rr.report import entry_line
from x07py.rr.volatile import is_volatile_header

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator

    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry
    from x07py.rr.varying import Varying


class Change(NamedTuple):
    """One difference: ``~`` changed, ``-`` gone, ``+`` new; the entry in a line, and its fields."""

    change: str
    line: str
    detail: str = ""


def changes_between(
    old: Cassette, new: Cassette, facts: Counter[str], varying: Varying = NOTHING_VARIES
) -> Iterator[Change]:
    """Yield what changed between two recordings, by place and key, in the order of the newer one.

    Batches, offsets, timestamps, latencies and how partitions interleave are facts of the run, not changes; nor is
    what `varying` says.

    Args:
        old: the older recording.
        new: the newer one.
        facts: counts, as changes are asked for, the entries that differ in each fact of the run, such as
            ``timestamp_ms``.
        varying: what was declared to differ.
    """
    for left, right, alike in pairs_of(old, new, varying):
        one = old.entries[left] if left is not None else None
        other = new.entries[right] if right is not None else None
        if alike:
            facts.update(_volatile(one, other))
        elif one is not None and other is not None:
            yield Change("~", entry_line(right or 0, other), _detail(one, other, varying))
        elif one is not None:
            yield Change("-", entry_line(left or 0, one))
        elif other is not None:
            yield Change("+", entry_line(right or 0, other))


def _detail(old: Entry, new: Entry, varying: Varying) -> str:
    parts = [
        f"  {name}\n    - {escaped(str(getattr(old, name)))}\n    + {escaped(str(getattr(new, name)))}"
        for name in ("kind", "op", "key", "scope", "err")
        if getattr(old, name) != getattr(new, name)
    ]
    before, after = message_of(old), message_of(new)
    if before is not None and after is not None:
        shapes = (varying.shape(envelope).envelope.encode() for _, envelope in (before, after))
        parts.append(
            describe_difference(*shapes, leave_out=lambda name: is_volatile_header(name) or varying.ignores(name))
        )
    elif old.req != new.req:
        parts.append(describe_difference(old.req, new.req))
    return "\n".join(part for part in parts if part)


def _volatile(old: Entry | None, new: Entry | None) -> Iterator[str]:
    """Yield the names of the facts in which two entries that say the same differ."""
    if old is None or new is None:
        yield "how often"
        return
    if old == new:
        return
    if old.latency_ticks != new.latency_ticks:
        yield "latency_ticks"
    if old.meta != new.meta:
        before, after = _facts(old.meta), _facts(new.meta)
        yield from (name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if (old.req, old.resp) == (new.req, new.resp):
        return
    one, other = message_of(old), message_of(new)
    if one is not None and other is not None:
        names = one[1].headers.keys() | other[1].headers.keys()
        yield from (name for name in names if one[1].headers.get(name) != other[1].headers.get(name))
    elif old.resp != new.resp:
        yield "answer"


def _facts(meta: str) -> dict[str, object]:
    try:
        found = load_json(meta) if meta else {}
    except (ValueError, RecursionError):
        return {"meta": meta}
    return found if isinstance(found, dict) else {"meta": found}
