"""The simulated RabbitMQ behind its protocol: connections, and what their channels share."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING, Any

from pamqp import commands
from pamqp.header import ProtocolHeader
from pamqp.heartbeat import Heartbeat

from x07py.explore.wire.amqp_channel import AmqpChannel
from x07py.explore.wire.stream import not_simulated
from x07py.msg import Envelope
from x07py.wire.amqp.frames import HEARTBEAT, Decoder, marshal
from x07py.wire.amqp.values import ID, is_random

if TYPE_CHECKING:
    from x07py.explore.amqp_queues import Vhost
    from x07py.explore.process import Process
    from x07py.explore.wire.stream import Stream
    from x07py.wire.amqp.frames import Frame

_FRAME_MAX, _CHANNEL_MAX = 2**17, 2**11 - 1
_CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
)
_OWN_EXCHANGES = ("direct", "fanout", "topic", "headers")


class AmqpBroker:
    """What the connections of one history share.

    Args:
        vhost: what is stored.

    Attributes:
        declared: queues whose arguments somebody has said; others were only named.
    """

    def __init__(self, vhost: Vhost) -> None:
        self.vhost: Vhost = vhost
        self.declared: set[str] = set()
        self._numbers = count(1)
        for kind in _OWN_EXCHANGES:
            vhost.exchanges.setdefault(f"amq.{kind}", (kind, True, {}))

    def new_name(self) -> str:
        """Return a name for a queue that has none."""
        return f"amq.gen-{next(self._numbers)}"


class AmqpConnection:
    """One connection of a client.

    Args:
        broker: what it shares with others.
        process: whose it is.
    """

    def __init__(self, broker: AmqpBroker, process: Process) -> None:
        self._broker, self._process = broker, process
        self._channels: dict[int, AmqpChannel] = {}
        self.frame_max: int = _FRAME_MAX
        self._changed = asyncio.Event()
        self.own_queues: list[str] = []
        """Those that end with the connection."""
        process.wakers.append(self._changed.set)

    async def run(self, stream: Stream) -> None:
        """Take frames in their order, and deliver beside them, until the client ends.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` for what is not simulated.
            Cut: the connection is lost here.
        """
        self._stream = stream
        delivering = asyncio.ensure_future(self._deliver())
        taking = asyncio.ensure_future(self._take())
        try:
            done, _ = await asyncio.wait({delivering, taking}, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            delivering.cancel()
            taking.cancel()

    async def _take(self) -> None:
        decoder, stream = Decoder(), self._stream
        while stream.buffer or await stream.more():
            for frame in decoder.feed(stream.take(len(stream.buffer))):
                if not await self._on(frame):
                    return

    async def _deliver(self) -> None:
        """Send what is ready, a message at a time, whenever something has changed."""
        while True:
            self._changed.clear()
            self._broker.vhost.dispatch()
            for channel in list(self._channels.values()):
                while channel.arrived:
                    await channel.deliver()
            await self._changed.wait()

    async def _on(self, frame: Frame) -> bool:
        """Take a frame; False if it ends the connection."""
        channel = self._channels.get(frame.channel)
        if isinstance(frame.method, commands.Channel.Open):
            self._channels[frame.channel] = AmqpChannel(self._broker, self, self._process, frame.channel)
            self.send(frame.channel, commands.Channel.OpenOk())
        elif isinstance(frame.method, commands.Channel.Close | commands.Channel.CloseOk):
            self.drop(frame.channel)
            if isinstance(frame.method, commands.Channel.Close):
                self.send(frame.channel, commands.Channel.CloseOk())
        elif channel is not None:
            await channel.on(frame)
        elif not frame.channel:
            return self._greet(frame.method)
        self._changed.set()
        return True

    def _greet(self, method: Any) -> bool:
        match method:
            case ProtocolHeader():
                self.send(0, commands.Connection.Start(0, 9, _properties(), "PLAIN AMQPLAIN EXTERNAL", "en_US"))
            case commands.Connection.StartOk():
                self.send(0, commands.Connection.Tune(_CHANNEL_MAX, _FRAME_MAX, 0))
            case commands.Connection.TuneOk():
                self.frame_max = method.frame_max or _FRAME_MAX
            case commands.Connection.Open():
                self.send(0, commands.Connection.OpenOk())
            case commands.Connection.UpdateSecret():
                self.send(0, commands.Connection.UpdateSecretOk())
            case commands.Connection.Close():
                self.gone()
                self.send(0, commands.Connection.CloseOk())
                return False
            case Heartbeat():
                self._stream.send(HEARTBEAT)
            case _:
                raise not_simulated(f"the program sends {method.name} to RabbitMQ")
        return True

    def send(self, channel: int, *parts: Any) -> None:
        """Send frames to the program."""
        self._stream.send(*marshal(channel, *parts))

    def close_channel(self, channel: int, code: int, text: str) -> None:
        """Close a channel for something that the broker does not do."""
        self.drop(channel)
        self.send(channel, commands.Channel.Close(code, text, 0, 0))

    def drop(self, number: int) -> None:
        """Forget a channel: what was not acknowledged on it goes back."""
        channel = self._channels.pop(number, None)
        if channel is not None:
            channel.gone()

    def gone(self) -> None:
        """Take note that the connection has ended."""
        for number in list(self._channels):
            self.drop(number)
        for name in self.own_queues:
            self._broker.vhost.queues.pop(name, None)
        self.own_queues.clear()
        if self._changed.set in self._process.wakers:
            self._process.wakers.remove(self._changed.set)
        self._process.wake()


def without_made_up_id(envelope: Envelope) -> Envelope:
    """Return a message without the id that its client made up for it, another one in each run."""
    if not is_random(envelope.headers.get(ID, "")):
        return envelope
    headers = {name: text for name, text in envelope.headers.items() if name != ID}
    return Envelope(envelope.topic, envelope.key, envelope.value, headers)


def _properties() -> dict[str, Any]:
    return {
        "capabilities": dict.fromkeys(_CAPABILITIES, True),
        "cluster_name": "x07",
        "product": "RabbitMQ",
        "version": "3.13.0",
    }
