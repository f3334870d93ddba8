"""Shapes of messages, and which identifier of a run stands for which recorded one."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from x07py.errors import UsageError
from x07py.msg import Envelope
from x07py.rr.varying import Names, Varying

OLD, NEW = str(UUID(int=2**100 + 1)), str(UUID(int=2**101 + 7))


def message(one: str, **fields: object) -> Envelope:
    return Envelope("orders", b"k", json.dumps({"id": one, **fields}).encode(), {"reply": f"to.{one}"})


def test_messages_that_differ_in_declared_places_alone_have_one_shape() -> None:
    varying = Varying(("$.at", "$.lines[*].at"), capture=("$.id",))
    old, new = (varying.shape(message(one, at=at, lines=[{"at": at}])) for one, at in ((OLD, 1), (NEW, "later")))
    assert old.envelope == new.envelope
    assert (old.captured, new.captured) == ((OLD,), (NEW,))
    assert varying.shape(message(NEW)).envelope != new.envelope  # that something stands there is compared


def test_two_identifiers_are_not_one() -> None:
    varying = Varying(capture=("uuid",))
    twice = Envelope("orders", b"", f"{OLD} {OLD}".encode(), {})
    apart = Envelope("orders", b"", f"{OLD} {NEW}".encode(), {})
    assert varying.shape(twice).envelope != varying.shape(apart).envelope


def test_an_identifier_of_this_run_comes_back_wherever_the_recorded_one_stood() -> None:
    varying, names = Varying(capture=("$.id", "$.n")), Names()
    names.learn([(OLD, NEW), ("7", "8")])
    found = names.as_now(message(OLD, n=7, total=7, note=f"reply-{OLD}"), varying)
    assert json.loads(found.value) == {"id": NEW, "n": 8, "total": 7, "note": f"reply-{NEW}"}
    assert found.headers["reply"] == f"to.{NEW}"


def test_an_identifier_stands_for_one_alone() -> None:
    names = Names()
    names.learn([(OLD, NEW)])
    assert names.fit([(OLD, NEW)])
    assert not names.fit([(OLD, "another-one")])
    assert not names.fit([("another-one", NEW)])


def test_what_may_differ_is_read_back_from_beside_a_cassette() -> None:
    varying = Varying(("$.at",), frozenset({"trace"}), ("key", "headers.X-Id"))
    assert Varying.from_document(varying.document()) == varying
    rows: list[Any] = [[], {"other": []}, {"capture": "key"}, {"capture": [1]}, {"ignore_fields": ["$.a"] * 101}]
    for wrong in rows:
        with pytest.raises(UsageError):
            Varying.from_document(wrong)


def test_a_value_in_another_format_is_read_by_the_program() -> None:
    varying = Varying(("$.at",), decode=lambda data: dict(item.split("=") for item in data.decode().split("&")))
    old, new = (varying.shape(Envelope("t", b"", f"at={at}&total=7".encode(), {})) for at in (1, 2))
    assert old.envelope == new.envelope


@pytest.mark.parametrize("path", ["$" + "..*" * 5 + ".id", "$" + "[*,*]" * 20 + ".id", "$..[?@..id]"])
def test_a_path_that_goes_through_a_value_without_end_is_refused(path: str) -> None:
    for place in ({"ignore_fields": [path]}, {"capture": [path]}):
        with pytest.raises(UsageError, match="goes through a value too many times"):
            Varying.from_document(place)


def test_a_path_that_finds_ever_more_is_refused() -> None:
    wide = b"[" + b",".join([b"[1,2,3,4,5,6,7,8,9]"] * 2000) + b"]"
    with pytest.raises(UsageError, match="finds more than"):
        Varying(capture=("$..*",)).shape(Envelope("t", b"", wide))


def test_a_value_inside_of_one_that_is_ignored_is_ignored_with_it() -> None:
    shape = Varying(("$..a",)).shape(Envelope("t", b"", b'{"a":{"a":[1,{"a":2}]}}'))
    assert json.loads(shape.envelope.value) == {"a": "(varies)"}


@pytest.mark.parametrize("path", ["$", "$.*", "$..*", "$[*]", "$[0:]", "$[?1==1]", "$.*.*", "$..*..*", "$[*][*]"])
def test_a_path_that_names_nothing_is_refused(path: str) -> None:
    with pytest.raises(UsageError, match="nothing of a value would be compared"):
        Varying.from_document({"ignore_fields": ["$.at", path]})
    assert Varying.from_document({"ignore_fields": ["$.ids[*]", "$.*.at", "$..id", "$[0]"]}).shapes
