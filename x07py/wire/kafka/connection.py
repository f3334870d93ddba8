"""One connection of a client to the stand-in, until it ends."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from x07py.errors import ProtocolError, X07Error
from x07py.wire.kafka.between import Between
from x07py.wire.kafka.frames import Reader, Request, answer, parse_request, unsupported_api_versions
from x07py.wire.kafka.peers import Peer
from x07py.wire.kafka.refusals import refusal
from x07py.wire.kafka.tape import WireTape

if TYPE_CHECKING:
    from x07py.wire.kafka.replay import Replay
    from x07py.wire.stand_in import Address, CassetteSession, Connection


def serve(connection: Connection, address: Address, session: CassetteSession) -> None:
    """Record between the client and its broker, or replay."""
    peer = Peer(address, connection)
    try:
        tape = session.tape(WireTape)
        if tape.live and tape.broken is None:
            Between(connection, peer, session, tape.recorder).run()
        else:
            peer.address = session.reach(address) if tape.live else address
            _replay(connection, peer, session, tape.replay)
    except OSError:
        pass  # the client or its broker is gone, which ends the connection and nothing else
    except X07Error as error:
        session.fail(error)
    finally:
        peer.is_gone = True
        with suppress(OSError):
            connection.close()


def _replay(connection: Connection, peer: Peer, session: CassetteSession, replay: Replay) -> None:
    reader = Reader(connection)
    try:
        while (frame := peer.frame(reader)) is not None:
            request = parse_request(frame)
            if request.is_newer:
                peer.send(unsupported_api_versions(request))
            elif not _answer(peer, session, replay, request):
                return
    finally:
        replay.gone(peer)


def _answer(peer: Peer, session: CassetteSession, replay: Replay, request: Request) -> bool:
    """Answer one request; return whether the connection goes on."""
    try:
        found = replay.answer(peer, request)
    except ProtocolError:
        raise
    except X07Error as error:
        if replay.tape.broken is None:
            replay.tape.fail(error)
            session.fail(error)
        body = request.body()
        found = refusal(request, body, error, replay.broker(peer))
        if found is None:
            return getattr(body, "acks", None) == 0
    if found is not None:
        peer.is_cut = peer.is_cut or peer.has_left
        peer.send(answer(request, found))
    return True
