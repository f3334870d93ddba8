"""A session for drop-ins: they look at an entry, compare it by rules of their own, and then take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.rr.mismatch import differs, miss
from x07py.rr.session import Session

if TYPE_CHECKING:
    from x07py.errors import ReplayMismatchError
    from x07py.rr import Answer
    from x07py.rr.index import Bucket


class Script(Session):
    """A session that finds entries by peeking, so that a drop-in can compare before it takes."""

    def candidates(self, bucket: Bucket) -> list[int]:
        """Return the numbers of the entries of `bucket` that were not used, in file order."""
        number = self._index.ids.get(bucket)
        if number is None:
            return []
        members = self._index.members[number]
        return [entry for entry in members[self._cursors[number] :] if not self._used[entry]]

    def peek(self, bucket: Bucket) -> int | None:
        """Return the number of the next entry of `bucket`, or None."""
        return self._unused_in(bucket)

    def first_unused(self, op: str) -> int | None:
        """Return the lowest number of an entry of operation `op` that was not used; linear in the number of scopes."""
        name = op.encode()
        found = [self._unused_in(bucket) for bucket in self._index.ids if bucket.op == name]
        return min((number for number in found if number is not None), default=None)

    def scopes(self, op: str) -> list[str]:
        """Return the scopes that were recorded for `op`, in file order."""
        name = op.encode()
        return [bucket.scope.decode("utf-8", "surrogateescape") for bucket in self._index.ids if bucket.op == name]

    def recorded(self, number: int) -> bytes:
        """Return the request of entry `number`."""
        return self._index.req(number)

    def response(self, number: int) -> bytes:
        """Return the response of entry `number`."""
        return self._index.resp(number)

    def operation(self, number: int) -> str:
        """Return the operation of entry `number`."""
        return self._index.buckets[self._index.bucket_of[number]].op.decode()

    def take(self, number: int) -> Answer:
        """Return entry `number` as answer and mark it used."""
        return self._use(number)

    def missing(self, bucket: Bucket) -> ReplayMismatchError:
        """Return error 2009 for `bucket`."""
        return miss(self._index, bucket, self.config.cassette)

    def differs(self, number: int, bucket: Bucket, asked: bytes) -> ReplayMismatchError:
        """Return error 2050: the request of entry `number` is not `asked`."""
        return differs(self._index.req(number), asked, bucket, f"{self.config.cassette}, entry {number}")

    def ticks(self, number: int) -> int:
        """Return the recorded latency of entry `number` in milliseconds."""
        return self._index.ticks.get(number, 0)
