"""One connection of a client of a schema registry: reads its requests, and answers each before the next."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING

import h11

from x07py.errors import X07Error
from x07py.wire.http.errors import http_error
from x07py.wire.http.tape import Asked, RegistryTape, Reply, note_login
from x07py.wire.http.upstream import LARGEST, OF_ONE_HOP, Upstream

if TYPE_CHECKING:
    from x07py.wire.stand_in import CassetteSession, Connection

_READ = 2**16
_REFUSED, _REFUSED_CODE = 422, 42200
"""What no client of a registry tries again."""
_BODILESS = frozenset({204, 304})


class Conversation:
    """One connection.

    Args:
        connection: the client's end.
        session: the cassette.
    """

    def __init__(self, connection: Connection, session: CassetteSession) -> None:
        self._connection, self._session = connection, session
        self._tape = session.tape(RegistryTape)
        self._upstream = Upstream(session) if self._tape.live else None
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=2**17)
        self._request: h11.Request | None = None
        self._body = bytearray()
        self.ended: bool = False

    def run(self) -> None:
        """Answer until the client ends."""
        try:
            while not self.ended:
                self.feed(self._connection.recv(_READ))
        finally:
            if self._upstream is not None:
                self._upstream.close()
            self._connection.close()

    def feed(self, data: bytes) -> None:
        """Take what the client has sent; nothing is its end.

        Raises:
            OSError: client or registry is gone.
        """
        try:
            self._http.receive_data(data)
            while not self.ended and self._take(self._http.next_event()):
                pass
        except h11.RemoteProtocolError as error:
            self._end(http_error(f"a client of a registry sends what is no HTTP/1.1: {error}"))
        except X07Error as error:
            self._end(error)

    def _take(self, event: object) -> bool:
        """Take one event; return whether there may be another already."""
        if event is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._send(h11.InformationalResponse(status_code=100, headers=[]))
            return False
        if isinstance(event, h11.Request):
            self._request, self._body = event, bytearray()
        elif isinstance(event, h11.Data):
            self._body += event.data
            if len(self._body) > LARGEST:
                raise http_error(f"a client of a registry sends more than {LARGEST} bytes")
        elif isinstance(event, h11.EndOfMessage) and self._request is not None:
            self._answer(self._request)
        else:
            self.ended = True
        return True

    def _answer(self, request: h11.Request) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers]
        kind = next((value for name, value in headers if name == "content-type"), "")
        asked = Asked(request.method.decode(), request.target.decode("latin-1"), kind, bytes(self._body))
        try:
            reply = self._reply(asked, headers)
        except X07Error as error:
            self._tape.fail(error)
            self._session.fail(error)
            said = {"error_code": _REFUSED_CODE, "message": str(error)}
            reply = Reply(_REFUSED, {"content-type": "application/json"}, json.dumps(said).encode())
        self._say(asked.method, reply)

    def _reply(self, asked: Asked, headers: list[tuple[str, str]]) -> Reply:
        tape = self._tape
        tape.touch()
        if tape.broken is not None:
            raise tape.broken
        found = tape.answer(asked)
        if found is None and self._upstream is not None:
            note_login(headers)
            found = self._upstream.ask(asked, headers)
            tape.note(asked, found)
        return found or Reply(_REFUSED, {}, b"")

    def _say(self, method: str, reply: Reply) -> None:
        kept = [(name, value) for name, value in reply.headers.items() if name not in OF_ONE_HOP]
        bodiless = reply.status in _BODILESS
        if not bodiless:
            kept.append(("content-length", str(len(reply.body))))
        reason = next((one.phrase for one in HTTPStatus if one == reply.status), "")
        self._send(h11.Response(status_code=reply.status, headers=kept, reason=reason))
        if reply.body and method != "HEAD" and not bodiless:
            self._send(h11.Data(data=reply.body))
        self._send(h11.EndOfMessage())
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.ended = True

    def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            self._connection.sendall(data)

    def _end(self, error: X07Error) -> None:
        self.ended = True
        self._session.fail(error)
