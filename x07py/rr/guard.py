"""The guard: what it knows to be a secret is not written, in whatever encoding it stands.

It is no filter: a secret in a place that no redaction covers is an error, because cutting it out would leave a
cassette that does not replay. It looks at the bytes of every entry just before they are written. It decodes what it
finds instead of listing how a secret may be written: percent and form encoding, JSON and JSON in JSON, HTML, quoted
printable, UTF-16, Base64 in both alphabets, at every offset, wrapped, and twice; hexadecimal, bytes as a list of
numbers, and what `unpacking` unpacks. Whatever is decoded is looked at again, three times at most. Base32 and Base85
alone are listed, and looked for in what was decoded too. A text of other character sets is looked for as Latin-1, and
in its decomposed form. `pieces` finds what is cut up between fields, and between entries that follow each other.

What it cannot see: encrypted or hashed secrets, compression that begins with nothing of its own (of Brotli, what is no
field), pieces that were encoded each for itself, that are under four bytes, or that stand far apart, values under three
bytes, a value of three or four bytes in Base64 or hexadecimal unless it stands there alone, and one of under eight
bytes in Base64 within Base64.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from x07py.errors import CassetteError
from x07py.rr.pieces import LEAST, LEAST_PIECE, can_be_cut, is_in_pieces, without_marks
from x07py.rr.unpacking import unpacked, unpacked_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEAST = 3
_LEAST_DECODED = 5
"""Shorter values would be found by chance in what random bytes decode to."""
_DEPTH = 3
_TEXT_ROUNDS = 4
_TOGETHER = 2**16
_BETWEEN = b"\n\0\n"
_SHA = re.compile(rb"req_sha256\x03\x40\0\0\0[0-9a-f]{64}")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|x([0-9a-fA-F]{2})|(.))", re.DOTALL)
_LETTERS = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")
_QUOTED = re.compile(rb"=(?:\r?\n|([0-9A-F]{2}))")
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NUMBERS = re.compile(rb",\s{0,64}+-?[0-9]{1,3}+(?:,\s{0,64}+-?[0-9]{1,3}+){3,}+")
"""A list of numbers from its second on: an expression that begins with a digit would take ten times as long."""
_NUMBER_BEFORE = re.compile(rb"-?[0-9]{1,3}\Z")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")
_NOT_BASE64 = bytes(sorted(set(range(256)) - set(_BASE64 + b"-_")))
_NOT_HEX = bytes(sorted(set(range(256)) - set(b"0123456789abcdefABCDEF")))
_HEX, _CODING = b"0123456789abcdefABCDEF", _BASE64 + b"-_=%&;#\\"
_SHAPES = bytes(
    b"h"[0] if one in _HEX else b"b"[0] if one in _BASE64 + b"-_" else b":."[one not in b": "] for one in range(256)
)
_CODED = bytes(b".a"[one in _CODING] for one in range(256))
_PRINTED = bytes(b".a"[32 <= one < 127 or one in b"\t\r\n"] for one in range(256))
_PLUS = bytes.maketrans(b"+", b" ")
_Z85 = bytes.maketrans(
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~",
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#",
)

_secrets: dict[str, dict[bytes, tuple[bytes, ...]]] = {}
"""By id: every value that it has had, and as what bytes it is looked for."""
_wanted: list[tuple[bytes, str, bool]] = []
"""What is looked for, of which secret, and whether also in what was decoded."""
_base85: list[tuple[bytes, str]] = []
"""What is looked for in the bytes as they stand alone, and of which secret."""
_whole: list[tuple[bytes, bytes, str]] = []
"""Values that are looked for in pieces, the same without marks, and of which secret."""


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
    every = [(raw, one) for one, values in _secrets.items() for raw in values]
    _base85[:] = [(form, one) for raw, one in every for form in _base85_forms(raw)]
    _whole[:] = [(raw, bare, one) for raw, one in every if can_be_cut(raw) and can_be_cut(bare := without_marks(raw))]


def is_guarded(value: str) -> bool:
    """Tell whether `value` is one that the guard knows."""
    raw = value.encode("utf-8", "surrogateescape")
    return any(raw in values for values in _secrets.values())


def is_guarding() -> bool:
    """Tell whether any secret is known."""
    return bool(_wanted)


def refuse_secrets(data: bytes, before: bytes = b"") -> None:
    """Look for every registered secret in `data`, and in what it decodes to; the cost grows as the data does.

    Args:
        data: what would be written.
        before: the end of what was written before it, in which a secret may have begun.

    Raises:
        CassetteError: 2056, naming the secret's id and never its value.
    """
    secret_id = secret_in(data, before)
    if secret_id is not None:
        raise CassetteError(
            2056,
            f"the value of secret {secret_id!r} would be written to the cassette",
            hint="name the header or field in filter_headers, filter_fields or the sanitizer, or keep the secret out "
            "of the message",
        )


def secret_in(data: bytes, before: bytes = b"") -> str | None:
    """Return the id of a registered secret that stands in `data` in any encoding, or None. Args as `refuse_secrets`."""
    if not _wanted:
        return None
    for form, secret_id in _base85:
        if form in data:
            return secret_id
    clean = _SHA.sub(b"", data)
    plain: list[bytes] = [_SHA.sub(b"", before) + _BETWEEN + clean] if before else []
    decoded: list[bytes] = []
    size = 0
    for view, of_any in _readings(clean):
        (decoded if of_any else plain).append(view)
        size += len(view)
        if size > _TOGETHER:
            if (found := _among(plain, decoded)) is not None:
                return found
            plain, decoded, size = [], [], 0
    return _among(plain, decoded)


def _among(plain: list[bytes], decoded: list[bytes]) -> str | None:
    """Return the id of a secret in some views, which are looked through together: most are short."""
    text, other = _BETWEEN.join(plain), _BETWEEN.join(decoded)
    for form, secret_id, everywhere in _wanted:
        if form in text or (everywhere and form in other):
            return secret_id
    for form, secret_id in _base85 if other else ():
        if form in other:
            return secret_id
    if not _whole:
        return None
    bare = without_marks(text)
    for raw, unmarked, secret_id in _whole:
        if unmarked in bare or (raw[:LEAST_PIECE] in text and any(is_in_pieces(raw, view) for view in plain)):
            return secret_id
    return None


def readings(data: bytes) -> Iterator[bytes]:
    """Yield `data` and everything that it decodes to, as the guard reads it."""
    for view, _ in _readings(_SHA.sub(b"", data)):
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


def _base85_forms(raw: bytes) -> set[bytes]:
    """Return a value in the three alphabets of Base85, as it is at each of four offsets in other text."""
    if len(raw) < _LEAST_DECODED:
        return set()
    inner = [raw[offset : offset + (len(raw) - offset) // 4 * 4] for offset in range(4)]
    rows = [part for part in inner if len(part) >= LEAST] or [raw]
    usual, ascii85 = [base64.b85encode(row) for row in rows], [base64.a85encode(row) for row in rows]
    quoted = [json.dumps(form.decode())[1:-1].encode() for form in ascii85]
    return {*usual, *ascii85, *quoted, *(form.translate(_Z85) for form in usual)}


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _readings(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield an entry and what it decodes to, as `_views` of its fields that do not show what they are."""
    yield from _views(data, _DEPTH)
    for text in unpacked_fields(data):
        yield from _views(text, _DEPTH - 1)


