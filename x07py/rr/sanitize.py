"""What must not reach a cassette: sanitizers replace header values, and registered secrets stop the recording.

Redaction happens to messages, before they are encoded into entries; the guard looks at the bytes of every entry just
before they are written. The guard is not a filter: a secret in a place that no sanitizer covers is an error, because
cutting it out silently would leave a cassette that does not replay.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

from x07py.errors import CassetteError
from x07py.msg import Envelope
from x07py.msg.native import EXTRA_HEADERS, NativeHeaders, extra_headers, extra_text

if TYPE_CHECKING:
    from x07py.contracts.rr import Sanitizer

_MIN_SECRET = 4
_secrets: dict[str, tuple[bytes, ...]] = {}


def register_secret(secret_id: str, value: str) -> None:
    """Guard `value`: what `refuse_secrets` finds is not written. Values under four bytes are not guarded."""
    raw = value.encode("utf-8", "surrogateescape")
    if len(raw) >= _MIN_SECRET:
        forms = {raw, raw.hex().encode(), raw.hex().upper().encode(), quote(raw, safe="").encode()}
        forms |= {json.dumps(value, ensure_ascii=way)[1:-1].encode("utf-8", "surrogateescape") for way in (True, False)}
        for pad in range(3):
            form = base64.b64encode(b"\0" * pad + raw)[(0, 2, 3)[pad] :].rstrip(b"=")[:-1]
            forms |= {form, form.replace(b"+", b"-").replace(b"/", b"_")}
        _secrets[secret_id] = tuple(sorted(form for form in forms if len(form) >= _MIN_SECRET))


def refuse_secrets(data: bytes) -> None:
    """Look for every registered secret in `data`: as it is, in hexadecimal, percent-encoded, in JSON, and in Base64.

    Raises:
        CassetteError: 2056, naming the secret's id and never its value.
    """
    for secret_id, forms in _secrets.items():
        if any(form in data for form in forms):
            raise CassetteError(
                2056,
                f"the value of secret {secret_id!r} would be written to the cassette",
                hint="list the header in redact_headers of the sanitizer, or keep the secret out of the message",
            )


def sanitize(envelope: Envelope, rules: Sanitizer) -> Envelope:
    """Return `envelope` with the values of the headers that `rules` names replaced; itself if it has none of them.

    Headers that an envelope holds in ``x07-headers`` count as well.

    Raises:
        EnvelopeError: 9592 if ``x07-headers`` is malformed.
    """
    headers = envelope.headers
    if not headers or not rules.redact_headers:
        return envelope
    hit = {
        name: _replacement(text.encode(), rules)
        for name, text in headers.items()
        if name.lower() in rules.redact_headers
    }
    if EXTRA_HEADERS in headers:
        rows = extra_headers(envelope)
        if any(name.lower() in rules.redact_headers for name, _ in rows):
            hit[EXTRA_HEADERS] = extra_text(_redacted(rows, rules))
    if not hit:
        return envelope
    return Envelope(topic=envelope.topic, key=envelope.key, value=envelope.value, headers={**headers, **hit})


def _redacted(rows: NativeHeaders, rules: Sanitizer) -> NativeHeaders:
    def clean(name: str, data: bytes | None) -> bytes | None:
        return data if data is None or name.lower() not in rules.redact_headers else _replacement(data, rules).encode()

    return [(name, clean(name, data)) for name, data in rows]


def _replacement(value: bytes, rules: Sanitizer) -> str:
    if rules.salt is None:
        return rules.redact_token
    mac = hmac.digest(rules.salt.encode(), value, hashlib.sha256).hex()[:16]
    return f"{rules.redact_token}:{mac}"
