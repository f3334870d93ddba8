"""One AMQP connection on a cassette: between a program and the broker, the recording, or both.

A request is looked up on the cassette first; what is not there goes to the broker and its outcome is written. While
replaying there is no broker. In mode ``new_episodes`` there is one: whatever builds something up (channels, topology,
consumers) then goes to it also where the cassette knows the answer, so that what is new finds what it needs. Numbers
that the two ends count for themselves (publishes and deliveries of a channel) are counted for each.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pamqp import commands
from pamqp.header import ProtocolHeader
from pamqp.heartbeat import Heartbeat

from x07py.errors import X07Error
from x07py.rr.known_secrets import register_known, register_login
from x07py.wire.amqp import values
from x07py.wire.amqp.channel import Channel
from x07py.wire.amqp.deliveries import BLOCKED, CLOSED, Event
from x07py.wire.amqp.frames import HEARTBEAT
from x07py.wire.amqp.link import Link
from x07py.wire.decoding import document, record

if TYPE_CHECKING:
    from x07py.drivers.base import Json
    from x07py.wire.amqp.frames import Frame
    from x07py.wire.amqp.session import AmqpSession
    from x07py.wire.stand_in import Connection as Stream

_CONNECT = "connect"
_LOST: dict[str, Json] = {"lost": True}


class Connection:
    """One connection; its methods are called while the session's lock is held.

    Args:
        session: the cassette.
        client: the program's end.
        broker: the broker's end, None in a replay.
    """

    def __init__(self, session: AmqpSession, client: Stream, broker: Stream | None) -> None:
        session.connections += 1
        session.touch()
        self._session, self._number = session, session.connections
        self.link: Link = Link(session, client, broker)
        session.clients.add(self.link.outgoing)
        self._channels: dict[int, Channel] = {}
        self._greeting: dict[str, Json] = {}
        self._known = self._is_closing = False
        name = str(self._number)
        self._events = [
            Event(session, self.link.outgoing, CLOSED, name, self._close),
            Event(session, self.link.outgoing, BLOCKED, name, self._block),
        ]

    def on_client(self, frame: Frame) -> None:
        """Take what the program sends; a cassette that does not have it is failed."""
        if self._session.broken is not None:
            return
        try:
            self._on_client(frame)
        except X07Error as error:
            self._session.fail(error)

    def _on_client(self, frame: Frame) -> None:
        method, channel = frame.method, self._channels.get(frame.channel)
        if isinstance(method, commands.Channel.Open):
            channel = Channel(self._session, self.link, self._number, frame.channel, self._forget)
            self._channels[frame.channel] = channel
        if channel is not None:
            channel.on_client(frame)
        elif isinstance(method, commands.Connection.Close | commands.Connection.CloseOk):
            self._take_leave(frame)
        elif self.link.live:
            if isinstance(method, commands.Connection.StartOk):
                register_login(method.mechanism, method.response)
            elif isinstance(method, commands.Connection.UpdateSecret):
                register_known("login", method.new_secret)
            if isinstance(method, ProtocolHeader):
                self._known = self._session.repeat(_CONNECT, "", {}) is not None
            self.link.to_broker(*frame.raw)
        elif not frame.channel:
            self._greet(method)

    def _forget(self, number: int) -> None:
        self._channels.pop(number, None)

    def _greet(self, method: Any) -> None:
        """Answer the opening of a connection as the broker did; nothing that the program sends in it is compared."""
        match method:
            case ProtocolHeader():
                self._greeting = self._recorded_greeting()
                self._tell(values.load_method(self._greeting["start"]))
            case commands.Connection.StartOk():
                self._tell(values.load_method(self._greeting.get("tune") or self._greeting.get("close")))
            case commands.Connection.TuneOk():
                self.link.frame_max = method.frame_max or self.link.frame_max
            case commands.Connection.Open():
                refusal = self._greeting.get("close")
                self._tell(values.load_method(refusal) if refusal else commands.Connection.OpenOk())
                for event in self._events:
                    if event.upcoming() is not None:
                        self._session.add(event)
            case commands.Connection.UpdateSecret():
                self._tell(commands.Connection.UpdateSecretOk())
            case Heartbeat():
                self.link.pass_on(HEARTBEAT)

    def _recorded_greeting(self) -> dict[str, Json]:
        session = self._session
        answer = session.repeat(_CONNECT, "", {})
        if answer is None:
            name, scope = session.question(_CONNECT, "", {})
            raise session.session.ledger.missing(session.bucket(session.operation(name), scope))
        return record(document(answer.resp), start=dict)

    def _tell(self, method: Any) -> None:
        self.link.to_client(0, method)

    def _take_leave(self, frame: Frame) -> None:
        self._is_closing = True
        if self.link.live:
            self.link.to_broker(*frame.raw)
            return
        self._drop_events()
        for channel in self._channels.values():
            channel.hush()
        asked = isinstance(frame.method, commands.Connection.Close)
        self.link.say_goodbye(*([commands.Connection.CloseOk()] if asked else []))

    def on_server(self, frame: Frame) -> None:
        """Take what the broker sends; a cassette that cannot hold it is failed."""
        if self._session.broken is not None:
            return
        try:
            channel = self._channels.get(frame.channel)
            if channel is not None:
                channel.on_server(frame)
                return
            self._note(frame.method)
            self.link.pass_on(*frame.raw)
        except X07Error as error:
            self._session.fail(error)

    def _note(self, method: Any) -> None:
        """Keep how the broker opened the connection; write it when that has succeeded or failed."""
        match method:
            case commands.Connection.Start():
                self._greeting["start"] = values.dump_method(method)
            case commands.Connection.Tune():
                self._greeting["tune"] = values.dump_method(method)
                self.link.frame_max = method.frame_max or self.link.frame_max
            case commands.Connection.OpenOk():
                self._write_greeting()
            case commands.Connection.Close() if self._greeting:
                self._greeting["close"] = values.dump_method(method)
                self._write_greeting()
            case commands.Connection.Close():
                self._write_end(values.dump_method(method))
            case commands.Connection.Blocked() | commands.Connection.Unblocked():
                self._write_event(BLOCKED, values.dump_method(method))

    def _write_greeting(self) -> None:
        greeting, self._greeting = self._greeting, {}
        self._is_closing = "close" in greeting
        if not self._known:
            name, scope = self._session.question(_CONNECT, "", {})
            self._session.place().fill(partial(self._session.write_call, name, scope, {}, greeting))

    def _write_end(self, detail: Json) -> None:
        self._is_closing = True
        self._drop_channels()
        self._write_event(CLOSED, detail)

    def _write_event(self, name: str, detail: Json) -> None:
        ticks = self._session.lull()
        self._session.place().fill(partial(self._session.write_event, name, str(self._number), detail, ticks=ticks))

    def _drop_channels(self) -> None:
        for channel in list(self._channels.values()):
            channel.drop()

    def on_lost(self) -> None:
        """The broker is gone."""
        if not self._is_closing and self._session.broken is None:
            self._write_end(_LOST)
        self.link.end()

    def _close(self, detail: Json) -> None:
        self._is_closing = True
        self._drop_channels()
        if detail == _LOST:
            self.link.end()
        else:
            self._tell(values.load_method(detail))

    def _block(self, detail: Json) -> None:
        self._tell(values.load_method(detail))

    def on_left(self) -> None:
        """The program has closed its end."""
        self._is_closing = True
        self._session.clients.discard(self.link.outgoing)
        self._drop_channels()
        self._drop_events()

    def _drop_events(self) -> None:
        for event in self._events:
            self._session.drop(event)