def _views(data: bytes, depth: int, *, decoded: bool = False) -> Iterator[tuple[bytes, bool]]:
    """Yield `data` and what it decodes to, and whether that came of an encoding that any bytes can be read as."""
    yield data, decoded
    text = data
    for text in _plainer(data):
        yield text, decoded
    if b"+" in text:
        yield text.translate(_PLUS), decoded
    if depth == 0:
        return
    for whole in {data, text}:
        for inflated in unpacked(whole):
            yield from _views(inflated, depth - 1, decoded=decoded)
    yield from _decoded(text, depth)


def _plainer(data: bytes) -> Iterator[bytes]:
    """Yield `data` without escapes, round by round."""
    for _ in range(_TEXT_ROUNDS):
        plain = _unescaped(data)
        if plain == data:
            break
        data = plain
        yield data


def _unescaped(data: bytes) -> bytes:
    """Return `data` without one round of escapes of percent encoding, JSON, HTML, quoted-printable and UTF-16."""
    if b"%" in data:
        data = unquote_to_bytes(data)
    if b"\\" in data:
        data = _ESCAPE.sub(_letter, data)
    if b"&" in data:
        data = _ENTITY.sub(_character, data)
    if b"=" in data:
        data = _QUOTED.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"", data)
    return data.replace(b"\0", b"") if b"\0" in data else data


