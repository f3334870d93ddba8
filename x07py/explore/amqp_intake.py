"""One consumer of a simulated RabbitMQ: what has arrived on its channel, and what of it is not settled."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from x07py.drivers.base import Delivery, canonical_json
from x07py.errors import UnreachableError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from x07py.drivers.base import Subscription
    from x07py.explore.amqp_queues import Message, Queue, Vhost
    from x07py.explore.process import Process

_OF_DRIVER = ("x07-exchange",)


class SimulatedIntake:
    """A channel with a consumer.

    Args:
        process: whose it is.
        vhost: the broker.
        subscription: what is consumed.
        number: of the channel.
        prefetch: most messages that are delivered and not settled.
    """

    def __init__(self, process: Process, vhost: Vhost, subscription: Subscription, number: int, prefetch: int) -> None:
        self.process: Process = process
        self.vhost: Vhost = vhost
        self.subscription: Subscription = subscription
        self.number: int = number
        self._prefetch = prefetch
        self.arrived: deque[tuple[Queue, Message]] = deque()
        self.unsettled: dict[int, tuple[Queue, Message]] = {}
        self.closed: bool = False
        self.left: bool = False
        self._tag = 0
        self._event = asyncio.Event()
        process.wakers.append(self._event.set)
        process.closers.append(self.close)
        for name in subscription.sources:
            queue = vhost.queue(name)
            assert queue is not None  # noqa: S101  (the backend has looked)
            queue.readers.append(self)
            queue.was_read = True

    def room(self) -> bool:
        """Tell whether another message may arrive."""
        return not self.left and (not self._prefetch or len(self.arrived) + len(self.unsettled) < self._prefetch)

    def arrive(self, queue: Queue, message: Message) -> None:
        """Take a message."""
        self.arrived.append((queue, message))
        self._event.set()

    async def fetch(self) -> list[Delivery] | None:
        """Return the next batch; None when the channel is closed or the history at its end."""
        waited = False
        while True:
            await self.process.turn()
            self.vhost.dispatch()
            if self.closed or self.left:
                return None
            if self.arrived:
                self._shaken(await self.process.point("amqp", "poll"))
                return self._take() or None
            if self.process.ending:
                return None
            if not waited:
                waited = True
                self._shaken(await self.process.point("amqp", "wait"))
                continue
            self._event.clear()
            self.vhost.dispatch()
            if not (self.arrived or self.closed or self.process.ending):
                await self._event.wait()

    def _shaken(self, fault: str) -> None:
        if fault == "unreachable":
            raise UnreachableError(9851, "the broker does not answer within 60 s", hint="is it up?")
        if fault == "disconnect":
            self.close()

    def _take(self) -> list[Delivery]:
        most = self.subscription.max_items
        most = min(most, (most, 1, 2, 5)[self.process.order("batch", 4)])
        batch: list[Delivery] = []
        taken: dict[str, list[int]] = {}
        while self.arrived and len(batch) < most:
            queue, message = self.arrived.popleft()
            self._tag += 1
            self.unsettled[self._tag] = (queue, message)
            meta = message.meta(queue.name, self.number, self._tag)
            sent = message.envelope
            headers = {name: text for name, text in sent.headers.items() if name not in _OF_DRIVER}
            envelope = Envelope(message.key, sent.key, sent.value, headers)
            batch.append(Delivery.from_broker(envelope, canonical_json(meta), (queue.name, self.number, self._tag)))
            taken.setdefault(queue.name, []).append(message.number)
        self.process.loop.active()
        where = {(name, self.number): numbers for name, numbers in taken.items()}
        self.process.note("delivered", where, batch, self.subscription, "amqp")
        return batch

    def settle(self, tag: int, *, ack: bool, requeue: bool) -> Message | None:
        """Settle a tag; one that is not known here is none of a message any more."""
        found = self.unsettled.pop(tag, None)
        if found is None:
            return None
        queue, message = found
        queue.out -= 1
        if not ack and requeue:
            self.vhost.give_back(queue, message)
        elif not ack:
            self.vhost.bury(queue, message, "rejected")
        return message

    def leave(self) -> None:
        """Consume no more; what the program has is still its to settle."""
        if self.left or self.closed:
            return
        self.left = True
        self._forget_readers()
        for queue, message in self.arrived:
            queue.out -= 1
            self.vhost.give_back(queue, message)
        self.arrived.clear()
        self._event.set()

    def _forget_readers(self) -> None:
        for queue in self.vhost.queues.values():
            if self in queue.readers:
                queue.readers.remove(self)

    def close(self) -> None:
        """Lose the channel: whatever is not settled goes back."""
        if self.closed:
            return
        self.closed = True
        self._forget_readers()
        back = [*self.unsettled.values(), *self.arrived]
        self.unsettled.clear()
        self.arrived.clear()
        for queue, message in back:
            queue.out -= 1
            self.vhost.give_back(queue, message)
        self._event.set()
