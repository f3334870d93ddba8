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
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import aiormq
from aiormq import exceptions as amqp
from yarl import URL

from x07py.drivers.client_log import client_log
from x07py.drivers.secrets import resolve_secret, warn_of_cleartext
from x07py.drivers.trust import load_certificate, trust
from x07py.errors import (
    ChannelClosedError,
    ContractError,
    DriverClosedError,
    LoginRefusedError,
    MessageRejectedError,
    TlsError,
    UnreachableError,
    X07Error,
    error_of,
)
from x07py.rr.above import recorded_above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiormq.abc import AbstractConnection
    from aiormq.channel import Channel

    from x07py.drivers.amqp_contract import AmqpProfile
    from x07py.msg import Envelope

log: logging.Logger = logging.getLogger("x07py.drivers.amqp")
client_log("aiormq.connection", logging.INFO)  # at DEBUG it shows each frame, and what was said in it

START_S = 5.0
"""How long a broker that has never answered is waited for."""
RIDE_OUT_S = 60.0
"""How long a broker that has answered before may be away."""
_ATTEMPT_S, _ASK_S = 10.0, 2.0
_CLOSE_S = 5.0
_HEARTBEAT_S = 10
"""A connection on which nothing comes for three of these and a bit, 38 s at most, is given up and made anew."""
_OPENED = "Connection.OpenOk"
"""What the client library says it has missed, where the broker has closed instead of opening the virtual host."""
_CUT_OFF = "bytes expected"
"""What the client library says where a connection ends in the middle of what it takes for a frame."""
_GREETING, _ALERT = b"AMQP\0\0\x09\x01", b"\x15\x03"
"""The first words of this protocol, and those of TLS to one who does not speak it."""
LOST = (amqp.AMQPConnectionError, amqp.ChannelInvalidStateError, ConnectionError, RuntimeError)
"""What the client library raises when the connection, or a channel along with it, is gone."""

_TOO_LARGE = "larger than configured max size"
_CLOSINGS = (
    (
        amqp.ChannelNotFoundEntity,
        "",
        9854,
        "does not exist",
        "declare it by x07 msg topology apply, or correct the name",
    ),
    (
        amqp.ChannelPreconditionFailed,
        "inequivalent",
        9858,
        "is there with other properties",
        "change the topology file, or delete it on the broker",
    ),
    (
        amqp.ChannelAccessRefused,
        "exclusive use",
        9853,
        "has a consumer that nobody may share it with",
        "end that consumer, or let it consume without exclusive",
    ),
    (
        amqp.ChannelAccessRefused,
        "",
        9853,
        "may not be used by this user",
        "give the user permissions in the virtual host: configure to declare, write to publish, read to consume",
    ),
    (
        amqp.ChannelLockedResource,
        "",
        9853,
        "is used exclusively by another connection",
        "end that connection, or declare the queue without exclusive",
    ),
)
"""What the broker closes a channel for: by class and words of its reason; code, what to say, what to do."""
_REFUSALS = (
    (amqp.PublishError, 9855, "no queue takes the message"),
    (amqp.DeliveryError, 9856, "the broker did not take the message"),
)


