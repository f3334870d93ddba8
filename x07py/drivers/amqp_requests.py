"""Requests over RabbitMQ's direct reply-to: one channel sends them and takes the answers, no queue is made."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import TYPE_CHECKING

from aiormq import exceptions as amqp

from x07py.drivers.amqp_link import LOST, reason_of, telling_loss
from x07py.drivers.amqp_native import from_amqp, to_amqp
from x07py.drivers.requests import CORRELATION_ID, DIRECT_REPLY
from x07py.errors import NoAnswerError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from aiormq.abc import DeliveredMessage
    from aiormq.channel import Channel

    from x07py.drivers.amqp_link import Link


class Requests:
    """What waits for answers on one connection.

    Args:
        link: the connection to send on.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._channel: Channel | None = None
        self._opening = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[DeliveredMessage]] = {}
        self._numbers = count(1)

    async def ask(self, envelope: Envelope, timeout_s: float) -> Envelope:
        """Send a request and return its answer; one that comes later is dropped.

        Raises:
            DriverError: 9865 if no answer comes in time, or the connection is lost meanwhile; 9851, 9853 to 9856, 9859.
        """
        exchange, properties = to_amqp(envelope)
        name = str(next(self._numbers))
        properties.reply_to, properties.correlation_id = DIRECT_REPLY, name
        answer = self._waiting[name] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                channel = await self._ready()
                with telling_loss():
                    await channel.basic_publish(
                        envelope.value,
                        exchange=exchange,
                        routing_key=envelope.topic,
                        properties=properties,
                        mandatory=True,
                    )
                    message = await answer
        except TimeoutError:
            raise self._missing(envelope, f"no answer within {timeout_s:g} s") from None
        except (amqp.PublishError, amqp.DeliveryError, amqp.AMQPChannelError) as error:
            raise self._link.refusal(error, envelope, exchange) or error from None
        except LOST as error:
            reason = f"the connection was lost before the answer came: {reason_of(error)}"
            raise self._missing(envelope, reason) from None
        finally:
            del self._waiting[name]
        found = from_amqp(DIRECT_REPLY, message.body, message.header.properties)
        headers = {name: text for name, text in found.headers.items() if name != CORRELATION_ID}
        return Envelope(DIRECT_REPLY, found.key, found.value, headers)

    def _missing(self, envelope: Envelope, message: str) -> NoAnswerError:
        where = f"{self._link.where}, routing key {envelope.topic!r}, key {envelope.key!r}"
        return NoAnswerError(9865, message, where=where, hint="the request may have been handled all the same")

    async def _ready(self) -> Channel:
        """Return the channel on which answers come."""
        async with self._opening:
            if self._channel is None or self._channel.is_closed:
                channel = await self._link.channel(confirms=True)
                channel.closing.add_done_callback(lambda _: self._lose())
                with telling_loss():
                    await channel.basic_consume(DIRECT_REPLY, self._arrive, no_ack=True)
                self._channel = channel
            return self._channel

    async def _arrive(self, message: DeliveredMessage) -> None:
        waiting = self._waiting.get(message.header.properties.correlation_id or "")
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _lose(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the channel was closed"))
