"""What a replay says when the program and the recording part ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.errors import DiffersFromRecordingError, NothingRecordedError, OutOfOrderError, ReplayMismatchError

if TYPE_CHECKING:
    from x07py.rr.index import Bucket, Index


def miss(index: Index, asked: Bucket, where: str) -> ReplayMismatchError:
    """Return error 2009: nothing is left that was recorded under these names."""
    members = sum(len(index.members[index.ids[bucket]]) for bucket in index.ids if bucket[:3] == asked[:3])
    other = sorted({str(bucket.scope, "utf-8", "replace") for bucket in index.ids if bucket.op == asked.op} - {""})
    hint = "record again, or use mode record_missing"
    if other:
        hint = f"recorded under this operation: {', '.join(other[:5])}; {hint}"
    key = str(asked.key, "utf-8", "replace")
    message = f"nothing is left that was recorded for {asked.describe()} with key {key!r} ({members} recorded)"
    return NothingRecordedError(2009, message, where=where, hint=hint)


def differs(recorded: bytes, asked: bytes, bucket: Bucket, where: str) -> ReplayMismatchError:
    """Return error 2050: the request is not the recorded one; the message shows how."""
    from x07py.rr.difference import describe_difference

    detail = describe_difference(recorded, asked)
    return DiffersFromRecordingError(
        2050,
        f"{bucket.describe()} differs from what was recorded\n{detail}",
        where=where,
        hint="correct the program, or record again if the change is meant",
    )


def out_of_order(code: int, name: str, asked: Bucket, found: Bucket, where: str) -> ReplayMismatchError:
    """Return error 2010, 2011 or 2057: the next entry of a transcript has another kind, operation, key or scope."""
    want, have = (str(getattr(side, name), "utf-8", "replace") for side in (asked, found))
    return OutOfOrderError(
        code,
        f"the program asked for {name} {want!r}, the recording goes on with {have!r}",
        where=where,
        hint="the program does things in another order than when it was recorded; record again if that is meant",
    )