def _character(found: re.Match[bytes]) -> bytes:
    import html

    return html.unescape(found[0].decode()).encode("utf-8", "ignore")


def _letter(found: re.Match[bytes]) -> bytes:
    if found[1]:
        units = bytes.fromhex((found[1] + (found[2] or b"")).decode())
        return units.decode("utf-16-be", "replace").encode()
    if found[3]:
        return bytes.fromhex(found[3].decode())
    return _LETTERS.get(found[4], found[4])


def _decoded(data: bytes, depth: int) -> Iterator[tuple[bytes, bool]]:
    """Yield what Base64, hexadecimal text and lists of numbers in `data` decodes to.

    All of its letters are read as one run, at every offset: whatever wraps or surrounds an encoded value drops out, and
    one of the offsets is its own.
    """
    shapes = data.translate(_SHAPES)
    if b"b" * 6 in shapes.replace(b"h", b"b"):
        run = data.translate(_URL_SAFE, _NOT_BASE64)
        for offset in range(4):
            part = run[offset:]
            yield from _decoded_views(binascii.a2b_base64(part + b"A" * (-len(part) % 4)), depth)
    yield from _of_numbers(data)
    if b"h" * 8 in shapes or b"hh:hh:hh:" in shapes:
        run = data.translate(None, _NOT_HEX)
        for offset in range(2):
            yield from _decoded_views(bytes.fromhex(run[offset : len(run) - (len(run) - offset) % 2].decode()), depth)


def _of_numbers(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield what the lists of numbers in `data` may be, if there are any."""
    if data.count(b",") >= _LEAST_DECODED - 1:
        yield b"\n".join(_numbers(data)), True


def _numbers(data: bytes) -> Iterator[bytes]:
    """Yield lists of numbers as the bytes that they may be, with a sign or without."""
    for found in _NUMBERS.finditer(data):
        first = _NUMBER_BEFORE.search(data[max(0, found.start() - 4) : found.start()])
        row = (first[0] if first else b"") + found[0]
        yield bytes(int(one) & 255 for one in row.split(b",") if one)


def _decoded_views(data: bytes, depth: int) -> Iterator[tuple[bytes, bool]]:
    """Yield decoded bytes, and what they decode to if they hold a text that was encoded again, or a stream."""
    is_text = b"a" * 8 in data.translate(_PRINTED)
    if is_text and depth > 1 and (b"a" * 10 in data.translate(_CODED) or b"hh:hh:hh:" in data.translate(_SHAPES)):
        yield from _views(data, depth - 1, decoded=True)
        return
    yield data, True
    if b"\0" in data:
        yield data.replace(b"\0", b""), True
    if is_text:
        for plain in _plainer(data):
            yield plain, True
        yield from _of_numbers(data)
    if depth > 1:
        for inflated in unpacked(data):
            yield from _views(inflated, depth - 2, decoded=True)
