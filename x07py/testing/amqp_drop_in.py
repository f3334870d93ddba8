"""aiormq on a tape, and with it aio-pika and whatever stands on it.

The connection keeps its class and gets another way to its broker; the channel is touched for one thing only: aiormq
makes up a random id for each message without one, which no two runs would agree on, so a recognisable one is made up
instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiormq
from aiormq.connection import TransportFactory
from pamqp.commands import Basic

from x07py.testing.amqp_peer import Peer
from x07py.testing.amqp_tape import amqp_tape
from x07py.testing.amqp_values import made_up_id

if TYPE_CHECKING:
    import asyncio

    from yarl import URL

    from x07py.testing.amqp_tape import AmqpTape


class TapeTransport(TransportFactory):
    """Connects to a tape, and through it to a broker if the tape records.

    Args:
        own: the factory that the connection would have used.
        tape: the open cassette.
    """

    def __init__(self, own: TransportFactory, tape: AmqpTape) -> None:
        self._own, self._tape = own, tape

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return what aiormq takes for a socket.

        Raises:
            X07Error: what the cassette has failed with before; whoever connects again gets it again.
        """
        if self._tape.broken is not None:
            raise self._tape.broken
        broker = await self._own.create(url, **options) if self._tape.live else None
        peer = Peer(self._tape)
        if broker is not None:
            peer.attach(*broker)
        return peer.wire.reader, peer.wire  # type: ignore[return-value]


def _init(self: Any, *args: Any, **options: Any) -> None:
    _OWN_INIT(self, *args, **options)
    tape = amqp_tape()
    if tape is not None:
        self._transport_factory = TapeTransport(self._transport_factory, tape)


async def _basic_publish(self: Any, body: bytes, *, properties: Basic.Properties | None = None, **options: Any) -> Any:
    if isinstance(self.connection._transport_factory, TapeTransport):
        properties = properties or Basic.Properties(delivery_mode=1)
        properties.message_id = properties.message_id or made_up_id()
    return await _OWN_PUBLISH(self, body, properties=properties, **options)


_OWN_INIT, _OWN_PUBLISH = aiormq.Connection.__init__, aiormq.Channel.basic_publish
CONNECTION_METHODS: dict[str, Any] = {"__init__": _init}
"""What stands in place of the methods of `aiormq.Connection` while a cassette is in use."""
CHANNEL_METHODS: dict[str, Any] = {"basic_publish": _basic_publish}
"""What stands in place of the methods of `aiormq.Channel` while a cassette is in use."""
