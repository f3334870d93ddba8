"""What records of brokers carry and an envelope cannot, mapped to reserved headers and back.

An envelope has no absent key, no absent value (tombstone), and its headers are a map of text. A record of Kafka has
all of these. Nothing is dropped: what does not fit stands in one of three reserved headers, which exist in envelopes
only and never on the wire. A fourth chooses where a message goes.

* ``x07-null-key: 1``, ``x07-null-value: 1``: the key or value is absent, not empty.
* ``x07-headers``: JSON list of ``[name, Base64 or null]`` in the record's order, for headers that are repeated, binary,
  absent in value, not ASCII or empty in name, or that bear a reserved name themselves.
* ``x07-partition: 3``: the partition to publish to, instead of the one that the key falls into.

The order between headers of different names is not kept; a map has none.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections import Counter
from typing import TYPE_CHECKING

from x07py.errors import EnvelopeError
from x07py.msg.envelope import Envelope

if TYPE_CHECKING:
    from collections.abc import Sequence

NULL_KEY, NULL_VALUE, EXTRA_HEADERS = "x07-null-key", "x07-null-value", "x07-headers"
PARTITION = "x07-partition"
RESERVED = frozenset({NULL_KEY, NULL_VALUE, EXTRA_HEADERS, PARTITION})
NativeHeaders = list[tuple[str, bytes | None]]


def from_native(
    topic: str, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]] | None
) -> Envelope:
    """Return the envelope of a broker's record.

    Raises:
        EnvelopeError: 9506 if it would have 2 GiB or more.
    """
    plain = pack_headers(headers or ())
    if key is None:
        plain[NULL_KEY] = "1"
    if value is None:
        plain[NULL_VALUE] = "1"
    return Envelope(topic, key or b"", value or b"", plain)


def to_native(envelope: Envelope) -> tuple[bytes | None, bytes | None, NativeHeaders]:
    """Return key, value and headers of the record that `envelope` stands for.

    Raises:
        EnvelopeError: 9592 if a reserved header does not have the form that `from_native` gives it.
    """
    headers = envelope.headers
    if not headers:
        return envelope.key, envelope.value, []
    key: bytes | None = envelope.key
    value: bytes | None = envelope.value
    if NULL_KEY in headers:
        _check_absent(envelope, NULL_KEY, envelope.key)
        key = None
    if NULL_VALUE in headers:
        _check_absent(envelope, NULL_VALUE, envelope.value)
        value = None
    return key, value, unpack_headers(envelope)


def native_partition(envelope: Envelope) -> int | None:
    """Return the partition that an envelope asks for, or None if its key decides.

    Raises:
        EnvelopeError: 9592 if ``x07-partition`` is not a number that a broker could have.
    """
    text = envelope.headers.get(PARTITION) if envelope.headers else None
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _malformed(envelope, PARTITION)
    return int(text)


def pack_headers(headers: Sequence[tuple[str, bytes | None]]) -> dict[str, str]:
    """Return native headers as envelope headers; what a map of text cannot hold goes into ``x07-headers``."""
    plain: dict[str, str] = {}
    odd: NativeHeaders = []
    times = Counter(name for name, _ in headers)
    for name, data in headers:
        text = _text(data)
        fits = name and name.isascii() and name not in RESERVED
        if fits and text is not None and times[name] == 1:
            plain[name] = text
        else:
            odd.append((name, data))
    if odd:
        plain[EXTRA_HEADERS] = extra_text(odd)
    return plain


def unpack_headers(envelope: Envelope) -> NativeHeaders:
    """Return the native headers of an envelope, those of ``x07-headers`` last.

    Raises:
        EnvelopeError: 9592 if ``x07-headers`` is malformed.
    """
    headers = envelope.headers
    native: NativeHeaders = [(name, text.encode()) for name, text in headers.items() if name not in RESERVED]
    if EXTRA_HEADERS in headers:
        native += extra_headers(envelope)
    return native


def check_reserved(envelope: Envelope) -> None:
    """Refuse a message whose reserved headers could not be sent.

    Raises:
        EnvelopeError: 9592 as `to_native`.
    """
    if not RESERVED.isdisjoint(envelope.headers):
        to_native(envelope)
        native_partition(envelope)


def extra_text(rows: NativeHeaders) -> str:
    """Return the text of ``x07-headers`` for these headers."""
    coded = [(name, None if data is None else base64.b64encode(data).decode()) for name, data in rows]
    return json.dumps(coded, separators=(",", ":"))


def extra_headers(envelope: Envelope) -> NativeHeaders:
    """Return the headers that stand in ``x07-headers``.

    Raises:
        EnvelopeError: 9592 if it is malformed.
    """
    try:
        rows = json.loads(envelope.headers[EXTRA_HEADERS])
        return [(str(name), None if data is None else base64.b64decode(data, validate=True)) for name, data in rows]
    except (ValueError, TypeError, RecursionError, binascii.Error):
        raise _malformed(envelope, EXTRA_HEADERS) from None


def _check_absent(envelope: Envelope, header: str, part: bytes) -> None:
    if part or envelope.headers[header] != "1":
        raise _malformed(envelope, header)


def _malformed(envelope: Envelope, header: str) -> EnvelopeError:
    return EnvelopeError(
        9592,
        f"reserved header {header!r} does not have the form that it is reserved for",
        where=f"topic {envelope.topic!r}, key {envelope.key!r}",
        hint="leave the headers x07-null-key, x07-null-value and x07-headers to x07py; x07-partition is a number",
    )


def _text(data: bytes | None) -> str | None:
    if data is None:
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None
