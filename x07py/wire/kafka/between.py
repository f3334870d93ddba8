"""Standing between a client and its broker: frames go through as they are, apart from what would lead past us.

Answers that name brokers are rewritten where clients reach them by another address; versions are cut down to those that
can be recorded; fetch sessions are kept closed, so that each fetch says what it asks for. Requests of authentication
pass and are never looked into.
"""

from __future__ import annotations

import dataclasses
import socket
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from x07py.rr.known_secrets import register_login
from x07py.wire.kafka import apis
from x07py.wire.kafka.errors import wire_error
from x07py.wire.kafka.frames import (
    Reader,
    Request,
    answer,
    framed,
    oldest,
    parse_request,
    response_body,
    unsupported_api_versions,
)
from x07py.wire.kafka.messages import encode
from x07py.wire.kafka.peers import Ask
from x07py.wire.stand_in import Address

if TYPE_CHECKING:
    from x07py.wire.kafka.peers import Peer
    from x07py.wire.kafka.recorder import Recorder
    from x07py.wire.stand_in import CassetteSession, Connection

_LENGTH = struct.Struct(">i")
_SESSION = struct.Struct(">ii")
_SESSION_AT, _SESSIONS_SINCE = 17, 7
_ANSWERED_SESSION_AT = 10
_NO_SESSION = _SESSION.pack(0, -1)
_SILENT = frozenset({apis.SASL_HANDSHAKE, apis.SASL_AUTHENTICATE})
_NAMES_BROKERS = frozenset({apis.METADATA, apis.FIND_COORDINATOR, apis.DESCRIBE_CLUSTER, apis.PRODUCE})
"""Requests whose answers tell where brokers are; that of a publish tells it if another broker leads now."""
_WAITING = frozenset({apis.FETCH, apis.JOIN_GROUP, apis.SYNC_GROUP})
"""Requests that brokers hold back until something happens, and that change nothing for a client that has left."""
_LAST_ANSWERS_S, _LOOK_S = 2.0, 0.002