class Link:
    """The connection of one profile.

    Args:
        profile: where to and with which secrets.
    """

    def __init__(self, profile: AmqpProfile) -> None:
        self.profile = self._profile = profile
        self._connection: AbstractConnection | None = None
        self._making = asyncio.Lock()
        self._answered = False
        self._closed = False
        self._hosts = ((profile.host, profile.port), *map(_address, profile.failover))
        self._turn = 0

    @property
    def where(self) -> str:
        """The profile, the address that is tried or used, and the virtual host."""
        host, port = self._hosts[self._turn]
        return f"profile {self._profile.id!r}, {host}:{port}, virtual host {self._profile.vhost!r}"

    def another(self) -> Link:
        """Return a connection of its own to the same broker."""
        return Link(self._profile)

    async def channel(self, *, confirms: bool = False) -> Channel:
        """Return a new channel, on a new connection if the last one is gone.

        Raises:
            DriverError: 9851 if the broker does not answer in time, 9853 if it refuses the user or the virtual host,
                9862 if TLS does not come about.
            ContractError: 9850 if the file of certificate authorities cannot be used.
            DriverError: 9631 for a secret that is not there.
        """
        patience = RIDE_OUT_S if self._answered else START_S
        began = time.monotonic()
        attempt = 0
        while True:
            try:
                async with asyncio.timeout(_ATTEMPT_S):
                    with telling_loss():
                        return cast("Channel", await (await self._connected()).channel(publisher_confirms=confirms))
            except (*LOST, amqp.ProtocolSyntaxError, OSError, TimeoutError) as error:
                self._refuse_for_good(error)
                attempt += 1
                if attempt <= len(self._hosts) and isinstance(error, LOST):
                    await self._refuse_a_port_for_tls()
                waited = time.monotonic() - began
                if waited >= patience:
                    reason = reason_of(error)
                    if _CUT_OFF in reason and not self._answered:
                        reason = "what listens there speaks no AMQP, and ends the connection"
                    message = f"the broker does not answer within {max(waited, patience):.0f} s: {reason}"
                    hint = "is it up, and are host, port and tls of the profile right? x07 doctor tells which answer"
                    raise UnreachableError(9851, message, where=self.where, hint=hint) from None
                log.info("%s does not answer, trying again", self.where)
                self._turn = (self._turn + 1) % len(self._hosts)
                if self._turn == 0:
                    await asyncio.sleep(min(pause_s(attempt // len(self._hosts)), patience - waited))

    def _refuse_for_good(self, error: BaseException) -> None:
        """Raise what trying again would not change."""
        profile = self._profile
        if isinstance(error, amqp.InvalidFrameError) and _OPENED in str(error):
            raise LoginRefusedError(
                9853,
                f"the broker does not open the virtual host {profile.vhost!r}: there is none, this user may not use "
                "it, or a limit of connections is reached",
                where=self.where,
                hint="correct vhost of the profile, or let the user in; the broker's log tells which it is",
            ) from None
        if isinstance(error, amqp.ProtocolSyntaxError) and not self._answered:
            message = f"what listens there does not speak AMQP 0-9-1: {reason_of(error)}"
            hint = "give host and port of a RabbitMQ; 5672 is usual, and 5671 for TLS"
            raise UnreachableError(9851, message, where=self.where, hint=hint) from None
        if isinstance(error, amqp.AuthenticationError | amqp.ProbableAuthenticationError):
            names = [name for name in (profile.username_secret_id, profile.password_secret_id) if name]
            hint = f"check the secrets {' and '.join(map(repr, names))}"
            if profile.mechanism == "external_v1":
                hint = "has the broker the mechanism EXTERNAL, and a user of the certificate's name?"
            elif not names:
                hint = "the profile names no secrets, so this was guest: give username_secret_id and password_secret_id"
            raise LoginRefusedError(
                9853, "the broker refuses the user or the password", where=self.where, hint=hint
            ) from None
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError) and not self._answered:
            reason, hint = cause.reason, "is this the broker's port for TLS?"
            if isinstance(cause, ssl.SSLCertVerificationError):
                reason = cause.verify_message
                hint = "is ca_path the authority of the broker's certificate, and its host name the profile's?"
            message = f"TLS with the broker does not come about: {reason}"
            raise TlsError(9862, message, where=self.where, hint=hint) from None

    async def _refuse_a_port_for_tls(self) -> None:
        """Raise if the profile has no TLS and what listens there answers as TLS does; the client library hears no more
        than that the connection ends."""
        if self._profile.tls or self._answered:
            return
        answer = b""
        with suppress(OSError, TimeoutError), recorded_above():
            async with asyncio.timeout(_ASK_S):
                reader, writer = await asyncio.open_connection(*self._hosts[self._turn])
                try:
                    writer.write(_GREETING)
                    answer = await reader.read(len(_ALERT))
                finally:
                    writer.close()
                    await writer.wait_closed()
        if answer == _ALERT:
            message = "TLS with the broker does not come about: this port is for TLS, and the profile has none"
            hint = "set tls of the profile's auth, or give the port without TLS"
            raise TlsError(9862, message, where=self.where, hint=hint) from None

    async def _connected(self) -> AbstractConnection:
        async with self._making:
            if self._closed:
                raise DriverClosedError(9621, "the driver is closed", hint="open another one with open_driver")
            if self._connection is None or self._connection.is_closed:
                with recorded_above():
                    self._connection = await aiormq.connect(self._url(), context=self._context())
                self._answered = True
            return self._connection

    def _context(self) -> ssl.SSLContext | None:
        profile = self._profile
        if not profile.tls:
            if profile.certificate is not None:
                raise ContractError(
                    9850, "a client's certificate without tls", where=self.where, hint="set tls of auth"
                )
            return None
        context = trust(profile.ca_path, 9850)
        if profile.certificate is not None:
            load_certificate(profile.certificate, 9850, context)
        return context

    def _url(self) -> URL:
        profile = self._profile
        host, port = self._hosts[self._turn]
        if profile.username_secret_id and not profile.tls:
            warn_of_cleartext(profile.id, [host])
        query = {"heartbeat": str(_HEARTBEAT_S), "name": "x07py"}
        if profile.mechanism == "external_v1":
            query["auth"] = "external"
        return URL.build(
            scheme="amqps" if profile.tls else "amqp",
            user=resolve_secret(profile.username_secret_id) if profile.username_secret_id else "guest",
            password=resolve_secret(profile.password_secret_id) if profile.password_secret_id else "guest",
            host=host,
            port=port,
            path="/" + profile.vhost,
            query=query,
        )

    def error(self, code: int, message: str) -> X07Error:
        """Return an error of this link."""
        return error_of(code, message, where=self.where, hint=f"x07 explain {code}")

    def channel_error(self, error: BaseException, what: str) -> X07Error:
        """Return what a closed channel means."""
        reason = reason_of(error)
        for kind, words, code, text, hint in _CLOSINGS:
            if isinstance(error, kind) and words in reason:
                return error_of(code, f"{what} {text}: {reason}", where=self.where, hint=hint)
        return ChannelClosedError(9860, f"{what}: {reason}", where=self.where, hint="correct what the broker names")

    def refusal(self, result: object, envelope: Envelope, exchange: str) -> X07Error | None:
        """Return what an answer to a publish means if the broker has refused the message, else None."""
        if not isinstance(result, Exception):
            return None
        where = f"{self.where}, exchange {exchange!r}, routing key {envelope.topic!r}, key {envelope.key!r}"
        if isinstance(result, amqp.ChannelPreconditionFailed) and _TOO_LARGE in reason_of(result):
            message = f"the message is too large for the broker: {reason_of(result)}"
            hint = "make it smaller, or raise max_message_size of the broker"
            return MessageRejectedError(9811, message, where=where, hint=hint)
        if isinstance(result, amqp.AMQPChannelError):
            return self.channel_error(result, f"exchange {exchange!r}")
        for kind, code, message in _REFUSALS:
            if isinstance(result, kind):
                hint = f"x07 explain {code}; nothing behind this message is known to be stored"
                return error_of(code, message, where=where, hint=hint)
        return None

    async def close(self) -> None:
        """Close the connection, within five seconds, for good."""
        self._closed = True
        if self._connection is not None and not self._connection.is_closed:
            try:
                async with asyncio.timeout(_CLOSE_S):
                    await self._connection.close()
            except (*LOST, OSError, TimeoutError):
                log.info("%s did not answer the close", self.where)


@contextmanager
def telling_loss() -> Iterator[None]:
    """Raise ConnectionError where the client library cancels what waits on a connection that it gives up as stalled."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise ConnectionError("nothing came over the connection any more") from None


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def pause_s(attempt: int) -> float:
    """Return how many seconds to wait before trying again, longer each time, up to 3."""
    return min(0.1 * 2.0**attempt, 2.0) * random.uniform(0.5, 1.5)  # noqa: S311


def reason_of(error: BaseException) -> str:
    """Return the broker's or the system's own words, without the client library's."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, TimeoutError):
        return "no reply"
    return str(error.args[-1]) if error.args else type(error).__name__
