"""The five modes and the two match modes, right where the reference is not."""

from __future__ import annotations

import struct
from contextvars import copy_context
from pathlib import Path

import pytest

from tests.rr.builders import OP, config, entry, framed, opened, stored
from x07py import Envelope, run_report_channel
from x07py.contracts.rr import LIMITS, RRPolicy, Sanitizer
from x07py.errors import CassetteError, ReplayMismatchError
from x07py.rr import Cassette, EntryTemplate, Match, Mode, Row, Session, current_session

POLL = "std.msg.kafka.poll_env_v1"


def code_of(call: object, *args: object, **named: object) -> object:
    with pytest.raises(CassetteError) as caught:
        call(*args, **named)  # type: ignore[operator]
    return caught.value.code


def test_lookup_takes_the_earliest_unused_of_its_names(tmp_path: Path) -> None:
    stored(tmp_path, entry(0), entry(1, op=POLL), entry(2), entry(3, key="other"))
    with opened(tmp_path, Mode.REPLAY) as session:
        assert session.next("rr", OP, "k").resp == b"resp0"
        assert session.next("rr", OP, "k").resp == b"resp2"
        assert code_of(session.next, "rr", OP, "k") == 2009
        assert session.next("rr", POLL, "k").resp == b"resp1"
        assert session.unused() == [3]
        assert session.stats()["used"] == 3


def test_scopes_keep_topics_apart_and_entries_without_one_fit_all(tmp_path: Path) -> None:
    stored(tmp_path, entry(0, scope="a"), entry(1, scope="b"), entry(2))
    with opened(tmp_path, Mode.REPLAY) as session:
        assert session.next("rr", OP, "k", scope="b").resp == b"resp1"
        assert session.next("rr", OP, "k", scope="b").resp == b"resp2"
        assert code_of(session.next, "rr", OP, "k", scope="b") == 2009
        assert session.next("rr", OP, "k", scope="a").resp == b"resp0"


def test_transcript_compares_keys_and_a_mismatch_consumes_nothing(tmp_path: Path) -> None:
    stored(tmp_path, entry(0, scope="a"), entry(1, op=POLL))
    with opened(tmp_path, Mode.REPLAY, match=Match.TRANSCRIPT) as session:
        assert code_of(session.next, "tcp", OP, "k") == 2010
        assert code_of(session.next, "rr", POLL, "k") == 2011
        assert code_of(session.next, "rr", OP, "other") == 2057
        assert code_of(session.next, "rr", OP, "k", scope="b") == 2057
        assert session.next("rr", OP, "k", scope="a").number == 0
        assert session.next("rr", POLL, "k").number == 1
        assert code_of(session.next, "rr", OP, "k") == 2009


def test_a_request_that_differs_is_shown_field_by_field(tmp_path: Path) -> None:
    recorded = Envelope("orders", b"k1", b"v1", {"a": "1"})
    stored(tmp_path, entry(0, req=recorded.encode()))
    asked = Envelope("orders", b"k1", b"v2", {"a": "1", "b": "2"})
    with opened(tmp_path, Mode.REPLAY) as session:
        with pytest.raises(ReplayMismatchError) as caught:
            session.next("rr", OP, "k", req=asked.encode())
        assert caught.value.code == 2050
        text = caught.value.message
        assert "value\n    - v1\n    + v2" in text
        assert "header b\n    - (absent)\n    + 2" in text
        assert "k1" not in text
        assert session.next("rr", OP, "k", req=recorded.encode()).number == 0


def test_unused_entries_fail_a_replay(tmp_path: Path) -> None:
    stored(tmp_path, entry(0), entry(1))
    with pytest.raises(ReplayMismatchError) as caught, Session(config(Mode.REPLAY), tmp_path) as session:
        session.next("rr", OP, "k")
    assert caught.value.code == 2051
    assert "1 of 2" in caught.value.message


def test_an_error_of_the_program_is_not_hidden_by_unused_entries(tmp_path: Path) -> None:
    stored(tmp_path, entry(0))
    with pytest.raises(KeyError), Session(config(Mode.REPLAY), tmp_path):
        raise KeyError("mine")