class Between:
    """One connection while recording.

    Args:
        client: the client's end.
        peer: who that is.
        session: the cassette.
        recorder: writes what passes.
    """

    def __init__(self, client: Connection, peer: Peer, session: CassetteSession, recorder: Recorder) -> None:
        self._client, self._peer, self._session, self._recorder = client, peer, session, recorder
        self._upstream = session.open_upstream()
        self._waiting: deque[Ask] = deque()
        self._sending = threading.Lock()

    def run(self) -> None:
        """Carry frames both ways until one end ends.

        Raises:
            DriverError: 9650 if what passes cannot be recorded.
        """
        problem: list[BaseException] = []

        def back() -> None:
            try:
                self._answers()
            except BaseException as error:  # noqa: BLE001  (it is raised where the connection is served)
                problem.append(error)
            finally:
                _end(self._client)

        answers = threading.Thread(target=back, daemon=True, name="x07-kafka-answers")
        answers.start()
        try:
            self._requests()
            self._await(answers)
        finally:
            _end(self._upstream)
            answers.join()
            self._upstream.close()
            self._recorder.gone(self._peer)
            for ask in self._waiting:
                self._recorder.lost(ask)
        if problem:
            raise problem[0]

    def _await(self, answers: threading.Thread) -> None:
        """Give the broker time to answer what a client that has left did not wait for."""
        for ask in list(self._waiting):
            self._recorder.lost(ask)
        ends = time.monotonic() + _LAST_ANSWERS_S
        while answers.is_alive() and time.monotonic() < ends:
            if not any(ask.request.key not in _WAITING for ask in list(self._waiting)):
                return
            time.sleep(_LOOK_S)

    def _requests(self) -> None:
        reader = Reader(self._client)
        while (frame := self._peer.frame(reader)) is not None:
            request = parse_request(frame)
            self._peer.client_id = request.client_id
            if self._peer.first_number is None:
                self._peer.first_number = request.correlation
            if request.is_newer:
                self._send(unsupported_api_versions(request))
                continue
            ask = Ask(self._peer, request, None if request.key in _SILENT else request.body())
            if request.key == apis.SASL_AUTHENTICATE:
                _note_login(request.body().auth_bytes)
            if request.key != apis.PRODUCE or ask.body.acks:
                self._waiting.append(ask)
            self._recorder.expects(ask)
            if request.key == apis.FETCH and request.version >= _SESSIONS_SINCE:
                at = request.body_at + _SESSION_AT
                frame = frame[:at] + _NO_SESSION + frame[at + _SESSION.size :]
            elif request.key == apis.API_VERSIONS:
                frame = oldest(request)
            try:
                self._upstream.sendall(_LENGTH.pack(len(frame)) + frame)
            except OSError:
                if request.key == apis.PRODUCE and not ask.body.acks:
                    self._recorder.sends(ask)  # its client asks for no answer and goes on
                raise
            try:
                self._recorder.sends(ask)  # while the broker works on it
            finally:
                ask.taken.set()

    def _send(self, data: bytes) -> None:
        with self._sending:
            self._peer.send(data)

    def _answers(self) -> None:
        reader = Reader(self._upstream)
        while (frame := reader.frame()) is not None:
            if not self._waiting:
                raise wire_error("the broker answered a request that was not sent")
            ask = self._waiting[0]
            shown = self._seen(ask, frame)
            self._waiting.popleft()
            with suppress(OSError):
                self._send(shown if shown is not None else _LENGTH.pack(len(frame)) + frame)

    def _seen(self, ask: Ask, frame: bytes) -> bytes | None:
        """Record an answer; return what the client gets in its place, or None if that is the frame itself."""
        request = ask.request
        if request.key in _SILENT:
            return None
        if request.key == apis.API_VERSIONS:
            return self._versions(request, response_body(request._replace(version=0), frame))
        body = response_body(request, frame)
        if request.key == apis.FETCH:
            return self._fetched(ask, body, frame)
        ask.taken.wait()
        self._recorder.answered(ask, body)
        if request.key in _NAMES_BROKERS:
            led = self._lead_here(body)
            if led is not None:
                return framed(request, encode(led), flexible=type(led).__flexible__)
        return None

    def _versions(self, request: Request, body: Any) -> bytes:
        """Return what both the broker and the recording know."""
        theirs = {one.api_key: (one.min_version, one.max_version) for one in body.api_keys}
        keys = [
            {"api_key": key, "min_version": max(low, theirs[key][0]), "max_version": min(high, theirs[key][1])}
            for key, low, high in apis.advertised()
            if key in theirs and max(low, theirs[key][0]) <= min(high, theirs[key][1])
        ]
        return answer(request, {"error_code": int(body.error_code.value), "api_keys": keys})

    def _fetched(self, ask: Ask, body: Any, frame: bytes) -> bytes | None:
        self._recorder.fetched(ask, body)
        if ask.request.version >= _SESSIONS_SINCE:
            at = _ANSWERED_SESSION_AT
            frame = frame[:at] + _LENGTH.pack(0) + frame[at + _LENGTH.size :]
        return _LENGTH.pack(len(frame)) + frame

    def _lead_here(self, body: Any) -> Any:
        """Return an answer with the addresses by which the client reaches the brokers through us; None if it is so."""
        changes: dict[str, Any] = {}
        for name in ("brokers", "coordinators", "node_endpoints"):
            rows = getattr(body, name, ())
            moved = tuple(self._moved(row) for row in rows)
            if moved != tuple(rows):
                changes[name] = moved
        if getattr(body, "host", ""):
            moved_body = self._moved(body)
            changes |= {"host": moved_body.host, "port": moved_body.port}
            if (body.host, body.port) == (moved_body.host, moved_body.port):
                del changes["host"], changes["port"]
        return dataclasses.replace(body, **changes) if changes else None

    def _moved(self, row: Any) -> Any:
        if not row.host:
            return row
        reached = self._session.reach(Address(row.host, row.port))
        return dataclasses.replace(row, host=reached.host, port=reached.port)


def _note_login(answer: bytes) -> None:
    register_login("OAUTHBEARER" if b"auth=Bearer " in answer else "PLAIN", answer)


def _end(connection: Connection) -> None:
    """Let whoever reads from a connection see its end."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
