"""One channel of a client on the simulated RabbitMQ, with the faults that may meet what it does."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from pamqp.commands import Basic, Confirm, Exchange, Queue

from x07py.drivers.amqp_native import EXCHANGE
from x07py.drivers.base import Delivery, Subscription, canonical_json
from x07py.drivers.requests import DIRECT_REPLY
from x07py.explore.amqp_queues import Refused, Unroutable
from x07py.explore.faults import AMQP_WIRE
from x07py.explore.wire.stream import Cut, not_simulated
from x07py.msg import Envelope
from x07py.wire.amqp import values

if TYPE_CHECKING:
    from x07py.explore.amqp_queues import Message, Vhost
    from x07py.explore.amqp_queues import Queue as StoredQueue
    from x07py.explore.process import Process
    from x07py.wire.amqp.frames import Frame

_NO_ROUTE, _NOT_FOUND, _PRECONDITION = 312, 404, 406
_KINDS = frozenset({"direct", "fanout", "topic", "headers"})


class _Broker(Protocol):
    """What channels share."""

    vhost: Vhost
    declared: set[str]

    def new_name(self) -> str:
        """Return a name for a queue that has none."""
        ...


class _Connection(Protocol):
    """What a channel knows of its connection."""

    own_queues: list[str]
    frame_max: int

    def send(self, channel: int, *parts: Any) -> None:
        """Send frames to the program."""
        ...

    def close_channel(self, channel: int, code: int, text: str) -> None:
        """Close a channel for something that the broker does not do."""
        ...


class Consumer:
    """A consumer, as queues see it; see `x07py.explore.amqp_queues.Reader`."""

    def __init__(self, channel: AmqpChannel, tag: str, *, no_ack: bool, prefetch: int) -> None:
        self._channel, self._prefetch = channel, prefetch
        self.tag: str = tag
        self.no_ack: bool = no_ack
        self.out: int = 0

    def room(self) -> bool:
        """Tell whether it takes another message."""
        return not self._prefetch or self.out < self._prefetch

    def arrive(self, queue: StoredQueue, message: Message) -> None:
        """Take a message, which is sent when its turn comes."""
        self.out += not self.no_ack
        self._channel.arrived.append((self, queue, message))


class AmqpChannel:
    """One channel.

    Args:
        broker: what it shares with others.
        connection: whose it is.
        process: the program.
        number: the channel's number.

    Attributes:
        arrived: what is on its way to the program.
    """

    def __init__(self, broker: _Broker, connection: _Connection, process: Process, number: int) -> None:
        self._broker, self._vhost, self._connection = broker, broker.vhost, connection
        self._process, self._number = process, number
        self.arrived: deque[tuple[Consumer, StoredQueue, Message]] = deque()
        self._consumers: dict[str, Consumer] = {}
        self._unsettled: dict[int, tuple[Consumer | None, StoredQueue, Message]] = {}
        self._tag = self._published = self._prefetch = 0
        self._confirms = False
        self._last_queue = ""

    def _answer(self, method: Any, answer: Any) -> None:
        if not getattr(method, "nowait", False):
            self._connection.send(self._number, answer)

    async def on(self, frame: Frame) -> None:
        """Take what the program sends.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` for what is not simulated.
            Cut: the connection is lost.
        """
        method = frame.method
        match method:
            case Basic.Publish():
                await self._publish(frame)
            case Basic.Ack() | Basic.Nack() | Basic.Reject():
                await self._settle(method)
            case Basic.Consume():
                self._consume(method)
            case Basic.Cancel():
                self._cancel(method)
            case Basic.Get():
                await self._get(method)
            case Basic.Qos():
                self._prefetch = method.prefetch_count
                self._answer(method, Basic.QosOk())
            case Confirm.Select():
                self._confirms = True
                self._answer(method, Confirm.SelectOk())
            case Exchange.Declare():
                self._declare_exchange(method)
            case Queue.Declare():
                self._declare_queue(method)
            case Queue.Bind() | Exchange.Bind():
                self._bind(method)
            case Basic.CancelOk():
                pass
            case _:
                self._refuse(f"the program sends {method.name} to RabbitMQ")

    def _refuse(self, what: str) -> NoReturn:
        raise not_simulated(what)

    async def _publish(self, frame: Frame) -> None:
        method = frame.method
        self._published += self._confirms
        tag, connection = self._published, self._connection
        if method.exchange and method.exchange not in self._vhost.exchanges:
            connection.close_channel(self._number, _NOT_FOUND, f"NOT_FOUND - no exchange '{method.exchange}'")
            return
        envelope = values.published(method, frame.properties, frame.body)
        fault = await self._process.point(AMQP_WIRE, "publish" if self._confirms else "send")
        if fault == "unsent":
            raise Cut
        verdict = Basic.Nack if fault == "refused" else Basic.Ack
        if fault != "refused":
            try:
                self._vhost.publish(method.exchange or "", envelope, self._process.name)
                self._process.note("published", (envelope,), "amqp")
            except Refused:
                verdict = Basic.Nack
            except Unroutable:
                if method.mandatory:
                    told = Basic.Return(_NO_ROUTE, "NO_ROUTE", method.exchange, method.routing_key)
                    content = values.frames_of(frame.properties, frame.body, connection.frame_max)
                    connection.send(self._number, told, *content)
        self._process.loop.active()
        if fault == "crash-after":
            await self._process.crash()
        if fault == "unconfirmed":
            raise Cut
        if self._confirms:
            connection.send(self._number, verdict(tag))

    def _consume(self, method: Any) -> None:
        name = method.queue or self._last_queue
        if name == DIRECT_REPLY:
            self._refuse("the program asks for direct answers")
        queue = self._vhost.queue(name)
        assert queue is not None  # noqa: S101  (a lenient broker makes it)
        tag = method.consumer_tag or f"amq.ctag-{self._number}-{len(self._consumers) + 1}"
        consumer = Consumer(self, tag, no_ack=bool(method.no_ack), prefetch=self._prefetch)
        self._consumers[tag] = consumer
        queue.readers.append(consumer)
        queue.was_read = True
        self._process.note("consumes", name)
        self._process.loop.active()
        self._answer(method, Basic.ConsumeOk(tag))

    def _cancel(self, method: Any) -> None:
        consumer = self._consumers.pop(method.consumer_tag, None)
        if consumer is not None:
            self._leave(consumer)
            self.arrived = deque(one for one in self.arrived if one[0] is not consumer)
        self._answer(method, Basic.CancelOk(method.consumer_tag))

    def _leave(self, consumer: Consumer) -> None:
        """Let a consumer read no more; what has not been sent to it goes back."""
        for queue in self._vhost.queues.values():
            if consumer in queue.readers:
                queue.readers.remove(consumer)
        for one, queue, message in self.arrived:
            if one is consumer:
                queue.out -= 1
                self._vhost.give_back(queue, message)
                message.returns -= 1

    async def deliver(self) -> None:
        """Send the first message that is on its way.

        Raises:
            Cut: the connection is lost.
        """
        if await self._process.point(AMQP_WIRE, "poll") == "disconnect":
            raise Cut
        if not self.arrived:
            return
        consumer, queue, message = self.arrived.popleft()
        tag = self._hand_over(consumer, queue, message, no_ack=consumer.no_ack)
        method = Basic.Deliver(consumer.tag, tag, message.returns > 0, message.exchange, message.key)
        self._connection.send(self._number, method, *self._content(message))

    async def _get(self, method: Any) -> None:
        queue = self._vhost.queue(method.queue or self._last_queue)
        assert queue is not None  # noqa: S101  (a lenient broker makes it)
        queue.was_read = True
        if not queue.ready:
            self._process.note("consumes", queue.name)
            self._connection.send(self._number, Basic.GetEmpty())
            return
        if await self._process.point(AMQP_WIRE, "poll") == "disconnect":
            raise Cut
        message = queue.ready.pop(0)
        queue.out += 1
        tag = self._hand_over(None, queue, message, no_ack=bool(method.no_ack))
        told = Basic.GetOk(tag, message.returns > 0, message.exchange, message.key, len(queue.ready))
        self._connection.send(self._number, told, *self._content(message))

    def _content(self, message: Message) -> list[Any]:
        headers = {name: text for name, text in message.envelope.headers.items() if name != EXCHANGE}
        envelope = Envelope(message.key, message.envelope.key, message.envelope.value, headers)
        return list(values.content_of(envelope, {}, self._connection.frame_max))

    def _hand_over(self, consumer: Consumer | None, queue: StoredQueue, message: Message, *, no_ack: bool) -> int:
        """Note that a message goes to the program, and return its tag."""
        self._tag += 1
        if no_ack:
            queue.out -= 1
        else:
            self._unsettled[self._tag] = (consumer, queue, message)
        about = message.meta(queue.name, self._number, self._tag)
        place = (queue.name, self._number, self._tag)
        batch = [Delivery.from_broker(message.envelope, canonical_json(about), place)]
        where = {(queue.name, self._number): [message.number]}
        self._process.note("delivered", where, batch, Subscription((queue.name,), "", 1), "amqp")
        self._process.loop.active()
        return self._tag

    async def _settle(self, method: Any) -> None:
        op = "ack" if isinstance(method, Basic.Ack) else "nack"
        tag, multiple = method.delivery_tag, getattr(method, "multiple", False)
        tags = [one for one in self._unsettled if one <= tag or not tag] if multiple else [tag]
        if not multiple and tag not in self._unsettled:
            text = f"PRECONDITION_FAILED - unknown delivery tag {tag}"
            self._connection.close_channel(self._number, _PRECONDITION, text)
            return
        fault = await self._process.point(AMQP_WIRE, op)
        if fault == "disconnect":
            raise Cut
        settled = []
        for one in tags:
            consumer, queue, message = self._unsettled.pop(one)
            queue.out -= 1
            if consumer is not None:
                consumer.out -= 1
            if op == "nack" and getattr(method, "requeue", False):
                self._vhost.give_back(queue, message)
            elif op == "nack":
                self._vhost.bury(queue, message, "rejected")
            settled.append(message.number)
        self._process.note("acked" if op == "ack" else "nacked", tuple(settled))
        self._process.loop.active()
        self._process.wake()
        if fault == "crash-after":
            await self._process.crash()

    def _declare_exchange(self, method: Any) -> None:
        name, known = method.exchange, self._vhost.exchanges
        if method.passive:
            if name not in known:
                self._connection.close_channel(self._number, _NOT_FOUND, f"NOT_FOUND - no exchange '{name}'")
                return
        elif method.exchange_type not in _KINDS:
            self._refuse(f"the program declares an exchange of the type {method.exchange_type}")
        else:
            known.setdefault(name, (method.exchange_type, method.durable, dict(method.arguments or {})))
        self._answer(method, Exchange.DeclareOk())

    def _declare_queue(self, method: Any) -> None:
        name = method.queue or self._broker.new_name()
        if method.passive and name not in self._vhost.queues:
            self._connection.close_channel(self._number, _NOT_FOUND, f"NOT_FOUND - no queue '{name}'")
            return
        arguments = dict(method.arguments or {})
        queue = self._vhost.declare(name, arguments, durable=bool(method.durable))
        if not method.passive and name not in self._broker.declared:
            self._broker.declared.add(name)
            queue.arguments, queue.durable = arguments, bool(method.durable)
            if method.exclusive:
                self._connection.own_queues.append(name)
        self._last_queue = name
        self._answer(method, Queue.DeclareOk(name, len(queue.ready), len(queue.readers)))

    def _bind(self, method: Any) -> None:
        arguments = dict(method.arguments or {})
        if isinstance(method, Exchange.Bind):
            self._vhost.bind(method.source, method.destination, method.routing_key, arguments, exchange=True)
            self._answer(method, Exchange.BindOk())
            return
        name = method.queue or self._last_queue
        if method.exchange not in self._vhost.exchanges:
            self._connection.close_channel(self._number, _NOT_FOUND, f"NOT_FOUND - no exchange '{method.exchange}'")
            return
        self._vhost.bind(method.exchange, name, method.routing_key, arguments, exchange=False)
        self._answer(method, Queue.BindOk())

    def gone(self) -> None:
        """Take note that the channel has ended: what is not settled goes back."""
        for consumer in self._consumers.values():
            self._leave(consumer)
        self._consumers.clear()
        self.arrived.clear()
        for _, queue, message in self._unsettled.values():
            queue.out -= 1
            self._vhost.give_back(queue, message)
        self._unsettled.clear()
