"""Random sequences of operations on RabbitMQ, and what is to be seen of each: the same on a simulated and a real one.

What the simulated one delivers says how many messages are waited for on the real one; how many more there are is
compared by the depth of each queue. Queues have consumers only while messages are taken.
"""

from __future__ import annotations

import asyncio
import os
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

from tests.explore.differential_kafka import Operation
from x07py import Delivery, Driver, Envelope, open_driver
from x07py.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from x07py.explore.amqp_queues import Vhost

    Depth = Callable[[list[str], bool], Awaitable[dict[str, int]]]

_OPERATIONS = ("send", "send", "send", "take", "take", "ack", "ack", "nack", "reject", "restart", "apply", "expire")
_LETTERS = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
QUEUES: dict[str, dict[str, Any]] = {
    "plain": {},
    "dead": {},
    "letters": _LETTERS,
    "short": {"x-max-length": 3, **_LETTERS},
    "full": {"x-max-length": 2, "x-overflow": "reject-publish"},
    "brief": {"x-message-ttl": 300, **_LETTERS},
    "quorum": {"x-queue-type": "quorum", "x-delivery-limit": 2, **_LETTERS},
    "ranked": {"x-max-priority": 5},
}
EXCHANGES = {"direct": "direct", "topic": "topic", "fanout": "fanout", "headers": "headers", "inner": "fanout"}
BINDINGS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("direct", "plain", "red", {}),
    ("direct", "letters", "red", {}),
    ("direct", "short", "blue", {}),
    ("topic", "plain", "a.*", {}),
    ("topic", "letters", "a.#", {}),
    ("topic", "quorum", "#.z", {}),
    ("fanout", "full", "", {}),
    ("fanout", "plain", "", {}),
    ("headers", "plain", "", {"x-match": "all", "color": "red", "size": "big"}),
    ("headers", "ranked", "", {"x-match": "any", "color": "red", "size": "big"}),
    ("inner", "ranked", "", {}),
    ("topic", "inner", "a.b", {}),
    ("direct", "topic", "z", {}),
]
KEYS = ("red", "blue", "a", "a.b", "a.b.z", "z", "")
_WAIT_S = 60.0


def operations(seed: int, length: int) -> list[Operation]:
    """Return a sequence of operations, the same for the same seed."""
    draw = Random(f"amqp {seed}")
    return [Operation(draw.choice(_OPERATIONS), draw.randrange(2**32)) for _ in range(length)]


def simulated_depth(vhost: Vhost) -> Depth:
    """Return what tells how many messages are ready in queues of a simulated broker, or will be delivered of them."""

    async def depth(queues: list[str], delivered: bool) -> dict[str, int]:
        oldest = asyncio.get_running_loop().time() if delivered else 0.0
        return {name: sum(one.expires > oldest for one in vhost.queues[name].ready) for name in queues}

    return depth


def real_depth() -> Depth:
    """Return what tells how many messages are ready in queues of the broker of the profile."""

    async def depth(queues: list[str], delivered: bool) -> dict[str, int]:
        del delivered
        import aiormq

        connection = await aiormq.connect(f"amqp://guest:guest@{os.environ['X07_AMQP_LOCAL_DEV_V1']}/")
        try:
            channel = await connection.channel()
            found = [(await channel.queue_declare(name, passive=True)).message_count or 0 for name in queues]
        finally:
            await connection.close()
        return dict(zip(queues, found, strict=True))

    return depth


