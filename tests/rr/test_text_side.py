"""The text side: the same for the same program, complete, harmless to print, and held against the bytes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from x07py.errors import CassetteError
from x07py.msg import Envelope, MessageRecord
from x07py.rr import Cassette, Config, Entry, EntryTemplate, Match, Mode, Row, Session
from x07py.rr.text_side import MOST_MESSAGES, check_text_side, text_side, text_side_of, write_text_side
from x07py.rr.varying import Varying


def delivery(topic: str, key: bytes, value: bytes, *, partition: int = 0, offset: int = 0, **headers: str) -> Entry:
    envelope = Envelope(topic, key, value, headers)
    record = MessageRecord(2, 1, "local_dev_v1", envelope.encode(), 1, b"ACK")
    meta = json.dumps({"partition": partition, "offset": offset, "timestamp_ms": 1000 + offset})
    return Entry("rr", "std.msg.kafka.poll_env_v1", "local", b"{}", record.encode(), meta=meta, scope=f"{topic}@g")


def other(op: str, scope: str = "", *, err: int = 0) -> Entry:
    return Entry("rr", f"std.msg.kafka.{op}", "local", b"{}", b"{}", err=err, scope=scope)


def side(*entries: Entry) -> str:
    return text_side(Cassette.from_entries(entries), "a.x07rr.bin", Varying())


def test_partitions_may_interleave_and_batches_and_offsets_may_fall_otherwise() -> None:
    a1, a2 = (delivery("t", b"a", b'{"n": %d}' % n, offset=n) for n in (1, 2))
    b1 = delivery("t", b"b", b"x", partition=1, offset=7)
    moved = [delivery("t", b"a", b'{"n": %d}' % n, partition=2, offset=40 + n) for n in (1, 2)]
    assert side(a1, b1, a2, other("commit_v1"), other("ack_v1")) == side(b1, *moved, other("commit_v1"))
    assert side(a1, a2) != side(a2, a1)


def test_topics_of_one_subscription_may_interleave() -> None:
    orders, prices = ([replace(delivery(topic, b"a", b"%d" % n), scope="o,p@g") for n in (1, 2)] for topic in "op")
    text = side(orders[0], prices[0], orders[1], prices[1])
    assert text == side(*prices, *orders) != side(*prices, *orders[::-1])
    assert text.count("### ") == 2
    assert "### `a` of `o`" in text
    assert " of " not in side(*orders)


def test_how_many_records_came_again_does_not_show_and_that_some_did_does() -> None:
    one, two, other_one = (
        delivery("t", b"a", value, offset=offset) for value, offset in ((b"1", 0), (b"2", 1), (b"3", 0))
    )
    assert side(one, two, one) == side(one, two, one, two) != side(one, two)
    assert side(one, two, one).endswith(
        "2 messages\n" + side(one, two).partition("2 messages\n")[2] + "\nSome of them were delivered again.\n"
    )
    assert "3 messages" in side(one, two, other_one)


def test_messages_without_a_key_have_no_order() -> None:
    one, two = delivery("t", b"", b"1"), delivery("t", b"", b"2")
    assert side(one, two) == side(two, one)
    assert side(one, two) != side(one, one)


@pytest.mark.parametrize(
    "changed",
    [
        delivery("t2", b"k", b'{"a": 1}', h="v"),
        delivery("t", b"k2", b'{"a": 1}', h="v"),
        delivery("t", b"k", b'{"a": 2}', h="v"),
        delivery("t", b"k", b'{"a": 1}', h="w"),
        delivery("t", b"k", b'{"a": 1}', g="v"),
        delivery("t", b"k", b"\xff\x00", h="v"),
        other("seek_v1", "t/0"),
        other("commit_v1", err=9756),
    ],
)
def test_what_the_program_would_notice_shows(changed: Entry) -> None:
    assert side(delivery("t", b"k", b'{"a": 1}', h="v")) != side(changed)


def test_facts_of_the_run_in_dead_letters_do_not_show() -> None:
    facts: list[dict[str, Any]] = [{"x07-dead-offset": n, "x07-dead-reason": "ValueError: no"} for n in ("7", "9")]
    one, two = (delivery("dead", b"k", b"v", **headers) for headers in facts)
    assert side(one) == side(two)
    assert "ValueError: no" in side(one)


def test_behind_the_messages_that_are_shown_no_change_passes_unseen() -> None:
    many = [delivery("t", b"k%d" % n, b"v") for n in range(MOST_MESSAGES + 3)]
    shown = side(*many)
    assert "and 3 more messages" in shown
    assert len(shown) < 100 * MOST_MESSAGES
    last = max(many, key=lambda one: one.resp)
    assert side(*[one for one in many if one is not last], delivery("t", b"k999999", b"w")) != shown


def test_large_and_binary_values_show_by_their_digest() -> None:
    text = side(delivery("t", b"k", b"a" * 10_000), delivery("t", b"k", bytes(200)))
    assert "10000 bytes, sha256 27dd1f61b867b6a0f6e9d8a41c43231de52107e53ae424de8f847b821db4b711" in text
    assert "200 bytes, sha256" in text
    assert len(text) < 1500


@given(st.text(), st.binary(), st.text())
def test_nothing_in_a_message_can_leave_its_place(key: str, value: bytes, header: str) -> None:
    envelope = delivery("t", key.encode("utf-8", "replace"), value, h=header.encode("utf-8", "replace").decode())
    text = side(envelope)
    assert all(char.isprintable() or char == "\n" for char in text)
    outside = text.split("\n```")[0].splitlines()
    assert not [line for line in outside if line.startswith("::")]


def test_fences_and_code_spans_are_longer_than_what_they_hold() -> None:
    text = side(delivery("t", b"`k``", b"```\n# heading\n````"))
    assert "\n`````text\n" in text
    assert "### ``` `k`` ```" in text


def test_json_that_would_lose_something_stands_as_it_is() -> None:
    assert '{"a":1,"a":2}' in side(delivery("t", b"k", b'{"a":1,"a":2}'))
    deep = b"[" * 100_000
    assert "100000 bytes" in side(delivery("t", b"k", deep))


def record(root: Path, value: bytes) -> Path:
    config = Config(
        mode=Mode.REWRITE,
        match=Match.LOOKUP,
        cassette="a.x07rr.bin",
        max_cassette_bytes=10_000,
        max_entries=100,
        max_req_bytes=1000,
        max_resp_bytes=1000,
        max_key_bytes=100,
    )
    with Session(config, root) as session:
        envelope = Envelope("t", b"k", value).encode()
        ack = MessageRecord(1, 1, "local", envelope, 1, b"OK").encode()
        session.record(EntryTemplate("rr", "std.msg.kafka.publish_env_v1", "local", "t"), [Row(envelope, ack)])
    return session.path


def test_the_recorder_keeps_it_in_step_and_verify_holds_it_to_the_bytes(tmp_path: Path) -> None:
    for value in (b"one", b"two"):
        path = record(tmp_path, value)
        assert value.decode() in text_side_of(path).read_text()
        assert check_text_side(path, Cassette.load(path), Varying())
    text_side_of(path).write_text(text_side_of(path).read_text().replace("two", "one"))
    with pytest.raises(CassetteError) as caught:
        check_text_side(path, Cassette.load(path), Varying())
    assert caught.value.code == 2069
    write_text_side(path, Cassette.load(path), Varying())
    assert check_text_side(path, Cassette.load(path), Varying())
    text_side_of(path).unlink()
    assert not check_text_side(path, Cassette.load(path), Varying())


def test_a_daemon_leaves_no_text_side_that_everybody_may_change(tmp_path: Path) -> None:
    path = tmp_path / "orders.x07rr.bin"
    path.write_bytes(Cassette.from_entries([delivery("orders", b"k", b"one")]).to_bytes())
    path.chmod(0o640)
    before = os.umask(0)
    try:
        write_text_side(path, Cassette.load(path), Varying())
    finally:
        os.umask(before)
    assert text_side_of(path).stat().st_mode & 0o777 == 0o640


def test_two_values_that_differ_never_look_alike() -> None:
    pairs = [
        (b"a\x1bb", b"a\\x1bb"),
        (b"a\\x1bb", b"a\\\\x1bb"),
        ("a\u202eb".encode(), b"a\\u202eb"),
        (b'{"a":1.0}', b'{"a":1.0000000000000000001}'),
        (b'{"a":1e999}', b'{"a":Infinity}'),
        (b'{"a":"\\u202e"}', b'{"a":"\\\\u202e"}'),
        (b"a\nb", b"a\\nb"),
    ]
    for one, other in pairs:
        shown = [
            text_side(Cassette.from_entries([published(value)]), "c.x07rr.bin", Varying()) for value in (one, other)
        ]
        assert shown[0] != shown[1], (one, other)


def published(value: bytes) -> Entry:
    sent = Envelope("t", value[:64], value, {"h": "x"}).encode()
    record = MessageRecord(1, 1, "p", sent, 1, b"OK").encode()
    return Entry("rr", "std.msg.kafka.publish_env_v1", "p", sent, record, scope="t")


def test_a_registered_schema_is_laid_out_and_what_was_read_is_not() -> None:
    def asked(verb: str, scope: str, schema: str) -> Entry:
        request = json.dumps({"body": {"schema": schema}}).encode()
        return Entry("rr", f"schema_registry.{verb}_v1", "schema-registry", request, b"{}", scope=scope)

    register = asked("post", "/subjects/a-value/versions", '{"type":"record","fields":[]}')
    shown = side(register, asked("query_get", "/schemas/ids/7", ""))
    assert "### `POST /subjects/a-value/versions`" in shown
    assert '    "type": "record",\n' in shown
    assert "/schemas/ids/7" not in shown
    assert side(asked("post", "/subjects/a-value/versions", "message A {}")) != side(
        asked("post", "/subjects/a-value/versions", "message B {}")
    )
    assert side(asked("post", "/subjects/a-value/versions", "not { json")) != shown
    for hostile in (b"not json", b"[]", b'{"body": "x"}', b"[" * 100_000, b'{"body": {"schema": 7}}'):
        entry = Entry("rr", "schema_registry.put_v1", "schema-registry", hostile, b"{}", scope="/config")
        assert "PUT /config" in side(entry)
