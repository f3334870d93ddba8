"""Which offsets may be committed: held against a model that keeps every message of one partition apart."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tests.support.project import REPOSITORY
from x07py.drivers.base import AMQP, KAFKA
from x07py.drivers.offsets import OffsetLedger

FIRST = 3
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 4), st.just(0)),
        st.tuples(st.just("ack"), st.integers(0, 12), st.integers(0, 4)),
        st.tuples(st.just("nack"), st.integers(0, 12), st.just(0)),
        *(st.tuples(st.just(word), st.just(0), st.just(0)) for word in ("commit", "begin", "commit tx", "abort tx")),
    ),
    max_size=30,
)


@dataclass
class Model:
    """One partition as a program sees it: what it was given, and what of that it has processed for good."""

    ledger: OffsetLedger = field(default_factory=OffsetLedger)
    next: int = FIRST
    stored: int = FIRST
    processed: set[int] = field(default_factory=set)
    in_transaction: set[int] | None = None

    def deliver(self, count: int, _: int) -> None:
        self.ledger.delivered("t", 0, [*range(self.next, self.next + count)])
        self.next += count

    def ack(self, first: int, more: int) -> None:
        last = min(FIRST + first + more, self.next - 1)
        if FIRST + first <= last:
            self.ledger.done({"t": {"0": [[FIRST + first, last]]}})
            done = self.processed if self.in_transaction is None else self.in_transaction
            done.update(range(FIRST + first, last + 1))

    def nack(self, first: int, _: int) -> None:
        if FIRST + first < self.next:
            self.ledger.rewind("t", 0, FIRST + first)
            self.next = FIRST + first
            for done in (self.processed, self.in_transaction or set()):
                done.difference_update([one for one in done if one >= self.next])

    def begin(self, *_: int) -> None:
        self.ledger.begin()
        self.in_transaction = set()

    def abort_tx(self, *_: int) -> None:
        if self.in_transaction is not None:
            self.ledger.end(committed=False)
            self.in_transaction = None

    def commit_tx(self, *_: int) -> None:
        if self.in_transaction is not None:
            offsets = self.ledger.committable(with_transaction=True)
            self.processed |= self.in_transaction
            self.store(offsets.get(("t", 0)))
            self.ledger.committed(offsets)
            self.ledger.end(committed=True)
            self.in_transaction = None

    def commit(self, *_: int) -> None:
        offsets = self.ledger.committable()
        self.store(offsets.get(("t", 0)))
        self.ledger.committed(offsets)

    def store(self, offset: int | None) -> None:
        """Take what the broker would store; without transaction and refusal in play, nothing done stays behind."""
        expected = next(n for n in range(FIRST, self.next + 1) if n not in self.processed)
        if offset is not None:
            self.stored = offset
        assert self.stored == expected


@given(STEPS)
def test_a_commit_covers_all_that_is_done_and_nothing_else(steps: list[tuple[str, int, int]]) -> None:
    model = Model()
    for word, first, second in steps:
        getattr(model, word.replace(" ", "_"))(first, second)
    model.abort_tx()
    model.commit()


def test_a_partition_that_is_delivered_anew_starts_anew() -> None:
    ledger = OffsetLedger()
    ledger.delivered("t", 0, [0, 1, 2])
    ledger.done({"t": {"0": [[0, 2]]}})
    ledger.drop("t", 0)
    assert not ledger.rewind("t", 0, 0)
    ledger.delivered("t", 0, [0, 1, 2])
    assert ledger.committable() == {}


def test_offsets_with_gaps_as_compaction_and_transactions_leave_them() -> None:
    ledger = OffsetLedger()
    ledger.delivered("t", 0, [2, 5, 9])
    ledger.done({"t": {"0": [[5, 5]]}})
    assert ledger.committable() == {}
    ledger.done({"t": {"0": [[2, 2]]}})
    assert ledger.committable() == {("t", 0): 6}


def test_the_starting_policy_allows_every_operation_that_a_driver_records() -> None:
    index = json.loads((REPOSITORY / "docs/examples/contracts_project/arch/rr/index.x07rr.json").read_text())
    [policy] = index["policies"]
    assert policy["ops_allowed"] == sorted([*AMQP.recorded(), *KAFKA.recorded()])
