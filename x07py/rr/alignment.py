"""Which entries of two recordings stand for the same: by place and key, in the order that each key has.

Brokers keep an order for one partition or queue, and so for one key; how partitions interleave and where batches end
differs from run to run. Entries are therefore aligned within one lane: direction, place and key of a message. Within a
lane, equal entries are matched occurrence by occurrence, and of these matches the longest run that is in order on both
sides is kept, which takes n log n. `difflib` lost: its time is quadratic where many messages are equal.

Beside the two files this takes about 60 bytes an entry: digests and numbers in arrays, lanes a part of them at a time.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import EnvelopeError, RecordError
from x07py.msg import Envelope, MessageRecord
from x07py.msg.envelope import MAGIC
from x07py.msg.record import MAGIC as RECORD_MAGIC
from x07py.rr.varying import Varying
from x07py.rr.volatile import is_counted, stable_headers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry

PUBLISH, DELIVER = 1, 2
NOTHING_VARIES = Varying()
_ORDERED, _UNORDERED, _COUNTED = 0, 1, 2
"""Kinds of lanes: in the order of the broker, in any, and of operations of which a recording holds more or fewer."""
_SIZE = 16
_PARTS = 64


class Pair(NamedTuple):
    """Numbers of two entries that stand beside each other, or of one that stands alone; whether they say the same."""

    left: int | None
    right: int | None
    alike: bool


def message_of(entry: Entry) -> tuple[int, Envelope] | None:
    """Return whether the message of an entry was published (1) or delivered (2), and the message."""
    if entry.resp.startswith(RECORD_MAGIC, 4):
        try:
            record = MessageRecord.decode(entry.resp)
            return record.op_tag, Envelope.decode(record.env)
        except (RecordError, EnvelopeError):
            pass
    if not entry.req.startswith(MAGIC, 4):
        return None
    try:
        return PUBLISH, Envelope.decode(entry.req)
    except EnvelopeError:
        return None


def _placed(entry: Entry, varying: Varying) -> tuple[bytes, bytes]:
    """Return the lane of an entry, its kind first, and what it says there without what may differ, as digests."""
    found = message_of(entry)
    if found is None:
        if is_counted(entry):
            return _digest(_COUNTED, entry.op, entry.scope, entry.err), bytes(_SIZE)
        lane = _digest(_ORDERED, "", entry.kind, entry.op, entry.scope)
        return lane, _digest(_ORDERED, entry.key, entry.req, entry.err)
    direction, one = found[0], varying.shape(found[1]).envelope
    order = _ORDERED if one.key else _UNORDERED
    lane = _digest(order, direction, varying.place(entry.scope or one.topic), one.key)
    headers = stable_headers((name, text) for name, text in one.headers.items() if not varying.ignores(name))
    return lane, _digest(_ORDERED, one.topic, one.value, headers, entry.err)


def _digest(kind: int, *facts: object) -> bytes:
    text = repr(facts).encode("utf-8", "surrogateescape")
    return b"%c" % kind + hashlib.blake2b(text, digest_size=_SIZE - 1).digest()


class _Lane(NamedTuple):
    """Entries of one lane by number, and what all entries of the recording say."""

    numbers: array[int]
    contents: bytearray

    def content(self, position: int) -> bytes:
        """Return the digest of what the entry at a position of the lane says."""
        start = _SIZE * self.numbers[position]
        return bytes(self.contents[start : start + _SIZE])

    def by_content(self) -> array[int]:
        """Return the positions by what stands there, equal ones in order."""
        return array("q", sorted(range(len(self.numbers)), key=self.content))


class _Side:
    """What each entry of a recording is compared by."""

    def __init__(self, cassette: Cassette, varying: Varying) -> None:
        self.contents = bytearray()
        self._lanes = bytearray()
        self._parts = [array("q") for _ in range(_PARTS)]
        for number, entry in enumerate(cassette.entries):
            lane, content = _placed(entry, varying)
            self._lanes += lane
            self.contents += content
            self._parts[lane[1] % _PARTS].append(number)

    def lanes(self, part: int) -> dict[bytes, _Lane]:
        """Return a part of the lanes; each stands in the same part on both sides."""
        found: dict[bytes, _Lane] = {}
        for number in self._parts[part]:
            lane = bytes(self._lanes[_SIZE * number : _SIZE * (number + 1)])
            if lane not in found:
                found[lane] = _Lane(array("q"), self.contents)
            found[lane].numbers.append(number)
        return found


def pairs_of(old: Cassette, new: Cassette, varying: Varying = NOTHING_VARIES) -> Iterator[Pair]:
    """Yield what stands beside what, in the order of the newer cassette.

    Operations that a recording holds more or fewer of, as batches fall, count as alike where one side has no partner.
    """
    before, after = _Side(old, varying), _Side(new, varying)
    pairs = _Pairs(len(old), len(new))
    nothing = array("q")
    for part in range(_PARTS):
        left, right = before.lanes(part), after.lanes(part)
        for lane in left.keys() | right.keys():
            one = left.get(lane, _Lane(nothing, before.contents))
            other = right.get(lane, _Lane(nothing, after.contents))
            for pair in _aligned(one, other, lane[0]):
                pairs.add(pair)
    del before, after
    return pairs.in_order()


def _aligned(left: _Lane, right: _Lane, kind: int) -> Iterator[Pair]:
    partners = _matched(left, right)
    if kind == _ORDERED:
        partners = max(_in_place(left, right), _longest_in_order(partners), key=_count)
    one, other = left.numbers, right.numbers
    yield from (Pair(one[i], other[j], alike=True) for i, j in enumerate(partners) if j >= 0)
    for gap in _gaps(partners, len(other)) if kind == _ORDERED else [_without_partner(partners, len(other))]:
        yield from _paired([one[i] for i in gap[0]], [other[j] for j in gap[1]], kind == _COUNTED)


def _count(partners: array[int]) -> int:
    return sum(position >= 0 for position in partners)


def _gaps(partners: array[int], size: int) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Yield the positions on both sides that lie between two matches."""
    i = j = 0
    for end, position in enumerate(partners):
        if position >= 0:
            yield range(i, end), range(j, position)
            i, j = end + 1, position + 1
    yield range(i, len(partners)), range(j, size)


