"""The live connection: XADD, XREADGROUP, XACK, XAUTOCLAIM."""

from __future__ import annotations

import asyncio
import os
import socket
import uuid
from typing import TYPE_CHECKING, Any

import redis.asyncio as client
from redis.exceptions import ConnectionError as NoConnection
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as NoAnswer

from x07py import Envelope
from x07py.drivers import Ack, Delivery, Dialect, Subscription, canonical_json
from x07py.errors import DriverError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from x07_redis_streams.contracts import RedisProfile

_KEY, _VALUE, _HEADER = b"key", b"value", b"h:"
_UNREACHABLE, _REFUSED = 9901, 9902
_CLAIM_TURNS = 20
"""After how many questions without an answer stale messages are looked for again."""


class RedisBackend:
    """One connection to Redis.

    Args:
        profile: where, and how long to wait.
        dialect: the driver's names.
        consumer: name in groups; one of its own for each process if empty.
    """

    def __init__(self, profile: RedisProfile, dialect: Dialect, consumer: str) -> None:
        self.dialect, self.profile = dialect, profile.id
        self._settings = profile
        self._redis: Any = client.Redis(host=profile.host, port=profile.port, protocol=2, socket_connect_timeout=10)
        self._consumer = consumer or f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._group = ""
        self._asking, self._closed = asyncio.Lock(), False

    async def publish_many(self, envelopes: Sequence[Envelope]) -> list[Ack]:
        """Append messages to their streams in order; Redis's answer is the id of each."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for envelope in envelopes:
                    pipe.xadd(envelope.topic.encode("utf-8", "surrogateescape"), _fields(envelope))
                ids = await pipe.execute()
        except RedisError as error:
            raise self._told(error) from None
        return [
            Ack(b"OK", _place(envelope.topic, *_numbers(one))) for envelope, one in zip(envelopes, ids, strict=True)
        ]

    async def consume(self, subscription: Subscription) -> AsyncIterator[list[Delivery]]:
        """Yield what is stale first, then what is new, as a consumer of the group, until the connection is closed."""
        self._group = subscription.group
        if not subscription.group:
            raise DriverError(_REFUSED, "Redis Streams are consumed in groups", hint="give group=")
        try:
            for stream in subscription.sources:
                await self._make_group(stream, subscription)
            while not self._closed:
                for stream in subscription.sources:
                    while batch := await self._claim(stream, subscription):
                        yield batch
                for _ in range(_CLAIM_TURNS):
                    if batch := await self._read(subscription):
                        yield batch
        except RedisError as error:
            raise self._told(error) from None

    async def _make_group(self, stream: str, subscription: Subscription) -> None:
        start = "0" if subscription.start == "earliest" else "$"
        try:
            await self._redis.xgroup_create(stream, subscription.group, id=start, mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _claim(self, stream: str, subscription: Subscription) -> list[Delivery]:
        idle = self._settings.claim_idle_ms
        async with self._asking:
            if self._closed:
                return []
            _, rows, *_ = await self._redis.xautoclaim(
                stream, subscription.group, self._consumer, idle, count=subscription.max_items
            )
        return [_delivery(stream, one, fields) for one, fields in rows if fields]

    async def _read(self, subscription: Subscription) -> list[Delivery]:
        wait = min(self._settings.poll_wait_ms, max(1, self._settings.claim_idle_ms // _CLAIM_TURNS))
        new = dict.fromkeys(subscription.sources, ">")
        most = max(1, subscription.max_items // len(new))
        async with self._asking:
            if self._closed:
                return []
            found = await self._redis.xreadgroup(subscription.group, self._consumer, new, count=most, block=wait)
        return [_delivery(stream.decode(), one, fields) for stream, rows in found for one, fields in rows]

    async def control(self, op: str, request: Any) -> Any:
        """Carry out ``ack``, ``nack``, ``commit`` or ``lag``."""
        self.dialect.refuse_unknown(op)
        try:
            if op == "lag":
                return {"lag": {topic: await self._lag(topic, request["group"]) for topic in request["topics"]}}
            for stream, ranges in request.get("ranges", {}).items():
                ids = [
                    f"{ms}-{n}" for ms, spans in ranges.items() for first, last in spans for n in range(first, last + 1)
                ]
                if op == "nack" and request["requeue"]:
                    idle = self._settings.claim_idle_ms
                    await self._redis.xclaim(stream, self._group, self._consumer, 0, ids, idle=idle, justid=True)
                else:
                    await self._redis.xack(stream, self._group, *ids)
        except RedisError as error:
            raise self._told(error) from None
        return {}

    async def _lag(self, topic: str, group: str) -> int:
        rows = {row["name"].decode(): row for row in await self._redis.xinfo_groups(topic)}
        if group not in rows:
            return int(await self._redis.xlen(topic))
        return int(rows[group]["lag"] or 0) + int(rows[group]["pending"])

    async def keep_alive(self) -> bool:
        """Do nothing: Redis takes a message away only from a consumer that another one asks about."""
        await asyncio.sleep(0)
        return True

    async def close(self) -> None:
        """Close the connection once no question is on its way; what was not acknowledged can be claimed."""
        self._closed = True
        async with self._asking:
            await self._redis.aclose()

    def _told(self, error: RedisError) -> DriverError:
        where = f"{self._settings.host}:{self._settings.port}"
        if isinstance(error, NoConnection | NoAnswer):
            hint = "is Redis running, and is this its address?"
            return UnreachableError(_UNREACHABLE, f"Redis does not answer: {error}", where=where, hint=hint)
        return DriverError(_REFUSED, f"Redis refuses: {error}", where=where, hint="see Redis's own documentation")


def _fields(envelope: Envelope) -> dict[bytes, bytes]:
    headers = {
        _HEADER + name.encode(): text.encode("utf-8", "surrogateescape") for name, text in envelope.headers.items()
    }
    return {_KEY: envelope.key, _VALUE: envelope.value, **headers}


def _numbers(identifier: bytes) -> tuple[int, int]:
    ms, _, seq = identifier.decode().partition("-")
    return int(ms), int(seq)


def _place(stream: str, ms: int, seq: int) -> bytes:
    return canonical_json({"ms": ms, "seq": seq, "stream": stream})


def _delivery(stream: str, identifier: bytes, fields: dict[bytes, bytes]) -> Delivery:
    names = (name for name in fields if name.startswith(_HEADER))
    headers = {name.removeprefix(_HEADER).decode(): fields[name].decode("utf-8", "surrogateescape") for name in names}
    envelope = Envelope(stream, fields.get(_KEY, b""), fields.get(_VALUE, b""), headers)
    ms, seq = _numbers(identifier)
    return Delivery.from_broker(envelope, _place(stream, ms, seq), (stream, ms, seq))
