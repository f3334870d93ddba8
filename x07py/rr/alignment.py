"""Which entries of two recordings stand for the same: by place and key, in the order that each key has.

Brokers keep an order for one partition or queue, and so for one key; how partitions interleave and where batches end
differs from run to run. Entries are therefore aligned within one lane: direction, place and key of a message. Within a
lane, equal entries are matched occurrence by occurrence, and of these matches the longest run that is in order on both
sides is kept, which takes n log n. `difflib` lost: its time is quadratic where many messages are equal.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple

from x07py.errors import EnvelopeError, RecordError
from x07py.msg import Envelope, MessageRecord
from x07py.rr.varying import Varying
from x07py.rr.volatile import is_counted, stable_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry

PUBLISH, DELIVER = 1, 2
Lane = tuple[object, ...]
NOTHING_VARIES = Varying()
_UNORDERED = "unordered"


class Pair(NamedTuple):
    """Numbers of two entries that stand beside each other, or of one that stands alone; whether they say the same."""

    left: int | None
    right: int | None
    alike: bool


def message_of(entry: Entry) -> tuple[int, Envelope] | None:
    """Return whether the message of an entry was published (1) or delivered (2), and the message."""
    try:
        record = MessageRecord.decode(entry.resp)
        return record.op_tag, Envelope.decode(record.env)
    except (RecordError, EnvelopeError):
        pass
    try:
        return PUBLISH, Envelope.decode(entry.req)
    except EnvelopeError:
        return None


def _placed(entry: Entry, varying: Varying) -> tuple[Lane, bytes]:
    """Return the lane of an entry, and a digest of what it says there, without what may differ."""
    found = message_of(entry)
    if found is None:
        if is_counted(entry):
            return (_UNORDERED, entry.op, entry.scope, entry.err), b""
        return (entry.kind, entry.op, entry.scope), _digest(entry.key, entry.req, entry.err)
    direction, one = found[0], varying.shape(found[1]).envelope
    order = () if one.key else (_UNORDERED,)
    lane = (*order, direction, varying.place(entry.scope or one.topic), one.key)
    headers = stable_headers((name, text) for name, text in one.headers.items() if not varying.ignores(name))
    return lane, _digest(one.topic, one.value, headers, entry.err)


def _digest(*facts: object) -> bytes:
    return hashlib.blake2b(repr(facts).encode("utf-8", "surrogateescape"), digest_size=16).digest()


def _lanes(cassette: Cassette, varying: Varying) -> dict[Lane, list[tuple[int, bytes]]]:
    lanes: dict[Lane, list[tuple[int, bytes]]] = defaultdict(list)
    for number, entry in enumerate(cassette.entries):
        lane, digest = _placed(entry, varying)
        lanes[lane].append((number, digest))
    return lanes


def pairs_of(old: Cassette, new: Cassette, varying: Varying = NOTHING_VARIES) -> list[Pair]:
    """Return what stands beside what, in the order of the newer cassette.

    Operations that a recording holds more or fewer of, as batches fall, count as alike where one side has no partner.
    """
    before, after = _lanes(old, varying), _lanes(new, varying)
    pairs: list[Pair] = []
    for lane in before.keys() | after.keys():
        left, right = before.get(lane, []), after.get(lane, [])
        counted = lane[0] == _UNORDERED and isinstance(lane[1], str)
        pairs += _aligned(left, right, in_order=lane[0] != _UNORDERED, alone_is_alike=counted)
    return _sorted(pairs)


def _aligned(
    left: list[tuple[int, bytes]], right: list[tuple[int, bytes]], *, in_order: bool, alone_is_alike: bool
) -> Iterator[Pair]:
    matches = list(_matches(left, right))
    if in_order:
        in_place = [(n, n) for n, (one, other) in enumerate(zip(left, right, strict=False)) if one[1] == other[1]]
        matches = max(in_place, _longest_in_order(matches), key=len)
    yield from (Pair(left[i][0], right[j][0], alike=True) for i, j in matches)
    for one, other in _gaps(matches, len(left), len(right), in_order=in_order):
        yield from _paired([left[i][0] for i in one], [right[j][0] for j in other], alone_is_alike)


def _gaps(
    matches: list[tuple[int, int]], left: int, right: int, *, in_order: bool
) -> Iterator[tuple[Iterable[int], Iterable[int]]]:
    """Yield the positions on both sides that lie between two matches; without an order, all that have none."""
    if not in_order:
        yield sorted({*range(left)} - {i for i, _ in matches}), sorted({*range(right)} - {j for _, j in matches})
        return
    i = j = 0
    for end in [*matches, (left, right)]:
        yield range(i, end[0]), range(j, end[1])
        i, j = end[0] + 1, end[1] + 1


def _matches(left: Iterable[tuple[int, bytes]], right: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, int]]:
    """Yield positions of equal entries, the first occurrence with the first, in the order of the left side."""
    seen: Counter[bytes] = Counter()
    positions: dict[tuple[bytes, int], int] = {}
    for position, (_, digest) in enumerate(right):
        positions[digest, seen[digest]] = position
        seen[digest] += 1
    seen.clear()
    for position, (_, digest) in enumerate(left):
        partner = positions.get((digest, seen[digest]))
        seen[digest] += 1
        if partner is not None:
            yield position, partner


def _longest_in_order(matches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest subsequence whose right positions ascend, by patience sorting."""
    tails: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for number, (_, position) in enumerate(matches):
        pile = bisect_left(tails, position)
        before.append(at[pile - 1] if pile else -1)
        if pile == len(tails):
            tails.append(position)
            at.append(number)
        else:
            tails[pile], at[pile] = position, number
    found: list[tuple[int, int]] = []
    number = at[-1] if at else -1
    while number >= 0:
        found.append(matches[number])
        number = before[number]
    return found[::-1]


def _paired(left: list[int], right: list[int], alone_is_alike: bool) -> Iterator[Pair]:
    """Yield what is left between two matches: changed entries side by side, then those that came or went."""
    both = min(len(left), len(right))
    yield from (Pair(one, other, alike=False) for one, other in zip(left, right, strict=False))
    yield from (Pair(one, None, alone_is_alike) for one in left[both:])
    yield from (Pair(None, other, alone_is_alike) for other in right[both:])


def _sorted(pairs: list[Pair]) -> list[Pair]:
    """Return pairs by the newer side; what is gone stands behind what stood before it in the older one."""
    partner = {pair.left: pair.right for pair in pairs if pair.left is not None}
    behind: dict[int, int] = {}
    last = -1
    for number in sorted(partner):
        right = partner[number]
        if right is None:
            behind[number] = last
        else:
            last = right
    return sorted(
        pairs,
        key=lambda pair: (behind[pair.left or 0], 1, pair.left or 0) if pair.right is None else (pair.right, 0, 0),
    )
