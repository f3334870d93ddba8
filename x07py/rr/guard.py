"""The guard: what it knows to be a secret is not written, in whatever encoding it stands.

It is no filter: a secret in a place that no redaction covers is an error, because cutting it out would leave a
cassette that does not replay. It looks at the bytes of every entry just before they are written. It decodes what it
finds instead of listing how a secret may be written: percent and form encoding, JSON and JSON in JSON, HTML, quoted
printable, UTF-16, Base64 in both alphabets, at every offset, wrapped, and twice; hexadecimal, gzip, zlib. Whatever is
decoded is looked at again, three times at most. Base32 alone is listed. A text of other character sets is looked for as
Latin-1, and in its decomposed form.

What it cannot see: encrypted or hashed secrets, other compressions (zstd, lz4, snappy, brotli), Base85, a secret that
is cut up between two fields or entries, values under three bytes, and a value of three or four bytes in Base64 or
hexadecimal unless it stands there alone.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
import zlib
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from x07py.errors import CassetteError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST = 3
_LEAST_DECODED = 5
"""Shorter values would be found by chance in what random bytes decode to."""
_DEPTH = 3
_TEXT_ROUNDS = 4
_MOST_INFLATED = 4 * 2**20
_MOST_STREAMS = 32
_SHA = re.compile(rb"req_sha256\x03\x40\0\0\0[0-9a-f]{64}")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_QUOTED = re.compile(rb"=(?:\r?\n|([0-9A-F]{2}))")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_STREAM_HEADS = (b"\x1f\x8b\x08", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_BASE64 + b"-_")))
_NOT_HEX = bytes(sorted(set(range(256)) - set(b"0123456789abcdefABCDEF")))
_HEX, _CODING = b"0123456789abcdefABCDEF", _BASE64 + b"-_=%&;#\\"
_SHAPES = bytes(
    b"h"[0] if one in _HEX else b"b"[0] if one in _BASE64 + b"-_" else b":."[one not in b": "] for one in range(256)
)
_CODED = bytes(b".a"[one in _CODING] for one in range(256))
_PLUS = bytes.maketrans(b"+", b" ")

_secrets: dict[str, dict[bytes, tuple[bytes, ...]]] = {}
"""By id: every value that it has had, and as what bytes it is looked for."""
_wanted: list[tuple[bytes, str, bool]] = []
"""What is looked for, of which secret, and whether also in what was decoded."""


def register_secret(secret_id: str, value: str) -> None:
    """Guard `value`, and go on guarding the values that the secret had before. Under three bytes nothing is guarded."""
    raw = value.encode("utf-8", "surrogateescape")
    known = _secrets.setdefault(secret_id, {})
    if len(raw) < _LEAST or raw in known:
        return
    known[raw] = tuple(sorted(_forms(value, raw)))
    _wanted[:] = [
        (form, one, len(form) >= _LEAST_DECODED)
        for one, values in _secrets.items()
        for forms in values.values()
        for form in forms
    ]


def is_guarded(value: str) -> bool:
    """Tell whether `value` is one that the guard knows."""
    raw = value.encode("utf-8", "surrogateescape")
    return any(raw in values for values in _secrets.values())


def is_guarding() -> bool:
    """Tell whether any secret is known."""
    return bool(_wanted)


def refuse_secrets(data: bytes) -> None:
    """Look for every registered secret in `data`, and in what it decodes to; the cost grows as the data does.

    Raises:
        CassetteError: 2056, naming the secret's id and never its value.
    """
    secret_id = secret_in(data)
    if secret_id is not None:
        raise CassetteError(
            2056,
            f"the value of secret {secret_id!r} would be written to the cassette",
            hint="name the header or field in filter_headers, filter_fields or the sanitizer, or keep the secret out "
            "of the message",
        )


def secret_in(data: bytes) -> str | None:
    """Return the id of a registered secret that stands in `data` in any encoding, or None."""
    if not _wanted:
        return None
    for view, decoded in _views(_SHA.sub(b"", data), _DEPTH):
        for form, secret_id, everywhere in _wanted:
            if (everywhere or not decoded) and form in view:
                return secret_id
    return None


def readings(data: bytes) -> Iterator[bytes]:
    """Yield `data` and everything that it decodes to, as the guard reads it."""
    for view, _ in _views(_SHA.sub(b"", data), _DEPTH):
        yield view


def _forms(value: str, raw: bytes) -> Iterator[bytes]:
    """Yield a value as the bytes that are looked for: by character set, and with ``+`` as the space that it may be."""
    texts = {value}
    found = {raw}
    if not value.isascii():
        texts |= {unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)}
        found |= {text.encode("utf-8", "surrogateescape") for text in texts}
        for name in ("utf-16-le", "utf-16-be", "latin-1", "cp1252"):
            found |= {text.encode(name) for text in texts if _fits(text, name)}
    if len(raw) < _LEAST_DECODED:
        found |= {base64.b64encode(raw), raw.hex().encode(), raw.hex().upper().encode()}
    else:
        for pad in range(5):
            coded = base64.b32encode(b"\0" * pad + raw).rstrip(b"=")[-(-pad * 8 // 5) : -1]
            found |= {coded, coded.lower()}
    yield from {form.translate(_PLUS) for form in found} | found


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _views(data: bytes, depth: int, *, decoded: bool = False) -> Iterator[tuple[bytes, bool]]:
    """Yield `data` and what it decodes to, and whether that came of an encoding that any bytes can be read as."""
    yield data, decoded
    text = data
    for _ in range(_TEXT_ROUNDS):
        plain = _unescaped(text)
        if plain == text:
            break
        text = plain
        yield text, decoded
    if b"+" in text:
        yield text.translate(_PLUS), decoded
    if depth == 0:
        return
    for whole in {data, text}:
        for inflated in _inflated(whole):
            yield from _views(inflated, depth - 1, decoded=decoded)
    yield from _decoded(text, depth)


def _unescaped(data: bytes) -> bytes:
    """Return `data` without one round of escapes of percent encoding, JSON, HTML, quoted-printable and UTF-16."""
    if b"%" in data:
        data = unquote_to_bytes(data)
    if b"\\" in data:
        data = _ESCAPE.sub(_letter, data)
    if b"&" in data:
        data = _ENTITY.sub(lambda found: html.unescape(found[0].decode()).encode("utf-8", "ignore"), data)
    if b"=" in data:
        data = _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"", data)
    return data.replace(b"\0", b"") if b"\0" in data else data


def _letter(found: re.Match[bytes]) -> bytes:
    if found[1]:
        units = bytes.fromhex((found[1] + (found[2] or b"")).decode())
        return units.decode("utf-16-be", "replace").encode()
    return _LETTERS.get(found[3], found[3])


def _decoded(data: bytes, depth: int) -> Iterator[tuple[bytes, bool]]:
    """Yield what Base64 and hexadecimal text in `data` decodes to.

    All of its letters are read as one run, at every offset: whatever wraps or surrounds an encoded value drops out, and
    one of the offsets is its own.
    """
    shapes = data.translate(_SHAPES)
    if b"b" * 6 in shapes.replace(b"h", b"b"):
        run = data.translate(_URL_SAFE, _NOT_BASE64)
        for offset in range(4):
            part = run[offset:]
            yield from _decoded_views(binascii.a2b_base64(part + b"A" * (-len(part) % 4)), depth)
    if b"h" * 8 in shapes or b"hh:hh:hh:" in shapes:
        run = data.translate(None, _NOT_HEX)
        for offset in range(2):
            yield from _decoded_views(bytes.fromhex(run[offset : len(run) - (len(run) - offset) % 2].decode()), depth)


def _decoded_views(data: bytes, depth: int) -> Iterator[tuple[bytes, bool]]:
    """Yield decoded bytes, and what they decode to if they hold a text that was encoded again, or a stream."""
    if depth > 1 and b"a" * 10 in data.translate(_CODED):
        yield from _views(data, depth - 1, decoded=True)
        return
    yield data, True
    if b"\0" in data:
        yield data.replace(b"\0", b""), True
    if depth > 1:
        for inflated in _inflated(data):
            yield from _views(inflated, depth - 2, decoded=True)


def _inflated(data: bytes) -> Iterator[bytes]:
    """Yield what gzip and zlib streams in `data` hold, within bounds."""
    left = _MOST_INFLATED
    for at in islice(_streams(data), _MOST_STREAMS):
        stream = zlib.decompressobj(47)  # gzip or zlib, as the head says
        try:
            text = stream.decompress(data[at:], left)
        except zlib.error:
            continue
        left -= len(text)
        yield text
        if left <= 0:
            return


def _streams(data: bytes) -> Iterator[int]:
    for head in _STREAM_HEADS:
        at = data.find(head)
        while at >= 0:
            yield at
            at = data.find(head, at + 1)
