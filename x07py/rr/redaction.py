"""The one redaction of everything that is recorded: messages, arguments, results and texts of errors.

It is the same for drivers, for clients on the wire and for classes of clients, and happens before anything is encoded
or compared. Names decide (`secret_names`, and those that a cassette adds), at any depth and for values of any type;
JSON is redacted by the names of its fields and by paths of RFC 9535, without changing a byte of the rest.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from x07py.errors import EnvelopeError, UsageError
from x07py.files import load_json
from x07py.msg import Envelope
from x07py.msg.native import EXTRA_HEADERS, extra_headers, extra_text
from x07py.rr.json_spans import replace_values
from x07py.rr.secret_names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from x07py.contracts.rr import Sanitizer
    from x07py.rr.json_spans import Path

REDACTED = "redacted"
"""Key of a delivery's metadata that lists what of the recorded message is another than the broker's."""
AMQP_HEADERS = "x07-amqp-headers"
"""The header of an envelope that holds the AMQP headers that are no text, as an encoded table in Base64."""
_OPENING, _OPENING_TEXT = (b"{", b"[", b'"'), ("{", "[", '"')
_BOM = b"\xef\xbb\xbf"
_FRAMED = 5
"""Bytes before the JSON of a message whose schema stands in a registry: a zero, and the schema's number."""
_DEAD = "x07-dead-"
_TOKEN = "<redacted>"  # noqa: S105 - stands in place of a secret
_MOST_KNOWN = 4096
_MOST_MATCHES = 100_000
_NAMED = ("name", "key", "config_name")
_FIELD = re.compile(r'"([^"\\]{1,128})\\{0,8}"\s{0,64}:')
_URL_USER = re.compile(r"(://)(?:[^/\s:@]{0,256}:[^/\s]{1,4096}|[^/\s:@]{16,4096})(?=@)")
_SCHEME = re.compile(r"\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_SETTING = re.compile(
    r"""\b((?:\w{1,64}[._-])?\w{0,64}?(?:password|passwd|passphrase|passcode|pwd|secret|token|api[-_.]?key|jwt|cookie|"""
    r"""access[-_.]?key|private[-_.]?key|session[-_.]?id|authorization|credentials?)["']?\s{0,8}[=:]\s{0,8})"""
    r"""("[^"\r\n]*+"?|'[^'\r\n]*+'?|[^\s"',;&{}\[\]]+)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Redaction:
    """What is not written.

    Args:
        names: lower-case names whose values are hidden beside those of `secret_names`: headers, properties, fields,
            arguments, settings.
        paths: values of JSON in messages that are hidden, as JSONPath (RFC 9535).
        keep: lower-case names that are not hidden although `secret_names` has them.
        token: text that stands in place of a value.
        salt: if set, the text also carries a keyed digest, so that equal values stay equal.
    """

    names: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    keep: frozenset[str] = frozenset()
    token: str = _TOKEN
    salt: str | None = None
    _known: dict[str, bool] = field(default_factory=dict, init=False, compare=False, repr=False)

    def hides(self, name: str) -> bool:
        """Tell whether the value behind a name is hidden."""
        known = self._known.get(name)
        if known is None:
            lower = name.lower()
            known = lower in self.names or (is_secret_name(name) and lower not in self.keep)
            if len(self._known) < _MOST_KNOWN:
                self._known[name] = known
        return known

    def envelope(self, envelope: Envelope) -> Envelope:
        """Return `envelope` as it may be written; itself if there is nothing to hide."""
        headers = self._headers(envelope) if envelope.headers else None
        key, value = self._json(envelope.key), self._json(envelope.value)
        if headers is None and key is envelope.key and value is envelope.value:
            return envelope
        return Envelope(envelope.topic, key, value, envelope.headers if headers is None else headers)

    def shows_all(self, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bool:
        """Tell whether nothing is to be hidden of a message's parts; where that takes a closer look, False."""
        if (key and self._json(key) is not key) or (value and self._json(value) is not value):
            return False
        for name, text in headers:
            known = self._known.get(name)
            if known or (known is None and self.hides(name)):
                return False
            if name.startswith(_DEAD) or (text and text[:1] in _OPENING):
                return False
        return True

    def document(self, data: Any) -> Any:
        """Return arguments or results, which are made of JSON, as they may be written."""
        if isinstance(data, str):
            raw = data.encode("utf-8", "surrogateescape")
            new = self._json(raw) if data[:1] in _OPENING_TEXT else raw
            return self.text(data if new is raw else new.decode("utf-8", "surrogateescape"))
        if isinstance(data, list | tuple):
            if len(data) == 2 and self.hides(_name_of(data[0])):
                return [data[0], self._leaves(data[1])]
            return [self.document(item) for item in data]
        if not isinstance(data, dict):
            return data
        if data.keys() == {"$bytes"}:
            return self._document_bytes(data)
        named = any(isinstance(data.get(one), str) and self.hides(data[one]) for one in _NAMED)
        return {
            name: self._leaves(value) if self.hides(str(name)) or (named and name == "value") else self.document(value)
            for name, value in data.items()
        }

    def _document_bytes(self, data: dict[str, Any]) -> dict[str, Any]:
        raw = _bytes_of(data)
        new = self._json(raw) if raw is not None else raw
        return data if new is raw or new is None else {"$bytes": base64.b64encode(new).decode()}

    def text(self, text: str) -> str:
        """Return a text, as that of an error, without passwords in addresses, tokens of a scheme, and settings."""
        if "://" in text:
            text = _URL_USER.sub(lambda found: found[1] + self._token_for(found[0].encode()), text)
        text = _SCHEME.sub(lambda found: f"{found[1]}{found[2]}{self._token_for(found[0].encode())}", text)
        if "=" in text or ":" in text:
            text = _SETTING.sub(lambda found: found[1] + self._token_for(found[2].encode()), text)
        return text

    def arguments(self, argv: Iterable[str]) -> list[str]:
        """Return a command line without what is given to options like ``--password``; the rest as `text` has it."""
        shown: list[str] = []
        hide_next = False
        for argument in argv:
            name, equals, value = argument.partition("=")
            if hide_next and not argument.startswith("-"):
                shown.append(self._token_for(argument.encode("utf-8", "surrogateescape")))
            elif equals and self.hides(name):
                shown.append(name + equals + self._token_for(value.encode("utf-8", "surrogateescape")))
            else:
                shown.append(self.text(argument))
            hide_next = argument.startswith("-") and not equals and self.hides(argument)
        return shown

    def hidden_in(self, envelope: Envelope) -> list[str]:
        """Return where a recorded message is another than the broker's: names of headers, ``key``, ``value``."""
        found = [name for name, text in envelope.headers.items() if self.token in text]
        if EXTRA_HEADERS in envelope.headers:
            rows = extra_headers(envelope)
            found += [name for name, data in rows if data is not None and self.token.encode() in data]
        if AMQP_HEADERS in envelope.headers and self.token in repr(_table(envelope.headers[AMQP_HEADERS])):
            found.append(AMQP_HEADERS)
        raw = self.token.encode()
        found += [part for part in ("key", "value") if raw in getattr(envelope, part)]
        return found

    def _headers(self, envelope: Envelope) -> dict[str, str] | None:
        headers = envelope.headers
        hit: dict[str, str] = {}
        for name, text in headers.items():
            if name == EXTRA_HEADERS:
                hit[name] = self._extra(envelope, text)
            elif name == AMQP_HEADERS:
                hit[name] = self._amqp(text)
            elif self.hides(name):
                hit[name] = self._token_for(text.encode("utf-8", "surrogateescape"))
            elif name.startswith(_DEAD):
                hit[name] = self.text(text)
            elif text[:1] in _OPENING_TEXT:
                hit[name] = self._json(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        changed = {name: text for name, text in hit.items() if text != headers[name]}
        return {**headers, **changed} if changed else None

    def _extra(self, envelope: Envelope, text: str) -> str:
        try:
            rows = extra_headers(envelope)
        except EnvelopeError:
            return text  # another program's header
        new = [
            (name, data if data is None else self._token_for(data).encode() if self.hides(name) else self._json(data))
            for name, data in rows
        ]
        return text if new == rows else extra_text(new)

    def _amqp(self, text: str) -> str:
        table = _table(text)
        if table is None:
            return text
        new = self._native(table)
        if new == table:
            return text
        from pamqp import encode

        return base64.b64encode(encode.field_table(new)).decode()

    def _native(self, value: Any) -> Any:
        """Return a value of an AMQP table as it may be written; hidden ones keep their type if they are texts."""
        if isinstance(value, dict):
            return {name: self._leaves(one) if self.hides(name) else self._native(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self._native(one) for one in value]
        if isinstance(value, bytes | bytearray):
            return bytearray(self._json(bytes(value)))
        return self._json(value.encode()).decode() if isinstance(value, str) and value[:1] in _OPENING_TEXT else value

    def _leaves(self, value: Any) -> Any:
        """Return a hidden value: its lists and tables with every leaf replaced."""
        if value is None:
            return None
        if isinstance(value, list | tuple):
            return [self._leaves(one) for one in value]
        if isinstance(value, dict) and value.keys() == {"$bytes"}:
            return {"$bytes": base64.b64encode(self._token_for(str(value["$bytes"]).encode()).encode()).decode()}
        if isinstance(value, dict):
            return {name: self._leaves(one) for name, one in value.items()}
        if isinstance(value, bytes | bytearray):
            return bytearray(self._token_for(bytes(value)).encode())
        return self._token_for(str(value).encode("utf-8", "surrogateescape"))

    def _json(self, data: bytes) -> bytes:
        """Return a key or value with the fields of its JSON hidden."""
        if data[:1] not in _OPENING and not (data[:1].isspace() and data.lstrip()[:1] in _OPENING):
            head = 3 if data.startswith(_BOM) else _FRAMED if data[:1] == b"\0" and data[5:6] in _OPENING else 0
            rest = data[head:]
            shown = self._json(rest) if head else rest
            return data if shown is rest else data[:head] + shown
        if not self.paths and not self.names and not _may_hide(data):
            return data
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return data
        if text.lstrip()[:1] == '"':
            return self._json_text(data, text)
        if not self.paths and "\\u" not in text and not any(map(self.hides, _FIELD.findall(text))):
            return data
        chosen = _chosen_by(self.paths, text) if self.paths else frozenset()

        def choose(path: Path) -> bool:
            return bool(path) and (path in chosen or (isinstance(path[-1], str) and self.hides(path[-1])))

        new = replace_values(text, choose, self._json_leaf)
        return data if new is text else new.encode()

    def _json_text(self, data: bytes, text: str) -> bytes:
        """Return JSON that is one text, which may hold JSON itself."""
        try:
            inner = load_json(text)
        except (ValueError, RecursionError):
            return data
        if not isinstance(inner, str) or inner[:1] not in _OPENING_TEXT:
            return data
        raw = inner.encode("utf-8", "surrogatepass")
        new = self._json(raw)
        return data if new is raw else json.dumps(new.decode("utf-8", "surrogatepass"), ensure_ascii=False).encode()

    def _json_leaf(self, leaf: str) -> str | None:
        return None if leaf == "null" else json.dumps(self._token_for(leaf.encode()), ensure_ascii=False)

    def _token_for(self, value: bytes) -> str:
        if value.startswith((self.token.encode(), b'"' + self.token.encode())):
            return value.decode("utf-8", "surrogateescape").strip('"')  # hidden before
        if self.salt is None:
            return self.token
        mac = hmac.digest(self.salt.encode(), value, hashlib.sha256).hex()[:16]
        return f"{self.token}:{mac}"


def redaction_of(sanitizer: Sanitizer) -> Redaction:
    """Return what a policy's sanitizer says.

    Raises:
        UsageError: as `checked_paths`.
    """
    paths = checked_paths(sanitizer.redact_fields)
    return Redaction(sanitizer.redact_headers, paths, sanitizer.keep, sanitizer.redact_token, sanitizer.salt)


def checked_paths(paths: Iterable[str]) -> tuple[str, ...]:
    """Return JSONPaths that are well-formed.

    Raises:
        UsageError: ``X07_CASSETTE_PATH`` for one that is not.
    """
    found = tuple(paths)
    if not found:
        return ()
    import jsonpath

    for path in found:
        try:
            jsonpath.compile(path, strict=True)
        except jsonpath.JSONPathError as error:
            raise UsageError(
                "X07_CASSETTE_PATH", f"{path!r} is no JSONPath: {error}", hint="write for example '$.customer.email'"
            ) from None
    return found


def _chosen_by(paths: tuple[str, ...], text: str) -> frozenset[Path]:
    import jsonpath

    chosen: set[Path] = set()
    for data in _documents(text):
        for path in paths:
            for number, one in enumerate(jsonpath.finditer(path, data, strict=True)):
                if number == _MOST_MATCHES:
                    what = f"{path!r} finds more than {_MOST_MATCHES} values in a message"
                    raise UsageError("X07_CASSETTE_PATH", what, hint="name the fields, for example $.items[*].email")
                if one.parts:
                    chosen.add(tuple(one.parts))
    return frozenset(chosen)


def _documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents that stand in a text one after the other, as far as they are whole."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            data, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        yield data
        at = end
        while at < len(text) and text[at] in " \t\r\n,\x1e":
            at += 1


def _bytes_of(data: Any) -> bytes | None:
    """Return the bytes that stand in a document of arguments or results, or None."""
    try:
        return base64.b64decode(data["$bytes"], validate=True)
    except (ValueError, TypeError, KeyError):
        return None


def _name_of(data: Any) -> str:
    """Return the first of a pair as a name: a text, or bytes."""
    raw = _bytes_of(data) if isinstance(data, dict) else None
    return raw.decode("utf-8", "replace") if raw is not None else data if isinstance(data, str) else ""


def _may_hide(data: bytes) -> bool:
    """Tell quickly whether JSON may have a field that `is_secret_name` names; most messages have none."""
    text = data.lower()
    return (
        b"key" in text
        or b"token" in text
        or b"pass" in text
        or b"secret" in text
        or b"auth" in text
        or b"cookie" in text
        or b"credential" in text
        or b"pwd" in text
        or b"jwt" in text
        or b"session" in text
        or b"bearer" in text
        or b"info" in text
        or b"config" in text
        or b"\\u00" in text
    )


def _table(text: str) -> dict[str, Any] | None:
    """Return the AMQP table in ``x07-amqp-headers``, or None if the header is another program's."""
    from pamqp import decode

    try:
        return dict(decode.field_table(base64.b64decode(text, validate=True))[1])
    except (ValueError, struct.error, IndexError, KeyError, TypeError):
        return None
