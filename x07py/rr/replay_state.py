"""The ledger of a replay: what a cassette holds, and which of it was used.

Every look-up takes constant time on average, in whatever order a program asks: the unused entries of a bucket, of a
request and of an operation are found by cursors and tables that are made when they are first needed, linear in what
they cover.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from heapq import merge
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple

from x07py.rr.index import Bucket, Index
from x07py.rr.mismatch import differs, miss

if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from x07py.errors import ReplayMismatchError
    from x07py.rr.entry import EntryLimits


class Answer(NamedTuple):
    """A recorded entry as a driver replays it: response bytes, error code (0 is success), metadata JSON, number."""

    resp: bytes
    err: int
    meta: bytes
    number: int


class ReplayState:
    """One cassette's entries, used and unused.

    Args:
        content: the cassette.
        max_entries: the most that it may hold.
        limits: the most that each entry may hold.
        name: name of the cassette, for errors.

    Raises:
        CassetteError: 2004 to 2008 and 2014 for content that cannot be used.
    """

    def __init__(self, content: bytes, *, max_entries: int, limits: EntryLimits, name: str) -> None:
        self.index: Index = Index(content, max_entries=max_entries, limits=limits)
        self.name = name
        self.used: int = 0
        self._used = bytearray(len(self.index))
        self._cursors = [0] * len(self.index.buckets)
        self._by_request: dict[int, dict[int, deque[int]]] = {}
        self._lanes: dict[int, dict[Hashable, deque[int]]] = {}
        self._operations: dict[tuple[str, ...], list[int]] = {}

    def __len__(self) -> int:
        return len(self.index)

    def unused(self) -> list[int]:
        """Return the numbers of the entries that were not used."""
        return [number for number, used in enumerate(self._used) if not used]

    def is_used(self, number: int) -> bool:
        """Tell whether entry `number` was used."""
        return bool(self._used[number])

    def next_in(self, bucket: Bucket) -> int | None:
        """Return the number of the next entry of `bucket`, or None."""
        bucket_id = self.index.ids.get(bucket)
        if bucket_id is None:
            return None
        members, used, cursor = self.index.members[bucket_id], self._used, self._cursors[bucket_id]
        while cursor < len(members) and used[members[cursor]]:
            cursor += 1
        self._cursors[bucket_id] = cursor
        return members[cursor] if cursor < len(members) else None

    def with_request(self, bucket: Bucket, req: bytes) -> int | None:
        """Return the number of the first unused entry of `bucket` with this request, or None."""
        index = self.index
        bucket_id = index.ids.get(bucket)
        if bucket_id is None:
            return None
        table = self._by_request.get(bucket_id)
        if table is None:
            table = self._by_request[bucket_id] = {}
            for number in index.members[bucket_id]:
                if not self._used[number]:
                    table.setdefault(hash(index.req(number)), deque()).append(number)
        return next((number for number in self._open(table.get(hash(req))) if index.has_req(number, req)), None)

    def in_lane(self, bucket: Bucket, lane: Hashable, label: Callable[[bytes], Hashable]) -> Iterator[int]:
        """Yield the numbers of the unused entries of `bucket` whose request has the label `lane`, in file order.

        Args:
            bucket: where to look; always with the same `label`.
            lane: the label to look for.
            label: computes the label of a request.
        """
        bucket_id = self.index.ids.get(bucket)
        if bucket_id is None:
            return iter(())
        lanes = self._lanes.get(bucket_id)
        if lanes is None:
            lanes = self._lanes[bucket_id] = {}
            for number in self.index.members[bucket_id]:
                if not self._used[number]:
                    lanes.setdefault(label(self.index.req(number)), deque()).append(number)
        return self._open(lanes.get(lane))

    def _open(self, numbers: deque[int] | None) -> Iterator[int]:
        """Drop the used ones from the front and yield the unused ones."""
        if numbers is None:
            return iter(())
        while numbers and self._used[numbers[0]]:
            numbers.popleft()
        return (number for number in numbers if not self._used[number])

    def first_unused(self, ops: tuple[str, ...]) -> int | None:
        """Return the lowest number of an unused entry of any of the operations `ops`, or None."""
        left = self._operations.get(ops)
        if left is None:
            names = {op.encode() for op in ops}
            parts = [members for bucket, members in self._members() if bucket.op in names]
            left = self._operations[ops] = list(merge(*parts))
            left.reverse()
        while left and self._used[left[-1]]:
            left.pop()
        return left[-1] if left else None

    def _members(self) -> Iterator[tuple[Bucket, array[int]]]:
        return ((bucket, self.index.members[number]) for bucket, number in self.index.ids.items())

    def scopes(self, op: str) -> list[str]:
        """Return the scopes that were recorded for `op`, in file order."""
        name = op.encode()
        return [bucket.scope.decode("utf-8", "surrogateescape") for bucket in self.index.ids if bucket.op == name]

    def request(self, number: int) -> bytes:
        """Return the request of entry `number`."""
        return self.index.req(number)

    def response(self, number: int) -> bytes:
        """Return the response of entry `number`."""
        return self.index.resp(number)

    def ticks(self, number: int) -> int:
        """Return the recorded latency of entry `number` in milliseconds."""
        return self.index.ticks.get(number, 0)

    def bucket(self, number: int) -> Bucket:
        """Return the names of entry `number`."""
        return self.index.buckets[self.index.bucket_of[number]]

    def use(self, number: int) -> Answer:
        """Return entry `number` as answer and mark it used."""
        index = self.index
        answer = Answer(index.resp(number), index.err(number), index.meta(number), number)
        self._used[number] = 1
        self.used += 1
        return answer

    def use_all(self, numbers: Iterable[int]) -> None:
        """Mark entries as used that nobody needs as answers."""
        for number in numbers:
            self._used[number] = 1
            self.used += 1

    def follow(self, answer: Answer, req: bytes, count: int, *, in_order: bool) -> list[Answer]:
        """Use up to `count` further entries of the same bucket that stand behind `answer`, and return them.

        Args:
            answer: where to go on.
            req: the request that they must have.
            count: the most to take. Fewer are taken before one that is used or a recorded error.
            in_order: whether they must stand directly behind `answer`.
        """
        index, used = self.index, self._used
        bucket_id = index.bucket_of[answer.number]
        if in_order:
            ends = min(self.used + count, len(index))
            numbers: Iterator[int] = takewhile(lambda n: index.bucket_of[n] == bucket_id, range(self.used, ends))
        else:
            members = index.members[bucket_id]
            start = bisect_right(members, answer.number)
            numbers = iter(members[start : start + count])
        if index.errors:
            numbers = takewhile(lambda number: number not in index.errors, numbers)
        numbers = takewhile(lambda number: index.has_req(number, req), numbers)
        answers = [Answer(index.resp(n), 0, index.meta(n), n) for n in takewhile(lambda n: not used[n], numbers)]
        for found in answers:
            used[found.number] = 1
        self.used += len(answers)
        return answers

    def add(self, payload: bytes) -> None:
        """Add one more entry, unused.

        Raises:
            CassetteError: 2005 to 2008 for an entry that breaks the format's rules; then nothing was added.
        """
        self.index.append(payload)
        self._used.append(0)
        bucket_id = self.index.bucket_of[-1]
        self._by_request.pop(bucket_id, None)
        self._lanes.pop(bucket_id, None)
        self._operations.clear()
        self._cursors.extend([0] * (len(self.index.buckets) - len(self._cursors)))

    def missing(self, bucket: Bucket) -> ReplayMismatchError:
        """Return error 2009: nothing is left in `bucket`."""
        return miss(self.index, bucket, self.name)

    def differs(self, number: int, bucket: Bucket, asked: bytes) -> ReplayMismatchError:
        """Return error 2050: the request of entry `number` is not `asked`."""
        return differs(self.index.req(number), asked, bucket, f"{self.name}, entry {number}")
