"""Serving one AMQP connection from the cassette, or between the program and a broker."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from x07py.errors import X07Error
from x07py.wire.amqp.connection import Connection
from x07py.wire.amqp.frames import Decoder
from x07py.wire.amqp.session import AmqpSession
from x07py.wire.waiting import is_ours

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.wire.amqp.frames import Frame
    from x07py.wire.stand_in import CassetteSession
    from x07py.wire.stand_in import Connection as Stream

_READ = 1 << 18
_PAUSE_S = 0.001


def answer(connection: Stream, session: CassetteSession) -> Callable[[bytes], None]:
    """Serve a connection of a replay without a thread; see `x07py.wire.stand_in.StandIn.answer`."""
    amqp = session.tape(AmqpSession)
    served, decoder = Connection(amqp, connection, None), Decoder()
    amqp.on_failure.append(_Break(connection))
    return partial(_take, amqp, decoder, served.on_client)


def serve(connection: Stream, session: CassetteSession) -> None:
    """Serve one connection until the program ends it; see `x07py.wire.stand_in.StandIn.serve`."""
    amqp = session.tape(AmqpSession)
    broker = None
    if amqp.live:
        try:
            broker = session.open_upstream()
        except OSError:
            connection.close()
            return
    with amqp.lock:
        served = Connection(amqp, connection, broker)
    on_failure = _Break(connection, broker)
    amqp.on_failure.append(on_failure)
    if broker is not None:
        threading.Thread(target=_listen, args=(amqp, served, broker), daemon=True, name="x07-amqp-broker").start()
    try:
        _pump(amqp, connection, served.on_client, lambda: served.link.is_full_upstream, served.link.to_broker)
    finally:
        with amqp.lock:
            served.on_left()
        amqp.flush()
        if on_failure in amqp.on_failure:
            amqp.on_failure.remove(on_failure)
        for end in (broker, connection):
            if end is not None:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()


class _Break:
    """Ends a connection when the cassette fails, so that nobody waits for what will not come."""

    def __init__(self, *ends: Stream | None) -> None:
        self._ends = [end for end in ends if end is not None]

    def __call__(self, _: X07Error) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def _listen(amqp: AmqpSession, served: Connection, broker: Stream) -> None:
    is_ours()
    _pump(amqp, broker, served.on_server, lambda: served.link.is_full, served.link.pass_on)
    with amqp.lock:
        amqp.comes(time.monotonic())
        served.on_lost()
    amqp.flush()


def _take(amqp: AmqpSession, decoder: Decoder, take: Callable[[Frame], None], data: bytes) -> None:
    came = time.monotonic()
    with amqp.lock:
        amqp.comes(came)
        try:
            for frame in decoder.feed(data):
                take(frame)
        except X07Error as error:
            amqp.fail(error)
        amqp.was_looked_at()
    amqp.flush()


def _pump(
    amqp: AmqpSession,
    source: Stream,
    take: Callable[[Frame], None],
    is_full: Callable[[], bool],
    ahead: Callable[..., None],
) -> None:
    """Hand on what comes from one end until it closes.

    While recording, a message goes on as it comes: nothing that a cassette holds could be given in place of it.
    """
    decoder = Decoder(None if amqp.replays else ahead)
    while True:
        try:
            data = source.recv(_READ)
        except OSError:
            return
        if not data:
            return
        _take(amqp, decoder, take, data)
        while is_full() and amqp.broken is None:
            time.sleep(_PAUSE_S)
