"""The registry behind a recording: one connection to it, that asks as the client asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from x07py.wire.http.errors import http_error
from x07py.wire.http.tape import Reply

if TYPE_CHECKING:
    from x07py.wire.http.tape import Asked
    from x07py.wire.stand_in import CassetteSession, Connection

LARGEST = 64 * 2**20
"""The most bytes that a document may have."""
_READ = 2**16
OF_ONE_HOP = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding"}
    | {"proxy-connection", "upgrade"}
)
"""Headers that are of one connection, and the encodings of which none is asked for, so that answers can be read."""


class Upstream:
    """The registry, for one connection of a client.

    Args:
        session: makes connections.
    """

    def __init__(self, session: CassetteSession) -> None:
        self._session = session
        self._connection: Connection | None = None
        self._http = h11.Connection(h11.CLIENT)

    def ask(self, asked: Asked, headers: list[tuple[str, str]]) -> Reply:
        """Return what the registry answers.

        Args:
            asked: the request.
            headers: the client's.

        Raises:
            OSError: it cannot be reached, or went away.
            ProtocolError: 9653 if it speaks no HTTP/1.1.
        """
        was_open = self._connection is not None
        try:
            return self._ask_once(asked, headers)
        except OSError:
            self.close()
            if not was_open:
                raise
            return self._ask_once(asked, headers)  # a registry ends connections that have been idle

    def _ask_once(self, asked: Asked, headers: list[tuple[str, str]]) -> Reply:
        if self._connection is None:
            self._connection, self._http = self._session.open_upstream(), h11.Connection(h11.CLIENT)
        kept = [(name, value) for name, value in headers if name.lower() not in OF_ONE_HOP]
        if asked.body:
            kept.append(("content-length", str(len(asked.body))))
        request = h11.Request(method=asked.method, target=asked.target, headers=kept)
        try:
            data = (self._http.send(request) or b"") + (
                self._http.send(h11.Data(data=asked.body)) or b"" if asked.body else b""
            )
            self._connection.sendall(data + (self._http.send(h11.EndOfMessage()) or b""))
            return self._reply(self._connection)
        except h11.RemoteProtocolError as error:
            raise http_error(f"the registry answers with what is no HTTP/1.1: {error}") from None

    def _reply(self, connection: Connection) -> Reply:
        found: h11.Response | None = None
        body = bytearray()
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                data = connection.recv(_READ)
                if not data and found is None:
                    raise ConnectionResetError("the registry closed the connection")
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                found = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LARGEST:
                    raise http_error(f"the registry answers with more than {LARGEST} bytes")
            elif isinstance(event, h11.EndOfMessage) and found is not None:
                break
            elif isinstance(event, h11.ConnectionClosed):
                raise ConnectionResetError("the registry closed the connection")
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        else:
            self.close()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in found.headers}
        return Reply(found.status_code, headers, bytes(body))

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
