"""One AMQP channel on a cassette: which of its parts takes what, and its end."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pamqp import commands
from pamqp.commands import Basic, Confirm, Exchange, Queue, Tx

from x07py.errors import UnsupportedError
from x07py.wire.amqp import values
from x07py.wire.amqp.calls import Calls
from x07py.wire.amqp.deliveries import CLOSED, Event
from x07py.wire.amqp.publishing import Publisher
from x07py.wire.amqp.receiving import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable

    from x07py.drivers.base import Json
    from x07py.wire.amqp.frames import Frame
    from x07py.wire.amqp.link import Link
    from x07py.wire.amqp.session import AmqpSession

_CALLS = (
    *(Basic.Qos, Basic.Recover, Basic.RecoverAsync, commands.Channel.Flow),
    *(Exchange.Declare, Exchange.Delete, Exchange.Bind, Exchange.Unbind),
    *(Queue.Declare, Queue.Delete, Queue.Bind, Queue.Unbind, Queue.Purge),
    *(Tx.Select, Tx.Commit, Tx.Rollback),
)


class Channel:
    """One channel.

    Args:
        session: the cassette.
        link: the connection.
        connection: the connection's number in the cassette.
        number: the channel's number.
        ended: called with the number when the channel is no more.
    """

    def __init__(
        self, session: AmqpSession, link: Link, connection: int, number: int, ended: Callable[[int], None]
    ) -> None:
        self._session, self._link, self._number, self._ended = session, link, number, ended
        self._name = f"{connection}.{number}"
        self._calls = Calls(session, link, number, self.drop)
        self._publisher = Publisher(session, link, number, self._name)
        self._receiver = Receiver(session, link, number, self._name, self._calls)
        self._closing = Event(session, link.outgoing, CLOSED, self._name, self._close)
        if self._closing.upcoming() is not None:
            session.add(self._closing)

    def on_client(self, frame: Frame) -> None:
        """Take what the program sends.

        Raises:
            ReplayMismatchError: 2009 or 2050.
            UnsupportedError: 9641 for a method that no program sends.
        """
        method = frame.method
        match method:
            case Basic.Publish():
                self._publisher.publish(frame)
            case Basic.Ack() | Basic.Nack() | Basic.Reject():
                self._receiver.settle(method)
            case Basic.Get():
                self._receiver.get(frame)
            case Basic.Consume():
                self._receiver.consume(frame)
            case Basic.Cancel():
                self._receiver.cancel(frame)
            case commands.Channel.Open():
                self._build_up(frame, commands.Channel.OpenOk())
            case Confirm.Select():
                self._publisher.confirms = True
                self._build_up(frame, Confirm.SelectOk())
            case commands.Channel.Close():
                self.drop()
                self._build_up(frame, commands.Channel.CloseOk())
            case Basic.CancelOk() | commands.Channel.CloseOk() | commands.Channel.FlowOk():
                self._link.to_broker(*frame.raw)
            case _ if isinstance(method, _CALLS):
                self._calls.topology(frame)
            case _:
                raise UnsupportedError(
                    9641,
                    f"{method.name} of AMQP cannot be recorded or replayed",
                    hint="leave the call outside use_cassette",
                )

    def _build_up(self, frame: Frame, answer: Any) -> None:
        if self._link.live:
            self._link.to_broker(*frame.raw)
        elif not getattr(frame.method, "nowait", False):
            self._link.to_client(self._number, answer)

    def on_server(self, frame: Frame) -> None:
        """Take what the broker sends, write it, and pass it on."""
        method = frame.method
        match method:
            case Basic.Deliver():
                self._receiver.delivered(frame)
                return
            case Basic.Ack() | Basic.Nack():
                self._publisher.confirmed(method)
                return
            case Basic.GetOk():
                self._receiver.got(frame)
                return
            case Basic.Return():
                self._publisher.returned(frame)
            case Basic.GetEmpty():
                self._receiver.got_nothing()
            case Basic.Cancel():
                self._receiver.cancelled(method)
            case commands.Channel.Close():
                self._closed(method)
            case commands.Channel.OpenOk() | commands.Channel.CloseOk() | Confirm.SelectOk():
                pass
            case _:
                self._link.pass_on(*frame.raw)
                self._calls.answered(method)
                return
        self._link.pass_on(*frame.raw)

    def _closed(self, method: commands.Channel.Close) -> None:
        detail, call = values.dump_method(method), self._calls.take()
        self.drop()
        if call is None:
            write = partial(self._session.write_event, CLOSED, self._name, detail, ticks=self._session.lull())
            self._session.place().fill(write)
        else:
            self._calls.refused(call, detail)

    def _close(self, detail: Json) -> None:
        self.drop()
        self._link.to_client(self._number, values.load_method(detail))

    def hush(self) -> None:
        """Say nothing more by itself; what the program had under way when it closed the connection may still come."""
        self._receiver.drop()
        self._session.drop(self._closing)

    def drop(self) -> None:
        """Forget the channel: what was not answered will not be."""
        self._receiver.drop()
        self._session.drop(self._closing)
        self._publisher.give_up()
        self._calls.give_up()
        self._ended(self._number)