def _without_partner(partners: array[int], size: int) -> tuple[Sequence[int], Sequence[int]]:
    """Return the positions on both sides that have none."""
    free = bytearray(b"\1") * size
    for position in partners:
        if position >= 0:
            free[position] = 0
    return [i for i, position in enumerate(partners) if position < 0], [j for j in range(size) if free[j]]


def _matched(left: _Lane, right: _Lane) -> array[int]:
    """Return for each position the one of an equal entry on the right, the first with the first; -1 for none."""
    partners = array("q", [-1]) * len(left.numbers)
    rest = iter(right.by_content())
    other = next(rest, None)
    for position in left.by_content():
        content = left.content(position)
        while other is not None and right.content(other) < content:
            other = next(rest, None)
        if other is not None and right.content(other) == content:
            partners[position] = other
            other = next(rest, None)
    return partners


def _in_place(left: _Lane, right: _Lane) -> array[int]:
    """Return for each position itself if an equal entry stands there on the right, else -1."""
    same = min(len(left.numbers), len(right.numbers))
    found = (n if n < same and left.content(n) == right.content(n) else -1 for n in range(len(left.numbers)))
    return array("q", found)


def _longest_in_order(partners: array[int]) -> array[int]:
    """Return the longest part of the matches whose right positions ascend, by patience sorting."""
    tails, at = array("q"), array("q")
    before = array("q", [-1]) * len(partners)
    for number, position in enumerate(partners):
        if position < 0:
            continue
        pile = bisect_left(tails, position)
        before[number] = at[pile - 1] if pile else -1
        if pile == len(tails):
            tails.append(position)
            at.append(number)
        else:
            tails[pile], at[pile] = position, number
    kept = array("q", [-1]) * len(partners)
    number = at[-1] if at else -1
    while number >= 0:
        kept[number] = partners[number]
        number = before[number]
    return kept


def _paired(left: list[int], right: list[int], alone_is_alike: bool) -> Iterator[Pair]:
    """Yield what is left between two matches: changed entries side by side, then those that came or went."""
    both = min(len(left), len(right))
    yield from (Pair(one, other, alike=False) for one, other in zip(left, right, strict=False))
    yield from (Pair(one, None, alone_is_alike) for one in left[both:])
    yield from (Pair(None, other, alone_is_alike) for other in right[both:])


class _Pairs:
    """Pairs in any order, to be had in that of the newer side."""

    def __init__(self, old: int, new: int) -> None:
        self._right_of, self._left_of = array("q", [-1]) * old, array("q", [-1]) * new
        self._alike = bytearray(new)
        self._gone_alike = bytearray(old)

    def add(self, pair: Pair) -> None:
        """Take one pair."""
        if pair.right is None:
            self._gone_alike[pair.left or 0] = pair.alike
            return
        self._alike[pair.right] = pair.alike
        if pair.left is not None:
            self._right_of[pair.left], self._left_of[pair.right] = pair.right, pair.left

    def in_order(self) -> Iterator[Pair]:
        """Yield all; what is gone stands behind what stood before it in the older recording."""
        gone, behind = array("q"), array("q")
        last = -1
        for left, right in enumerate(self._right_of):
            if right >= 0:
                last = right
            else:
                gone.append(left)
                behind.append(last)
        waiting = iter(sorted(range(len(gone)), key=behind.__getitem__))
        next_gone = next(waiting, None)
        for right in range(-1, len(self._left_of)):
            if right >= 0:
                left = self._left_of[right]
                yield Pair(left if left >= 0 else None, right, bool(self._alike[right]))
            while next_gone is not None and behind[next_gone] == right:
                yield Pair(gone[next_gone], None, bool(self._gone_alike[gone[next_gone]]))
                next_gone = next(waiting, None)
