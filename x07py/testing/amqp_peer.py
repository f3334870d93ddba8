"""One AMQP connection on a tape: between a program's aiormq and the broker, the recording, or both.

A request is looked up on the tape first; what is not there goes to the broker and its outcome is written. While
replaying there is no broker. In mode ``new_episodes`` there is one: whatever builds something up (channels, topology,
consumers) then goes to it also where the tape knows the answer, so that what is new finds what it needs. Numbers that
the two ends count for themselves (publishes and deliveries of a channel) are counted for each.
"""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from pamqp.commands import Channel, Connection
from pamqp.header import ProtocolHeader
from pamqp.heartbeat import Heartbeat

from x07py.errors import X07Error
from x07py.testing import amqp_values as values
from x07py.testing.amqp_channel import Lane
from x07py.testing.amqp_sources import CLOSED, Ending
from x07py.testing.amqp_wire import HEARTBEAT, Wire, marshal

if TYPE_CHECKING:
    import asyncio

    from x07py.drivers.base import Json
    from x07py.testing.amqp_tape import AmqpTape
    from x07py.testing.amqp_wire import Unit

_CONNECT = "connect"
_TURNS = 10
_LOST: dict[str, Json] = {"lost": True}


class Peer:
    """One connection.

    Args:
        tape: the open cassette.
    """

    def __init__(self, tape: AmqpTape) -> None:
        tape.connections += 1
        self.tape, self.number = tape, tape.connections
        self.live = False
        self.lanes: dict[int, Lane] = {}
        self.frame_max = 131072
        self.wire = Wire(self.hear, self._left)
        self._greeting: dict[str, Json] = {}
        self._known = False
        self._closing = False
        self._ready_at = 0.0
        self._ending = Ending(tape, self.wire.loop, str(self.number), self._end)
        tape.on_failure.append(self._break)

    def attach(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Put a broker behind the connection."""
        self.live = True
        self.wire.attach(reader, writer, self.say, self._lost)

    def tell(self, channel: int, *frames: Any, ticks: int = 0) -> None:
        """Send frames to the program, after `ticks` milliseconds if time is real; never before what was sent before."""
        data, loop = marshal(channel, *frames), self.wire.loop
        if not self.tape.rules.real_time or (not ticks and loop.time() >= self._ready_at):
            self.wire.tell(data)
            return
        self._ready_at = max(self._ready_at, loop.time()) + ticks / 1000
        loop.call_at(self._ready_at, self.wire.tell, data)

    def pass_on(self, raw: bytes) -> None:
        """Send to the program what the broker sent."""
        self.wire.tell(raw)

    def send(self, raw: bytes) -> None:
        """Send to the broker what the program sent, if there is a broker."""
        self.wire.send(raw)

    def send_methods(self, channel: int, *methods: Any) -> None:
        """Send methods to the broker."""
        self.wire.send(marshal(channel, *methods))

    def hear(self, unit: Unit) -> None:
        """Take what the program sends."""
        if self.tape.broken is not None:
            return
        try:
            self._hear(unit)
        except X07Error as error:
            self.tape.fail(error)

    def _hear(self, unit: Unit) -> None:
        method, lane = unit.method, self.lanes.get(unit.channel)
        if isinstance(method, Channel.Open):
            lane = self.lanes[unit.channel] = Lane(self, unit.channel)
        if lane is not None:
            lane.hear(unit)
        elif isinstance(method, Connection.Close | Connection.CloseOk):
            self._close(unit)
        elif self.live:
            self._note_start(method)
            self.send(unit.raw)
        elif not unit.channel:
            self._greet(method)

    def _note_start(self, method: Any) -> None:
        if isinstance(method, ProtocolHeader):
            self._known = self.tape.repeat(_CONNECT, "", {}) is not None

    def _greet(self, method: Any) -> None:
        """Answer the opening of a connection as the broker did; nothing that the program sends in it is compared."""
        match method:
            case ProtocolHeader():
                answer = self.tape.repeat(_CONNECT, "", {})
                if answer is None:
                    name, scope = self.tape.question(_CONNECT, "", {})
                    raise self.tape.session.ledger.missing(self.tape.bucket(self.tape.operation(name), scope))
                self._greeting = json.loads(answer.resp)
                self.tell(0, values.load_method(self._greeting["start"]))
            case Connection.StartOk():
                self.tell(0, values.load_method(self._greeting.get("tune") or self._greeting["close"]))
            case Connection.TuneOk():
                self.frame_max = method.frame_max or self.frame_max
            case Connection.Open():
                refusal = self._greeting.get("close")
                self.tell(0, values.load_method(refusal) if refusal else Connection.OpenOk())
                if self._ending.upcoming() is not None:
                    self.tape.add(self._ending)
            case Connection.UpdateSecret():
                self.tell(0, Connection.UpdateSecretOk())
            case Heartbeat():
                self.wire.tell(HEARTBEAT)

    def _close(self, unit: Unit) -> None:
        self._closing = True
        if self.live:
            self.send(unit.raw)
            return
        answer = Connection.CloseOk() if isinstance(unit.method, Connection.Close) else None
        self._say_goodbye(answer, _TURNS)

    def _say_goodbye(self, answer: Connection.CloseOk | None, turns: int) -> None:
        """End the connection after a few turns of the loop, as if a network lay between.

        aiormq drops the reason that a program closes with if the answer is there before it waits for it.
        """
        if turns:
            self.wire.loop.call_soon(self._say_goodbye, answer, turns - 1)
            return
        if answer is not None:
            self.tell(0, answer)
        self.wire.end()

    def say(self, unit: Unit) -> None:
        """Take what the broker sends."""
        if self.tape.broken is not None:
            return
        try:
            lane = self.lanes.get(unit.channel)
            if lane is not None:
                lane.say(unit)
                return
            self._note(unit.method)
            self.pass_on(unit.raw)
        except X07Error as error:
            self.tape.fail(error)

    def _note(self, method: Any) -> None:
        """Keep how the broker opened the connection; write it when that has succeeded or failed."""
        match method:
            case Connection.Start():
                self._greeting["start"] = values.dump_method(method)
            case Connection.Tune():
                self._greeting["tune"] = values.dump_method(method)
                self.frame_max = method.frame_max or self.frame_max
            case Connection.OpenOk():
                self._write_greeting()
            case Connection.Close() if self._greeting:
                self._greeting["close"] = values.dump_method(method)
                self._write_greeting()
            case Connection.Close():
                self._write_end(values.dump_method(method))

    def _write_greeting(self) -> None:
        greeting, self._greeting = self._greeting, {}
        self._closing = "close" in greeting
        if not self._known:
            name, scope = self.tape.question(_CONNECT, "", {})
            self.tape.place().fill(partial(self.tape.write_call, name, scope, {}, greeting))
            self.tape.write()

    def _write_end(self, detail: Json) -> None:
        self._closing = True
        for lane in list(self.lanes.values()):
            lane.drop()
        self.tape.place().fill(partial(self.tape.write_event, CLOSED, str(self.number), detail))
        self.tape.write()

    def _lost(self) -> None:
        """The broker is gone."""
        if not self._closing and self.tape.broken is None:
            self._write_end(_LOST)

    def _end(self, detail: Json) -> None:
        self._closing = True
        for lane in list(self.lanes.values()):
            lane.drop()
        if detail == _LOST:
            self.wire.end()
        else:
            self.tell(0, values.load_method(detail))

    def _left(self) -> None:
        """The program has closed its end."""
        for lane in list(self.lanes.values()):
            lane.drop()
        self.tape.drop(self._ending)
        if self._break in self.tape.on_failure:
            self.tape.on_failure.remove(self._break)

    def _break(self, error: X07Error) -> None:
        self.wire.loop.call_soon_threadsafe(self.wire.fail, error)
