"""Record/replay sessions: the five modes and the two match modes over one cassette.

What the reference gets wrong and this does not: ``record_missing`` can replay what it has just recorded; the limits of
a recording count what the cassette already holds; ``rewrite`` replaces the file in one step; a transcript compares
keys, and a mismatch consumes nothing.
"""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from contextvars import ContextVar, Token
from functools import partial
from typing import TYPE_CHECKING, Self

from x07py.counting import pass_time
from x07py.errors import CassetteError, UnusedRecordingError
from x07py.rr.cassette import Cassette
from x07py.rr.cassette_files import FOLDER, PartialFile, SideFile, read_cassette
from x07py.rr.config import Match, Mode
from x07py.rr.core_dumps import leave_memory_out
from x07py.rr.entry import EntryLimits, scan_entry
from x07py.rr.guard import is_guarding, refuse_secrets
from x07py.rr.index import Bucket
from x07py.rr.known_secrets import register_surroundings
from x07py.rr.mismatch import out_of_order
from x07py.rr.old_entries import refuse_unredacted
from x07py.rr.pieces import WITHIN
from x07py.rr.redaction import Redaction, redaction_of
from x07py.rr.replay_state import Answer, ReplayState
from x07py.rr.varying import Varying
from x07py.run_report_channel import note, wanted
from x07py.worlds import current_world

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from x07py.contracts.rr import RRPolicy
    from x07py.rr.config import Config
    from x07py.rr.entry import Entry
    from x07py.rr.entry_template import EntryTemplate, Fields

_U32 = struct.Struct("<I")
_MOST_STREAMS = 256
_current: ContextVar[Session | None] = ContextVar("x07_rr_session", default=None)


def current_session() -> Session | None:
    """Return the innermost session of this task, or None."""
    return _current.get()


