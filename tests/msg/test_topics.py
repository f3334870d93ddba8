"""Topics with parameters: which names they stand for."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from x07py.errors import EnvelopeError
from x07py.msg import Envelope, TopicLimits, TopicPattern, check_topic


@pytest.mark.parametrize(
    ("name", "parameters", "fits", "fits_not"),
    [
        ("light.{id}.on", {"id": ()}, ["light.7.on", "light.a-b.on"], ["light..on", "light.7.8.on", "light.7.off"]),
        ("a-{env}-{v}", {"env": ("dev", "prod"), "v": ()}, ["a-dev-V1", "a-prod-1.2"], ["a-test-V1", "a-dev-", "b"]),
        ("{queue}", {"queue": ()}, ["amq.gen-x", "a/b"], [""]),
        ("light/{a}{b}", {"a": (), "b": ()}, ["light/ab"], ["light/a", "light/a/b"]),
        ("a{x}", {}, ["a{x}"], ["ab"]),
        ("{x}.{x}", {"x": ("a", "ab")}, ["a.ab"], ["b.a"]),
    ],
)
def test_names_fit(name: str, parameters: dict[str, tuple[str, ...]], fits: list[str], fits_not: list[str]) -> None:
    pattern = TopicPattern(name, parameters)
    assert [one for one in [*fits, *fits_not] if pattern.matches(one)] == fits


@given(st.text("ab.", max_size=9), st.lists(st.sampled_from(["a", ".", "{x}", "{y}"]), min_size=1, max_size=6))
def test_a_pattern_means_what_the_regular_expression_means(topic: str, parts: list[str]) -> None:
    free = "[^.]+" if "." in parts else ".+"
    rule = "".join({"{x}": free, "{y}": "(?:a|ab)"}.get(part, re.escape(part)) for part in parts)
    pattern = TopicPattern("".join(parts), {"x": (), "y": ("a", "ab")})
    assert pattern.matches(topic) == bool(re.fullmatch(rule, topic))


def test_many_parameters_take_no_long_time() -> None:
    pattern = TopicPattern("{a}" * 80 + "!", {"a": ()})
    begun = time.process_time()
    assert not pattern.matches("x" * 250)
    assert time.process_time() - begun < 20


def test_limits_of_patterns_hold() -> None:
    limits = TopicLimits({"plain": 3}, [(TopicPattern("p.{x}", {"x": ()}), 2)])
    check_topic(Envelope("plain", b"", b"abc"), limits)
    check_topic(Envelope("p.q", b"", b"ab"), limits)
    for topic, code in (("p.q", 9502), ("p.q.r", 9501)):
        with pytest.raises(EnvelopeError) as caught:
            check_topic(Envelope(topic, b"", b"abc"), limits)
        assert caught.value.code == code
    assert list(limits) == ["plain", "p.{x}"]
    assert len(limits) == 2
