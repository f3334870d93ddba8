"""One AMQP connection that is made again when it breaks, and the names of what can go wrong.

aio-pika's robust connection restores queues and consumers by itself, and its trackers tell of consumers that are lost
and publishes that hang after a reconnect. Here nothing is restored behind the caller's back: a link gives the current
connection or makes a new one, and consumers and publishers, who know what was confirmed, start again on it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
import time
from typing import TYPE_CHECKING, cast

import aiormq
from aiormq import exceptions as amqp
from yarl import URL

from x07py.drivers.secrets import resolve_secret
from x07py.errors import AmqpError

if TYPE_CHECKING:
    from aiormq.abc import AbstractConnection
    from aiormq.channel import Channel

    from x07py.contracts.messaging import AmqpProfile

log = logging.getLogger("x07py.drivers.amqp")

START_S = 5.0
"""How long a broker that has never answered is waited for."""
RIDE_OUT_S = 60.0
"""How long a broker that has answered before may be away."""
_ATTEMPT_S = 10.0
_CLOSE_S = 5.0
_HEARTBEAT_S = 30
LOST = (amqp.AMQPConnectionError, amqp.ChannelInvalidStateError, ConnectionError, RuntimeError)
"""What the client library raises when the connection, or a channel along with it, is gone."""


class Link:
    """The connection of one profile.

    Args:
        profile: where to and with which secrets.
    """

    def __init__(self, profile: AmqpProfile) -> None:
        self._profile = profile
        self._connection: AbstractConnection | None = None
        self._making = asyncio.Lock()
        self._answered = False
        self.where = f"profile {profile.id!r}, {profile.host}:{profile.port}, virtual host {profile.vhost!r}"

    async def channel(self, *, confirms: bool = False) -> Channel:
        """Return a new channel, on a new connection if the last one is gone.

        Raises:
            AmqpError: 9851 if the broker does not answer in time, 9853 if it refuses the user or the virtual host.
            DriverError: 9631 for a secret that is not there.
        """
        patience = RIDE_OUT_S if self._answered else START_S
        deadline = time.monotonic() + patience
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(_ATTEMPT_S):
                    connection = await self._connected()
                    channel = await connection.channel(publisher_confirms=confirms)
                    return cast("Channel", channel)
            except (amqp.AuthenticationError, amqp.ProbableAuthenticationError, amqp.ConnectionNotAllowed) as error:
                raise self.error(9853, "the broker refuses the user or the virtual host", error) from None
            except (*LOST, OSError, TimeoutError) as error:
                attempt += 1
                pause = min(0.1 * 2**attempt, 2.0) * (0.5 + random.random())  # noqa: S311
                if time.monotonic() + pause > deadline:
                    raise self.error(9851, f"the broker does not answer within {patience:.0f} s", error) from None
                log.info("%s does not answer, trying again", self.where)
                await asyncio.sleep(pause)

    async def _connected(self) -> AbstractConnection:
        async with self._making:
            if self._connection is None or self._connection.is_closed:
                self._connection = await aiormq.connect(self._url(), context=self._tls())
                self._answered = True
            return self._connection

    def _url(self) -> URL:
        profile = self._profile
        return URL.build(
            scheme="amqps" if profile.tls else "amqp",
            user=resolve_secret(profile.username_secret_id) if profile.username_secret_id else "guest",
            password=resolve_secret(profile.password_secret_id) if profile.password_secret_id else "guest",
            host=profile.host,
            port=profile.port,
            path="/" + profile.vhost,
            query={"heartbeat": str(_HEARTBEAT_S), "name": "x07py"},
        )

    def _tls(self) -> ssl.SSLContext | None:
        if not self._profile.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self._profile.ca_path)
        except OSError as error:
            raise self.error(9850, "the file of certificate authorities cannot be used", error) from None

    def error(self, code: int, message: str, cause: BaseException | None = None) -> AmqpError:
        """Return an error of this link; the cause's text is kept, except where it may hold a secret."""
        reason = ""
        if isinstance(cause, amqp.AMQPError | OSError) and code != 9853:
            reason = f": {reason_of(cause)}"
        return AmqpError(code, message + reason, where=self.where, hint=f"x07 explain {code}")

    def channel_error(self, error: BaseException, what: str) -> AmqpError:
        """Return what a closed channel means."""
        codes = (
            (amqp.ChannelNotFoundEntity, 9854, "does not exist"),
            (amqp.ChannelPreconditionFailed, 9858, "is there with other properties"),
            (amqp.ChannelAccessRefused, 9853, "may not be used by this user"),
            (amqp.ChannelLockedResource, 9853, "is used exclusively by another connection"),
        )
        for kind, code, text in codes:
            if isinstance(error, kind):
                return AmqpError(
                    code, f"{what} {text}: {reason_of(error)}", where=self.where, hint=f"x07 explain {code}"
                )
        return AmqpError(9860, f"{what}: {reason_of(error)}", where=self.where, hint="x07 explain 9860")

    async def close(self) -> None:
        """Close the connection, within five seconds."""
        if self._connection is not None and not self._connection.is_closed:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._connection.close()
            except (*LOST, OSError, TimeoutError):
                log.info("%s did not answer the close", self.where)


def reason_of(error: BaseException) -> str:
    """Return the broker's or the system's own words, without the client library's."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error.args[-1]) if error.args else type(error).__name__