class Member:
    """A program that carries out operations.

    Args:
        place: what its queues and exchanges begin with.
        depth: tells how many messages are ready.
        counts: how many messages each take has to wait for; None where all that is there is there at once.
        expected: what should be seen; the sequence ends where it is not.
    """

    def __init__(
        self, place: str, depth: Depth, counts: list[int] | None = None, expected: list[Any] | None = None
    ) -> None:
        self.place, self._depth = place, depth
        self._given, self._expected = counts, expected
        self.counts: list[int] = []
        self.seen: list[Any] = []
        self._open: list[Delivery] = []
        self._values = count()
        self._driver: Driver
        self._opened: AbstractAsyncContextManager[Driver]

    async def run(self, sequence: list[Operation]) -> list[Any]:
        """Carry out a sequence; return what was seen of each operation, and what is left in each queue."""
        await self._start()
        await self._apply(Random(0))
        for operation in sequence:
            carry_out = getattr(self, f"_{operation.name}")
            told = await carry_out(Random(operation.seed))
            self.seen.append((operation.name, told))
            if self._expected is not None and self._expected[len(self.seen) - 1] != self.seen[-1]:
                break
        await self._opened.__aexit__(None, None, None)
        await self._start()
        for name in QUEUES if len(self.seen) == len(sequence) else ():
            self.seen.append((f"left in {name}", await self._take_of(name)))
        self.seen.append(("deeper", await self._settled_depth()))
        await self._opened.__aexit__(None, None, None)
        return self.seen

    async def _start(self) -> None:
        self._opened = open_driver("amqp", profile="local_dev_v1")
        self._driver = await self._opened.__aenter__()
        self._open = []

    def _name(self, name: str) -> str:
        return f"{self.place}-{name}"

    async def _apply(self, draw: Random) -> object:
        """Declare everything, or see that it is there, or that one queue is there otherwise."""
        other = draw.choice((*QUEUES, None, None))
        op = "apply_topology" if not self.seen else draw.choice(("apply_topology", "plan_topology"))
        document = self._topology(other if self.seen else None)
        try:
            plan = (await self._driver.control(op, {"topology": document}))["plan"]
        except DriverError as error:
            return error.code
        return [(step["kind"], step["name"].replace(self.place, ""), step["action"]) for step in plan]

    def _topology(self, other: str | None) -> dict[str, Any]:
        queues = []
        for name, given in QUEUES.items():
            arguments = {**given}
            if "x-dead-letter-routing-key" in arguments:
                arguments["x-dead-letter-routing-key"] = self._name("dead")
            if name == other:
                arguments["x-expires"] = 3_600_000
            queues.append({"name": self._name(name), "arguments": arguments})
        return {
            "exchanges": [{"name": self._name(name), "type": kind} for name, kind in EXCHANGES.items()],
            "queues": queues,
            "bindings": [
                {
                    "exchange": self._name(source),
                    "queue" if target in QUEUES else "to_exchange": self._name(target),
                    "routing_key": key,
                    "arguments": arguments,
                }
                for source, target, key, arguments in BINDINGS
            ],
        }

    async def _send(self, draw: Random) -> object:
        """Publish one by one, each to an exchange or a queue, and tell what came of each."""
        outcomes = []
        for _ in range(draw.randrange(1, 5)):
            exchange = draw.choice((*EXCHANGES, "", "", "", "nowhere"))
            queues = [self._name(name) for name in QUEUES if name != "brief"]
            key = draw.choice(KEYS) if exchange else draw.choice([*queues, self._name("nowhere")])
            headers = {"color": draw.choice(("red", "blue")), "size": draw.choice(("big", "small"))}
            if draw.random() < 0.5:
                headers["priority"] = str(draw.randrange(8))
            if exchange:
                headers["x07-exchange"] = self._name(exchange)
            outcomes.append(await self._outcome(Envelope(key, b"k", b"%d" % next(self._values), headers)))
        return outcomes

    async def _outcome(self, envelope: Envelope) -> object:
        try:
            ack = await self._driver.publish(envelope)
        except DriverError as error:
            return error.code
        return ack.text

    async def _take(self, draw: Random) -> object:
        return await self._take_of(draw.choice([name for name in QUEUES if name != "brief"]))

    async def _take_of(self, name: str) -> object:
        """Take all that is ready in a queue."""
        queue = self._name(name)
        if self._given is None:
            self.counts.append((await self._depth([queue], True))[queue])
            wanted = self.counts[-1]
        else:
            wanted = self._given[len(self.counts)]
            self.counts.append(wanted)
        found: list[Delivery] = []
        if wanted:
            batches = self._driver.consume([queue])
            try:
                async with asyncio.timeout(_WAIT_S):
                    while len(found) < wanted:
                        found += await anext(batches)
            except TimeoutError:
                pass
            await batches.aclose()  # type: ignore[attr-defined]
        if name == "dead":  # where letters come from several queues, nobody promises their order
            found.sort(key=lambda one: int(one.envelope.value))
        self._open += found
        return [self._facts(one) for one in found]

    def _facts(self, one: Delivery) -> object:
        headers = {
            name: text.removeprefix(self.place)
            for name, text in one.envelope.headers.items()
            if name != "x07-amqp-headers"
        }
        meta = {name: one.meta[name] for name in ("exchange", "redelivered", "routing_key")}
        return one.envelope.value, sorted(headers.items()), sorted(meta.items())

    def _some(self, draw: Random) -> list[Delivery]:
        share = draw.choice((0.3, 0.6, 1.0))
        some = [one for one in self._open if draw.random() < share]
        self._open = [one for one in self._open if one not in some]
        return some

    async def _ack(self, draw: Random) -> object:
        await self._driver.ack(self._some(draw))
        return await self._settled_depth()

    async def _nack(self, draw: Random) -> object:
        await self._driver.nack(self._some(draw))
        return await self._settled_depth()

    async def _reject(self, draw: Random) -> object:
        await self._driver.nack(self._some(draw), requeue=False)
        return await self._settled_depth()

    async def _restart(self, draw: Random) -> object:
        del draw
        await self._opened.__aexit__(None, None, None)
        await self._start()
        return await self._settled_depth()

    async def _expire(self, draw: Random) -> object:
        """Let messages grow too old: of a queue that says so, or by themselves."""
        envelopes = [
            Envelope(self._name("brief"), b"", b"%d" % next(self._values)) for _ in range(draw.randrange(1, 3))
        ]
        if draw.random() < 0.5:
            envelopes.append(Envelope(self._name("letters"), b"", b"%d" % next(self._values), {"expiration": "300"}))
        for one in envelopes:
            await self._driver.publish(one)
        return await self._settled_depth(at_least_s=1.0)

    async def _settled_depth(self, at_least_s: float = 0.0) -> object:
        """Return how many messages are ready in each queue, once that changes no more or is as it was simulated."""
        await asyncio.sleep(at_least_s)
        names = [self._name(name) for name in QUEUES]
        wanted = None
        if self._given is not None:
            place = len(self.counts)
            wanted = {name: self._given[place + number] for number, name in enumerate(QUEUES)}
        found: dict[str, int] = {}
        for _ in range(int(_WAIT_S / 0.5)):
            found = {
                name.removeprefix(f"{self.place}-"): one for name, one in (await self._depth(names, False)).items()
            }
            if wanted is None or found == wanted:
                break
            await asyncio.sleep(0.5)
        self.counts += (wanted or found).values()
        return found