def test_modes_refuse_what_they_do_not_do(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.OFF) as session:
        assert code_of(session.next, "rr", OP, "k") == 2012
        assert code_of(session.append, entry()) == 2013
    stored(tmp_path, entry())
    with opened(tmp_path, Mode.REPLAY) as session:
        assert code_of(session.append, entry()) == 2013
    for mode in (Mode.RECORD, Mode.REWRITE):
        with opened(tmp_path, mode) as session:
            assert code_of(session.next, "rr", OP, "k") == 2012


def test_record_appends_and_rewrite_replaces(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0))
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(entry(1))
        assert path.read_bytes() == framed(entry(0))
    assert path.read_bytes() == framed(entry(0), entry(1))
    with opened(tmp_path, Mode.REWRITE) as session:
        session.append(entry(2))
        assert path.read_bytes() == framed(entry(0), entry(1))
    assert path.read_bytes() == framed(entry(2))
    with opened(tmp_path, Mode.REWRITE):
        pass
    assert path.read_bytes() == framed(entry(2))


def test_record_missing_replays_what_it_has_just_recorded(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.RECORD_MISSING) as session:
        assert code_of(session.next, "rr", OP, "k") == 2009
        session.append(entry(0))
        session.append(entry(1, op=POLL, latency_ticks=7, err=9))
        assert session.next("rr", OP, "k") == (b"resp0", 0, b"", 0)
        answer = session.next("rr", POLL, "k")
        assert (answer.resp, answer.err, session.virtual_ticks) == (b"resp1", 9, 7)
        assert code_of(session.next, "rr", OP, "k") == 2009
    with opened(tmp_path, Mode.REPLAY) as session:
        assert session.stats()["entries"] == 2


def test_recorded_latency_is_waited_for_on_virtual_clocks_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(entry(0, latency_ticks=3_600_000))
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    for under_run, expected in ((False, []), (True, [3600.0])):
        if under_run:
            monkeypatch.setenv(run_report_channel.ENV_REPORT_CHANNEL, "no descriptor")
        with opened(tmp_path, Mode.REPLAY) as session:
            session.next("rr", OP, "k")
            assert (slept, session.virtual_ticks) == (expected, 3_600_000)


def test_what_record_missing_completed_replays_in_any_order_of_requests(tmp_path: Path) -> None:
    a, b, c, new = (entry(number) for number in range(4))
    stored(tmp_path, a, b, c)
    with opened(tmp_path, Mode.RECORD_MISSING) as session:
        assert code_of(session.next, "rr", OP, "k", req=new.req) == 2050
        session.append(new)
        for one in (b, c):
            assert session.next("rr", OP, "k", req=one.req).resp == one.resp
    with opened(tmp_path, Mode.REPLAY) as session:
        for one in (new, b, c, a):
            assert session.next("rr", OP, "k", req=one.req).resp == one.resp
        assert session.unused() == []
        assert code_of(session.next, "rr", OP, "k", req=a.req) == 2009


def test_equal_requests_answer_in_the_order_in_which_they_were_recorded(tmp_path: Path) -> None:
    same = [entry(1, resp=b"%d" % number) for number in range(4)]
    stored(tmp_path, same[0], entry(2), *same[1:])
    with opened(tmp_path, Mode.REPLAY) as session:
        assert session.next("rr", OP, "k", req=b"req2").resp == b"resp2"
        assert [session.next("rr", OP, "k", req=b"req1").resp for _ in same] == [b"0", b"1", b"2", b"3"]


def test_a_transcript_keeps_the_order_of_requests(tmp_path: Path) -> None:
    stored(tmp_path, entry(0), entry(1))
    with opened(tmp_path, Mode.REPLAY, match=Match.TRANSCRIPT) as session:
        assert code_of(session.next, "rr", OP, "k", req=b"req1") == 2050
        assert session.next("rr", OP, "k", req=b"req0").number == 0


def test_names_that_are_not_utf_8_are_shown(tmp_path: Path) -> None:
    odd = entry(0, op="publish\udcff")
    stored(tmp_path, odd)
    with opened(tmp_path, Mode.RECORD) as session:
        session.append(odd)
    session = Session(config(Mode.REPLAY), tmp_path)
    session.__enter__()
    assert code_of(session.next, "rr", "other", "k") == 2009
    assert code_of(session.__exit__, None, None, None) == 2051


