"""What `x07 rr diff` calls a change: what the program would notice, by topic and key, and each field once."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from x07py.msg import Envelope, MessageRecord
from x07py.rr import Cassette, Entry
from x07py.rr.alignment import NOTHING_VARIES, pairs_of
from x07py.rr.comparison import Change, changes_between
from x07py.rr.difference import describe_difference
from x07py.rr.varying import Varying


def delivery(key: bytes, value: bytes, *, partition: int = 0, offset: int = 0, **headers: str) -> Entry:
    record = MessageRecord(2, 1, "local", Envelope("t", key, value, headers).encode(), 1, b"ACK")
    meta = json.dumps({"partition": partition, "offset": offset})
    return Entry("rr", "std.msg.kafka.poll_env_v1", "local", b"{}", record.encode(), meta=meta, scope="t@g")


def publish(key: bytes, value: bytes) -> Entry:
    envelope = Envelope("out", key, value).encode()
    record = MessageRecord(1, 1, "local", envelope, 1, b"OK")
    return Entry("rr", "std.msg.kafka.publish_env_v1", "local", envelope, record.encode(), scope="out")


def commit(offset: int) -> Entry:
    return Entry("rr", "std.msg.kafka.commit_v1", "local", b"{}", b'{"offset":%d}' % offset)


class Compared(NamedTuple):
    """What changed, and the facts of the run that differ."""

    changes: list[Change]
    volatile: Counter[str]


def compared(old: list[Entry], new: list[Entry], varying: Varying = NOTHING_VARIES) -> Compared:
    facts: Counter[str] = Counter()
    found = changes_between(Cassette.from_entries(old), Cassette.from_entries(new), facts, varying)
    return Compared(list(found), facts)


def test_another_interleaving_of_keys_is_no_change_and_offsets_are_counted_apart() -> None:
    old = [delivery(b"a", b"1", offset=1), delivery(b"b", b"2", partition=1), commit(1), commit(2)]
    new = [delivery(b"b", b"2", partition=1), delivery(b"a", b"1", offset=9), commit(9)]
    found = compared(old, new)
    assert found.changes == []
    assert found.volatile == {"offset": 1, "answer": 1, "how often": 1}


def test_a_changed_field_of_a_json_value_is_told_once() -> None:
    [change] = compared([publish(b"k", b'{"a":1,"b":[1,2]}')], [publish(b"k", b'{"a":1,"b":[1,3]}')]).changes
    assert change.change == "~"
    assert change.detail == "  value $.b[1]\n    - 2\n    + 3"


def test_order_within_a_key_is_a_change_and_messages_come_and_go() -> None:
    one, two, three = (publish(b"k", b"%d" % n) for n in range(3))
    assert len(compared([one, two], [two, one]).changes) == 2
    assert [change.change for change in compared([one, three], [one, two, three]).changes] == ["+"]
    assert [change.change for change in compared([one, two, three], [one, three]).changes] == ["-"]
    found = compared([publish(b"", b"1"), publish(b"", b"2")], [publish(b"", b"2"), publish(b"", b"1")])
    assert found == ([], {})  # without a key there is no order


def test_another_key_is_one_message_gone_and_one_new() -> None:
    kinds = sorted(change.change for change in compared([publish(b"a", b"1")], [publish(b"b", b"1")]).changes)
    assert kinds == ["+", "-"]


def test_an_error_that_was_none_is_a_change() -> None:
    failed = Entry("rr", "std.msg.kafka.commit_v1", "local", b"{}", b"{}", err=9756)
    assert [change.change for change in compared([commit(1)], [commit(1), failed]).changes] == []
    assert isinstance(compared([publish(b"k", b"v")], [failed]).changes[0], Change)


@given(st.lists(st.sampled_from("aabbc"), max_size=12), st.lists(st.sampled_from("aabbc"), max_size=12))
def test_every_entry_stands_in_one_pair_and_like_pairs_are_alike(old: list[str], new: list[str]) -> None:
    left = Cassette.from_entries([publish(b"k", text.encode()) for text in old])
    right = Cassette.from_entries([publish(b"k", text.encode()) for text in new])
    pairs = list(pairs_of(left, right))
    assert sorted(pair.left for pair in pairs if pair.left is not None) == list(range(len(old)))
    assert [pair.right for pair in pairs if pair.right is not None] == list(range(len(new)))
    kept = [(pair.left, pair.right) for pair in pairs if pair.alike]
    assert all(old[i] == new[j] for i, j in kept if i is not None and j is not None)
    assert kept == sorted(kept)
    if old == new:
        assert len(kept) == len(old)


def test_among_equal_messages_only_those_that_differ_are_changes() -> None:
    rng = random.Random(1)
    old = [publish(b"k", b"same") for _ in range(3000)]
    new = [publish(b"k", b"same" if rng.random() > 0.01 else b"other") for _ in range(3000)]
    changed = sum(entry.req != old[0].req for entry in new)
    found = compared(old, new)
    assert len(found.changes) == changed


def test_of_a_long_value_the_part_that_differs_is_shown() -> None:
    old = Envelope("t", b"k", b"x" * 5000 + b"OLD" + b"y" * 5000).encode()
    new = Envelope("t", b"k", b"x" * 5000 + b"NEW" + b"y" * 5000).encode()
    text = describe_difference(old, new)
    assert "OLD" in text
    assert "NEW" in text
    assert "(10003 bytes)" in text
    assert len(text) < 500


def test_what_was_declared_to_differ_is_no_change() -> None:
    varying = Varying(("$.at",), frozenset({"trace"}), ("$.id",))
    old = delivery(b"k", b'{"at": 1, "id": "order-11111111", "n": 1}', trace="a")
    new = delivery(b"k", b'{"at": 2, "id": "order-22222222", "n": 1}', trace="b")
    other = delivery(b"k", b'{"at": 3, "id": "order-33333333", "n": 2}', trace="c")
    assert compared([old], [new], varying).changes == []
    [change] = compared([old], [other], varying).changes
    assert change.detail == "  value $.n\n    - 1\n    + 2"
