"""A stand-in at a port of its own, over a cassette: what tests of the protocol connect real clients to."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from x07py.drivers.base import KAFKA, Subscription
from x07py.errors import X07Error
from x07py.msg import from_native
from x07py.rr import Config, Match, Mode, Session
from x07py.rr.varying import Varying
from x07py.wire.kafka.stand_in import KafkaStandIn
from x07py.wire.matching import PARTS, Rules
from x07py.wire.stand_in import Address
from x07py.wire.tape import Tape

TIME = 1_700_000_000_000
RULES = Rules(PARTS, Varying(), (), False, 10.0)


def new_topic(broker: Address, partitions: int) -> str:
    """Make a topic of its own for a test, and return its name."""
    name = f"wire-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": str(broker)})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)
    return name


class ForeignTape(Tape):
    """A tape of another seam, such as a driver's."""

    library = "kafka_local_dev_v1"
    dialect = KAFKA


class Served:
    """One cassette behind one port; what stand-ins know as a `CassetteSession`."""

    def __init__(self, session: Session, rules: Rules, upstream: Address | None) -> None:
        self.session, self._rules, self._upstream = session, rules, upstream
        self._tapes: dict[type[Tape], Any] = {}
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.address = Address(*self._listener.getsockname()[:2])
        self.errors: list[X07Error] = []
        self.advertised: Address | None = None
        """Where clients are told that the broker is, if that is not here."""
        threading.Thread(target=self._accept, daemon=True).start()

    def tape(self, kind: type[Any]) -> Any:
        with self._lock:
            if kind not in self._tapes:
                self._tapes[kind] = kind(self.session, self._rules)
            return self._tapes[kind]

    def open_upstream(self, address: Address | None = None) -> socket.socket:
        wanted = address or self._upstream
        assert wanted is not None
        return socket.create_connection(wanted)

    def reach(self, _: Address) -> Address:
        return self.advertised or self.address

    def fail(self, error: X07Error) -> None:
        self.errors.append(error)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._connections.append(connection)
                serve = (connection, self.advertised or self._upstream or self.address, self)
                thread = threading.Thread(target=KafkaStandIn().serve, args=serve, daemon=True)
                self._threads.append(thread)
                thread.start()

    def close(self) -> None:
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for tape in self._tapes.values():
            for finish in tape.on_close:
                finish()


def cassette(root: Path, mode: Mode) -> Session:
    """Return a session over ``a.x07rr.bin`` below `root`."""
    limits = {"max_cassette_bytes": 2**32, "max_entries": 2**32 - 1, "max_key_bytes": 1024}
    limits |= {"max_req_bytes": 2**30, "max_resp_bytes": 2**30}
    config = Config(mode=mode, match=Match.LOOKUP, cassette="a.x07rr.bin", **limits)
    return Session(config, root, allow_unused=True)


@contextmanager
def served(root: Path, *, rules: Rules = RULES, upstream: Address | None = None) -> Iterator[Served]:
    """Replay the cassette at a port, or record it in front of `upstream`."""
    with cassette(root, Mode.REPLAY if upstream is None else Mode.RECORD) as session:
        found = Served(session, rules, upstream)
        try:
            yield found
        finally:
            found.close()


def publishes(stand_in: Served) -> list[bytes]:
    """Return what stands in the metadata of each publish of a cassette that is replayed."""
    ledger = stand_in.session.ledger
    return [ledger.index.meta(n) for n in range(len(ledger)) if ledger.bucket(n).op.endswith(b"publish_env_v1")]


def is_whole(stand_in: Served) -> None:
    """Check that a replay used everything that is no question and no event."""
    left = [stand_in.session.ledger.bucket(number).op for number in stand_in.session.unused()]
    assert [op for op in left if b".query_" not in op and b".event_" not in op] == []
    assert stand_in.errors == []


def record_by_driver(root: Path, topic: str, count: int, *, partitions: int = 1, group: str = "workers") -> None:
    """Write what a driver records of publishing `count` messages to `topic` and consuming them."""
    with cassette(root, Mode.RECORD) as session:
        tape = ForeignTape(session, RULES)
        metas = [
            {
                "topic": topic,
                "partition": n % partitions,
                "offset": n // partitions,
                "timestamp": 1_700_000_000_000 + n,
                "timestamp_type": 1,
            }
            for n in range(count)
        ]
        messages = [from_native(topic, b"key-%d" % n, b"value %d" % n, [("n", b"%d" % n)]) for n in range(count)]
        for envelope, meta in zip(messages, metas, strict=True):
            tape.write_publish(envelope, b"ACK", meta)
        subscription = Subscription((topic,), group, 1)
        rows = [tape.delivery_row(subscription.request(), *pair) for pair in zip(messages, metas, strict=True)]
        tape.write_deliveries(subscription.scope(), rows)