def test_an_error_that_is_no_number_fails_when_it_is_used(tmp_path: Path) -> None:
    data = entry(0).encode().replace(b"err\x02\x01\0\0\x000", b"err\x02\x01\0\0\0x")
    path = stored(tmp_path)
    path.write_bytes(struct.pack("<I", len(data)) + data)
    with opened(tmp_path, Mode.REPLAY) as session:
        assert code_of(session.next, "rr", OP, "k") == 2008
        assert session.unused() == [0]


def test_the_key_limit_of_a_recording_counts_bytes(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.RECORD, max_key_bytes=10) as session:
        template = EntryTemplate("rr", OP, "\u00e9" * 10)
        assert code_of(session.record, template, [Row(b"", b"")]) == 2007


def test_a_session_may_end_in_another_context(tmp_path: Path) -> None:
    session = opened(tmp_path, Mode.RECORD)
    copy_context().run(session.__enter__)
    session.append(entry(0))
    session.__exit__(None, None, None)
    assert len(Cassette.load(session.path)) == 1


def test_limits_count_what_is_there(tmp_path: Path) -> None:
    path = stored(tmp_path, entry(0), entry(1))
    before = path.read_bytes()
    for changes, code in (
        ({"max_entries": 2}, 2004),
        ({"max_cassette_bytes": len(before) + 10}, 2003),
        ({"max_req_bytes": 4}, 2005),
        ({"max_resp_bytes": 5}, 2006),
        ({"max_key_bytes": 1}, 2007),
    ):
        with opened(tmp_path, Mode.RECORD, **changes) as session:
            assert code_of(session.append, entry(77777, key="kk")) == code
            rows = [Row(b"x" * 7, b"y" * 7)]
            assert code_of(session.record, EntryTemplate("rr", OP, "kk"), rows) == code
        assert path.read_bytes() == before


def test_limits_on_opening(tmp_path: Path) -> None:
    stored(tmp_path, entry(0), entry(1))
    for changes, code in (
        ({"max_entries": 1}, 2004),
        ({"max_cassette_bytes": 10}, 2003),
        ({"max_req_bytes": 3}, 2005),
        ({"max_resp_bytes": 3}, 2006),
        ({"max_key_bytes": 0}, 2007),
    ):
        assert code_of(opened(tmp_path, Mode.REPLAY, **changes).__enter__) == code
    assert code_of(opened(tmp_path, Mode.REPLAY, cassette="none.bin").__enter__) == 2002


def test_one_refused_row_refuses_the_batch(tmp_path: Path) -> None:
    with opened(tmp_path, Mode.RECORD, max_req_bytes=3) as session:
        assert code_of(session.record, EntryTemplate("rr", OP, "k"), [Row(b"ok", b""), Row(b"long", b"")]) == 2005
        assert session.appended == 0


def test_the_key_of_a_look_up_has_a_limit(tmp_path: Path) -> None:
    stored(tmp_path, entry())
    with opened(tmp_path, Mode.REPLAY, max_key_bytes=4) as session:
        assert code_of(session.next, "rr", OP, "longer") == 2007


def test_sessions_nest(tmp_path: Path) -> None:
    stored(tmp_path, entry())
    assert current_session() is None
    with opened(tmp_path, Mode.REPLAY) as outer:
        with opened(tmp_path, Mode.OFF) as inner:
            assert current_session() is inner
        assert current_session() is outer
    assert current_session() is None


SANITIZER = Sanitizer("s", frozenset({"authorization"}), "<redacted>", "pepper")


def policy(**changes: object) -> RRPolicy:
    fields = {
        "id": "p",
        "mode_default": "replay_v1",
        "match_mode": "lookup_v1",
        **dict.fromkeys(LIMITS, 10**6),
        "modes_allowed": frozenset({"record_v1"}),
        "worlds_allowed": frozenset({"run-os"}),
        "kinds_allowed": frozenset({"rr"}),
        "ops_allowed": frozenset({OP}),
        "sanitizer": SANITIZER,
    }
    return RRPolicy(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_policy_limits_kinds_and_operations(tmp_path: Path) -> None:
    with Session(config(Mode.RECORD), tmp_path, policy=policy()) as session:
        session.append(entry())
        assert code_of(session.append, entry(op=POLL)) == 2058
        assert code_of(session.append, entry(kind="tcp_stream")) == 2058