class Session:
    """One cassette, open for replaying, recording, or both; a context manager that becomes the current session.

    Args:
        config: mode, match mode, cassette name and limits.
        root: the folder that ``.x07_rr`` stands in.
        policy: what may be recorded and how it is redacted; None admits every operation.
        redaction: what is not written, in place of the policy's; the usual names of secrets if there is neither.
        allow_unused: whether a replay may end with entries left over.
        replace_partial: whether a recording takes the place of what an interrupted one left, instead of refusing.
    """

    def __init__(
        self,
        config: Config,
        root: Path,
        *,
        policy: RRPolicy | None = None,
        redaction: Redaction | None = None,
        allow_unused: bool = False,
        replace_partial: bool = False,
        varying: Varying | None = None,
    ) -> None:
        self.config = config
        self.mode: Mode = config.mode
        self.keeps_recording = True
        """Whether a recording becomes the cassette at the end; set to False, it stays beside it as ``.partial``."""
        self._replace_partial = replace_partial
        self._varying = varying or Varying()
        self.policy = policy
        self.redaction: Redaction = redaction or (redaction_of(policy.sanitizer) if policy else Redaction())
        self.path: Path = root / FOLDER / config.cassette
        self.allow_unused = allow_unused
        self.virtual_ticks: int = 0
        self.appended: int = 0
        self._said: dict[bytes, bytes] = {}
        """How the last entry of each operation and place ended: a secret may begin there and go on in the next."""
        self._moves_clock = config.mode is Mode.REPLAY and current_world().solve and wanted()
        self._limits = EntryLimits(config.max_req_bytes, config.max_resp_bytes, config.max_key_bytes)
        self._partial: PartialFile | None = None
        self._token: Token[Session | None] | None = None
        self._load(b"")

    def _load(self, content: bytes) -> None:
        config = self.config
        self.ledger: ReplayState = ReplayState(
            content, max_entries=config.max_entries, limits=self._limits, name=config.cassette
        )
        self._base_entries, self._size = len(self.ledger), len(content)

    def _existing(self) -> bytes:
        if self.mode in (Mode.OFF, Mode.REWRITE):
            return b""
        if self.mode is not Mode.REPLAY and not self.path.exists():
            return b""
        content = read_cassette(self.path, self.config.max_cassette_bytes)
        SideFile(self.path).verify(content)
        return content

    def __enter__(self) -> Self:
        """Take the writer's lock if the mode records, then read what the cassette holds.

        In this order, because another writer may replace the cassette until the lock is held.

        Raises:
            CassetteError: 2002 to 2008, 2014 and 2055 for a cassette that cannot be used; 2052 or 2053 if it cannot be
                recorded now; 2065 if a recording is to be continued whose entries hold what is redacted now.
            FileError: ``X07IO_WRITE``.
        """
        partial = PartialFile(self.path, replace=self._replace_partial) if self.mode.records else None
        if partial is not None:
            if not current_world().confined:
                leave_memory_out()
            register_surroundings()
        try:
            content = self._existing()
            self._load(content)
            if self.mode is Mode.RECORD_MISSING:
                refuse_unredacted(content, self.redaction, self.config.cassette)
            if partial is not None:
                partial.write(content)
        except BaseException:
            if partial is not None:
                partial.drop()
            raise
        self._partial = partial
        self._token = _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        if token is not None:
            with suppress(ValueError):  # left in another context than it was entered in: nothing to set back there
                _current.reset(token)
        note("cassettes", self._facts())
        partial, self._partial = self._partial, None
        if partial is not None:
            self._finish_recording(partial, failed=error is not None or not self.keeps_recording)
        if error is None and self.mode is Mode.REPLAY and not self.allow_unused:
            self._refuse_unused()

    def _finish_recording(self, partial: PartialFile, *, failed: bool) -> None:
        if not self.appended:
            partial.drop()
        elif failed:
            partial.leave()
        else:
            from x07py.rr.text_side import write_text_side

            partial.publish(self._base_entries + self.appended, self._varying)
            write_text_side(self.path, Cassette.load(self.path), self._varying)

    def _refuse_unused(self) -> None:
        left = self.ledger.unused()
        if left:
            raise UnusedRecordingError(
                2051,
                f"{len(left)} of {len(self.ledger)} recorded entries were not used; the first is number {left[0]}, "
                f"{self.ledger.bucket(left[0]).describe()}",
                where=self.config.cassette,
                hint="the program does less than it did when it was recorded; record again if that is meant",
            )

    def unused(self) -> list[int]:
        """Return the numbers of the entries that no replay has used."""
        return self.ledger.unused()

    def next(self, kind: str, op: str, key: str, *, scope: str = "", req: bytes | None = None) -> Answer:
        """Return the next recorded answer and mark it used.

        Args:
            kind: entry kind, ``rr`` for messages.
            op: operation name.
            key: match key, the profile id for messages.
            scope: what the operation addresses; entries without a scope answer for every scope.
            req: the request, compared with the recorded one; None takes any.

        Raises:
            CassetteError: 2012 if the mode does not replay, 2007 if `key` is longer than the policy allows.
            ReplayMismatchError: 2009 nothing is left, 2010 another kind, 2011 another operation, 2057 another key or
                scope is next (transcript), 2050 the request differs. Nothing is consumed.
        """
        return self.next_each(kind, op, key, [req], scope=scope)[0]

    def next_each(
        self, kind: str, op: str, key: str, requests: Sequence[bytes | None], *, scope: str = ""
    ) -> list[Answer]:
        """Return the next recorded answer for each request in turn, up to the first that is a recorded error.

        A failed batch was recorded as one entry, its error. Args and raises as `next`; what was used before stays used.
        """
        if not self.mode.replays:
            raise CassetteError(2012, f"mode {self.mode.contract_name} does not replay", where=self.config.cassette)
        raw_key = key.encode("utf-8", "surrogateescape")
        if len(raw_key) > self._limits.key:
            raise CassetteError(2007, f"the key has {len(raw_key)} bytes, the policy allows {self._limits.key}")
        bucket = Bucket(kind.encode(), op.encode(), raw_key, scope.encode("utf-8", "surrogateescape"))
        answers: list[Answer] = []
        for req in requests:
            number = self._find(bucket, req)
            answers.append(self.use(number))
            if answers[-1].err:
                break
        return answers

    def _find(self, bucket: Bucket, req: bytes | None) -> int:
        """Return the entry that answers: the next one of a transcript, else the first unused one with this request."""
        ledger = self.ledger
        if self.config.match is Match.TRANSCRIPT:
            number = self._find_next(bucket)
        else:
            found = ledger.next_in(bucket)
            if found is None and bucket.scope:
                found = ledger.next_in(bucket._replace(scope=b""))
            if found is None:
                raise ledger.missing(bucket)
            number = found
        if req is None or ledger.index.has_req(number, req):
            return number
        other = ledger.with_request(ledger.bucket(number), req) if self.config.match is Match.LOOKUP else None
        if other is None:
            raise ledger.differs(number, bucket, req)
        return other

    def _find_next(self, bucket: Bucket) -> int:
        number = self.ledger.used
        if number >= len(self.ledger):
            raise self.ledger.missing(bucket)
        found = self.ledger.bucket(number)
        where = f"{self.config.cassette}, entry {number}"
        for code, name in ((2010, "kind"), (2011, "op")):
            if getattr(found, name) != getattr(bucket, name):
                raise out_of_order(code, name, bucket, found, where)
        if found.key != bucket.key:
            raise out_of_order(2057, "key", bucket, found, where)
        if found.scope not in (b"", bucket.scope):
            raise out_of_order(2057, "scope", bucket, found, where)
        return number

    def use(self, number: int) -> Answer:
        """Return entry `number` as answer, mark it used, and let its recorded latency pass in virtual time."""
        answer = self.ledger.use(number)
        self._pass_time(self.ledger.ticks(number))
        return answer

    def use_all(self, numbers: Sequence[int]) -> None:
        """Mark entries used that nobody needs as answers, and let their recorded latencies pass in virtual time."""
        self.ledger.use_all(numbers)
        if self.ledger.index.ticks:
            self._pass_time(sum(self.ledger.ticks(number) for number in numbers))

    def follow(self, answer: Answer, req: bytes, count: int) -> list[Answer]:
        """Return up to `count` further answers of the same names and request that stand behind `answer`.

        They end before one that is used or a recorded error.
        """
        in_order = self.config.match is Match.TRANSCRIPT
        answers = self.ledger.follow(answer, req, count, in_order=in_order)
        if self.ledger.index.ticks:
            self._pass_time(sum(self.ledger.ticks(found.number) for found in answers))
        return answers

    def append(self, entry: Entry | bytes) -> None:
        """Write one entry; in mode record_missing it can be replayed at once.

        Raises:
            CassetteError: 2013 if the mode does not record; 2003 to 2008 for the limits and rules of the format; 2056
                for a secret; 2058 for a kind or operation that the policy does not allow. Nothing is written then.
            FileError: ``X07IO_WRITE``.
        """
        payload = entry if isinstance(entry, bytes) else entry.encode()
        span = scan_entry(payload, 0, len(payload), self._limits)
        self._check_allowed(*(str(payload[slice(*part)], "utf-8", "replace") for part in (span.kind, span.op)))
        stream = payload[slice(*span.op)] + payload[slice(*span.scope)]
        self._write([_U32.pack(len(payload)), payload], 1, lambda: payload, stream)
        if self.mode is Mode.RECORD_MISSING:
            self.ledger.add(payload)

    def descriptors(self) -> set[int]:
        """Return the file descriptors of what is written."""
        return set() if self._partial is None else {self._partial.fileno()}

    def record(self, template: EntryTemplate, rows: Sequence[Fields]) -> None:
        """Write the entries of one driver call, all of them or (if one is refused) none.

        They count as used: a driver that has just done something does not want it replayed to itself.

        Args:
            template: what the entries have in common.
            rows: what each of them holds.

        Raises:
            CassetteError: as `append`.
            FileError: ``X07IO_WRITE``.
        """
        self._check_allowed(template.kind, template.op)
        stream = (template.op + template.scope).encode("utf-8", "surrogateescape")
        self._write(template.frames(rows, self._limits), len(rows), partial(template.content, rows), stream)
        self._pass_time(sum([row[4] for row in rows]))

    def _pass_time(self, ticks: int) -> None:
        """Let virtual time pass: for the budgets of the program, and for its clocks where they are virtual."""
        if ticks:
            self.virtual_ticks += ticks
            pass_time(ticks)
            if self._moves_clock:
                time.sleep(ticks / 1000)

    def _check_allowed(self, kind: str, op: str) -> None:
        policy = self.policy
        if policy and (op not in policy.ops_allowed or kind not in policy.kinds_allowed):
            raise CassetteError(
                2058,
                f"policy {policy.id!r} does not allow kind {kind!r} with operation {op!r}",
                where=policy.source,
                hint="add it to kinds_allowed or ops_allowed of the policy in arch/rr/index.x07rr.json",
            )

    def _write(self, frames: Sequence[bytes], count: int, content: Callable[[], bytes], stream: bytes) -> None:
        if not self.mode.records or self._partial is None:
            raise CassetteError(2013, f"mode {self.mode.contract_name} does not record", where=self.config.cassette)
        config = self.config
        entries, size = self._base_entries + self.appended + count, self._partial.size + sum(map(len, frames))
        if entries > config.max_entries:
            raise self._full(2004, f"more than {config.max_entries} entries", "max_entries")
        if size > config.max_cassette_bytes:
            raise self._full(2003, f"more than {config.max_cassette_bytes} bytes", "max_cassette_bytes")
        if is_guarding():
            said = content()
            refuse_secrets(said, self._said.get(stream, b""))
            self._said.pop(stream, None)
            self._said[stream] = said[-WITHIN:]
            if len(self._said) > _MOST_STREAMS:
                del self._said[next(iter(self._said))]
        self._partial.write(*frames)
        self.appended += count

    def _full(self, code: int, message: str, limit: str) -> CassetteError:
        return CassetteError(
            code,
            f"the recording would have {message}",
            where=self.config.cassette,
            hint=f"raise {limit} in the policy under arch/rr, or record less",
        )

    def _facts(self) -> dict[str, str | int]:
        return {
            "cassette": self.config.cassette,
            "mode": self.mode.contract_name,
            "match": self.config.match.name.lower(),
            "entries": len(self.ledger),
            "used": self.ledger.used,
            "appended": self.appended,
            "ticks": self.virtual_ticks,
        }

    def stats(self) -> dict[str, int]:
        """Return counts: version, mode, match mode, cassettes, entries, used entries, bytes read at open."""
        return {
            "v": 1,
            "mode": int(self.mode),
            "match_mode": int(self.config.match),
            "cassettes": 1,
            "entries": len(self.ledger),
            "used": self.ledger.used,
            "bytes": self._size,
        }
