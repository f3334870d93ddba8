"""The tape behind stand-ins for schema registries: what programs asked of them, and what came of it.

A request is compared by method, path, query and document, never by its headers, none of which is written. Reading may
be done more or less often than it was recorded; registering, changing and deleting have to be done again, and get the
recorded outcome in order and the last one for ever, because each process registers what it has not cached.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote

from x07py.drivers.base import Dialect, canonical_json
from x07py.files import load_json
from x07py.rr import Answer, Mode, Row
from x07py.rr.known_secrets import register_http_login
from x07py.wire.decoding import decoding, document, record
from x07py.wire.tape import Tape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from x07py.drivers.base import Json
    from x07py.rr import Session
    from x07py.wire.matching import Rules

_NUMBER = 130
_FORM = "application/x-www-form-urlencoded"
_GRANT = ("grant_type", "scope", "audience", "resource")
"""What is kept of a request for a token; the rest of it proves who asks."""
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOKS_UP = re.compile(r"/subjects/[^/]+$|/compatibility/")
"""Where a document that is sent changes nothing."""
_KEPT = ("content-type", "location", "retry-after", "www-authenticate")


class Asked(NamedTuple):
    """A request.

    Args:
        method: of HTTP.
        target: path and query.
        kind: the media type of its body.
        body: its body.
    """

    method: str
    target: str
    kind: str
    body: bytes


class Reply(NamedTuple):
    """An answer: status, headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class RegistryTape(Tape):
    """One open cassette behind stand-in registries; arguments and errors as of `Tape`."""

    library = "schema-registry"
    dialect: Dialect = Dialect.of("schema_registry", _NUMBER, ("subject", "version", "id"), (), 0)

    def __init__(self, session: Session, rules: Rules) -> None:
        super().__init__(session, rules)
        self._given: dict[tuple[str, str, bytes], Answer] = {}

    def answer(self, asked: Asked) -> Reply | None:
        """Return the recorded answer, or None where the registry is to be asked.

        Raises:
            ReplayMismatchError: 2009 or 2050.
            CassetteError: 2072 if the cassette holds no answer there.
        """
        if not self.replays:
            return None
        op, scope, request = self._named(asked)
        bucket, ledger = self.bucket(op, scope), self.session.ledger
        with self.lock:
            number = ledger.with_request(bucket, request)
            if number is not None:
                self._given[op, scope, request] = self.take(number)
            elif (op, scope, request) not in self._given:
                if self.session.mode is not Mode.REPLAY:
                    return None
                first = ledger.next_in(bucket)
                raise ledger.missing(bucket) if first is None else ledger.differs(first, bucket, request)
            return _reply(document(self._given[op, scope, request].resp))

    def note(self, asked: Asked, reply: Reply) -> None:
        """Record what the registry answered."""
        op, scope, request = self._named(asked)
        raw = scope.endswith("/schema")
        said: dict[str, Json] = {"status": reply.status}
        said |= {name: self.rules.redaction.text(reply.headers[name]) for name in _KEPT if name in reply.headers}
        found = _json(reply.body) if "json" in reply.headers.get("content-type", "") else None
        if found is not None:
            said["body"] = found if raw else self._shown(found)
        else:
            said["bytes"] = base64.b64encode(reply.body).decode()
        self._write(op, scope, [Row(request, canonical_json(said), b"")])

    def _named(self, asked: Asked) -> tuple[str, str, bytes]:
        """Return operation, scope and compared request."""
        path, _, query = asked.target.partition("?")
        scope = unquote(path)
        verb, is_form = asked.method.lower(), asked.kind.startswith(_FORM)
        reads = asked.method in _READING or (asked.method == "POST" and (is_form or bool(_LOOKS_UP.search(scope))))
        name = f"query_{verb}" if reads else verb
        request: dict[str, Json] = {}
        if query:
            request["query"] = self._shown([list(pair) for pair in sorted(parse_qsl(query, keep_blank_values=True))])
        if is_form:
            fields = dict(parse_qsl(asked.body.decode("utf-8", "replace"), keep_blank_values=True))
            request["form"] = {name: fields[name] for name in _GRANT if name in fields}
        elif asked.body:
            found = _json(asked.body)
            request["body"] = self._shown(found) if found is not None else base64.b64encode(asked.body).decode()
        return self.operation(name), scope, canonical_json(request)

    def _shown(self, data: Json) -> Json:
        """Return a document as it may be written; schemas are programs' source, in which names of secrets are none."""
        hide = self.rules.redaction
        if isinstance(data, dict):
            return {
                name: value
                if name == "schema" and isinstance(value, str)
                else hide.document({name: value})[name]
                if hide.hides(name)
                else self._shown(value)
                for name, value in data.items()
            }
        if isinstance(data, list):
            return hide.document(data) if _is_hidden_pair(data, hide.hides) else [self._shown(one) for one in data]
        return hide.document(data)


def note_login(headers: Iterable[tuple[str, str]]) -> None:
    """Guard what a client logs in with, so that it stands nowhere in the recording."""
    for name, value in headers:
        register_http_login(name, value)


def _is_hidden_pair(data: list[Json], hides: Callable[[str], bool]) -> bool:
    return len(data) == 2 and isinstance(data[0], str) and hides(data[0])


def _json(body: bytes) -> Json | None:
    """Return a document that is the same when it is written again, or None."""
    try:
        found: Json = load_json(body, parse_constant=_no_number)
        return found if load_json(canonical_json(found)) == found else None
    except (ValueError, RecursionError):
        return None


def _no_number(word: str) -> float:
    raise ValueError(word)


def _reply(said: Json) -> Reply:
    found = record(said, status=int)
    with decoding("an answer of a registry"):
        body = base64.b64decode(str(found["bytes"])) if "bytes" in found else canonical_json(found["body"])
        return Reply(int(found["status"]), {name: str(found[name]) for name in _KEPT if name in found}, body)
