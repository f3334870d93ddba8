"""Hypothesis strategies of messages."""

from __future__ import annotations

from hypothesis import strategies as st

from x07py.msg import Envelope, MessageRecord, datamodel

NAMES = st.text(st.characters(min_codepoint=0, max_codepoint=0x7F), min_size=1, max_size=12)
TEXT = st.text(max_size=30)
TOPICS = st.binary(max_size=20).map(lambda raw: raw.decode("utf-8", "surrogateescape"))

ENVELOPES = st.builds(
    Envelope, TOPICS, st.binary(max_size=40), st.binary(max_size=200), st.dictionaries(NAMES, TEXT, max_size=5)
)
RECORDS = st.builds(
    MessageRecord,
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    TOPICS,
    st.one_of(st.binary(max_size=60), ENVELOPES.map(Envelope.encode)),
    st.sampled_from([1, 2]),
    st.binary(max_size=20),
)
_LEAVES = st.one_of(
    st.none(), st.booleans(), st.binary(max_size=10), st.binary(min_size=1, max_size=5).map(datamodel.Number)
)
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.binary(max_size=6), inner, max_size=4)),
    max_leaves=12,
)
