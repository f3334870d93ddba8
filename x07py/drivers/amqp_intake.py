"""One consumer of an AMQP queue: what has arrived on its channel, and what of it is not settled."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

from aiormq import exceptions as amqp

from x07py.drivers.amqp_link import reason_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiormq.abc import DeliveredMessage
    from aiormq.channel import Channel
    from pamqp.common import Arguments

STREAM_OFFSET = "x-stream-offset"
_TURNS = 5
"""How many turns of the loop a message takes from the socket through the client's tasks to us, and one more."""
_PLACES: dict[str | int, str] = {"earliest": "first", "latest": "next"}


class Intake:
    """One consumer's channel: what has arrived and was not handed over, and which tags are not settled.

    Grows with the prefetch count of the profile.
    """

    def __init__(self, number: int, channel: Channel) -> None:
        self.number = number
        self.channel = channel
        self.arrived: deque[tuple[str, DeliveredMessage, float]] = deque()
        self.unsettled: OrderedDict[int, float] = OrderedDict()
        """When each open message arrived, by its tag."""
        self.warned = False
        self.cancelled = ""
        self.left: bool = False
        self.signal: asyncio.Event = asyncio.Event()
        self.stream: bool = False
        """Whether it reads a stream, which takes nothing back."""
        self.next_offset: int | None = None
        self._offsets: dict[int, int] = {}
        self._tags: dict[str, str] = {}

    async def start(self, queues: Sequence[str], prefetch: int, at: str | int | None) -> None:
        """Ask for the messages of the queues, of a stream from a place on."""
        arguments: Arguments = {} if at is None else {STREAM_OFFSET: _PLACES.get(at, at)}
        self.stream = at is not None

        def cancelled(frame: Any) -> None:
            self.cancelled = self._tags.get(frame.consumer_tag, "")
            self.signal.set()

        self.channel.on_consumer_cancel_callbacks.add(cancelled)
        self.channel.closing.add_done_callback(lambda _: self.signal.set())
        await self.channel.basic_qos(prefetch_count=prefetch)
        for queue in queues:

            async def arrive(message: DeliveredMessage, queue: str = queue) -> None:
                self.arrived.append((queue, message, time.monotonic()))
                self.signal.set()

            answer = await self.channel.basic_consume(queue, arrive, arguments=arguments)
            self._tags[str(answer.consumer_tag)] = queue

    async def fill(self, most: int) -> None:
        """Let the client read on while messages come, up to `most`.

        The broker sends as many as were acknowledged: who takes three and acknowledges three gets three again, and
        frames, acknowledgements and turns of the loop cost more than the messages do.
        """
        quiet, known = 0, len(self.arrived)
        while known < most and quiet < _TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.arrived) == known else 0
            known = len(self.arrived)

    async def leave(self) -> None:
        """Take no more messages and give back those that were not handed over; the channel stays for acks to come."""
        self.left = True
        for tag in self._tags:
            await self.channel.basic_cancel(tag)
        await self.give_back(time.monotonic())
        await self.close_if_done()

    async def give_back(self, before: float) -> None:
        """Let the broker deliver again what arrived before a time and was not handed over; a stream has it anyhow."""
        if self.stream:
            return
        while self.arrived and self.arrived[0][2] <= before:
            _, message, _ = self.arrived.popleft()
            await self.channel.basic_nack(message.delivery_tag or 0, requeue=True, wait=False)

    def note_offset(self, message: DeliveredMessage) -> int | None:
        """Take the offset of a message that is handed over; None if it is of no stream."""
        offset = (message.header.properties.headers or {}).get(STREAM_OFFSET)
        if not isinstance(offset, int):
            return None
        self.stream = True
        self.next_offset = offset + 1
        self._offsets[message.delivery_tag or 0] = offset
        return offset

    def resume_at(self) -> int | None:
        """Return where another consumer of the stream goes on: at the first message that is not acknowledged."""
        return min(self._offsets.values(), default=self.next_offset)

    def timed_out(self) -> str:
        """Return what the broker said when it closed the channel for a missing acknowledgement; else nothing."""
        closing = self.channel.closing
        cause = closing.exception() if closing.done() and not closing.cancelled() else None
        reason = reason_of(cause) if isinstance(cause, amqp.ChannelPreconditionFailed) else ""
        return reason if "timed out" in reason else ""

    async def close_if_done(self) -> None:
        """Close the channel if the consumer was left and nothing is open any more."""
        if self.left and not self.unsettled:
            await self.channel.close()

    async def settle(self, first: int, last: int, *, ack: bool, requeue: bool = False) -> None:
        """Ack or nack the tags that are still open, as one frame if nothing before them is, and return when it is sent.

        A tag that is settled already is left alone: the broker would close the channel, and with it lose all others.
        """
        tags = [tag for tag in range(first, last + 1) if tag in self.unsettled]
        if not tags:
            return
        multiple = next(iter(self.unsettled)) == tags[0]
        for tag in tags[-1:] if multiple else tags:
            if ack:
                await self.channel.basic_ack(tag, multiple=multiple, wait=tag == tags[-1])
            else:
                await self.channel.basic_nack(tag, multiple=multiple, requeue=requeue, wait=tag == tags[-1])
        for tag in tags:
            self.unsettled.pop(tag, None)
            self._offsets.pop(tag, None)
