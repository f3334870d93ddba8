"""Dialects of failure on brokers of their own: killed and restarted under load, stopped, full; unknown topics."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep

import pytest

from tests.drivers.test_conformance import prepare, take
from tests.support.campaign import CAMPAIGN
from tests.support.live import started
from tests.support.tmpfs import small_tmpfs
from x07py import Envelope, open_driver
from x07py.brokers.process import RunningBroker, broker_folder, find_broker, start_native
from x07py.drivers import Driver
from x07py.errors import DriverError

pytestmark = pytest.mark.live
KINDS = ("kafka", "amqp")
SETTINGS = {
    "kafka": {
        "auto.create.topics.enable": "false",
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
    },
    "amqp": {},
}
"""Kafka: unknown topics stay unknown, and a killed broker may register again after 3 s instead of 9."""
UNCONFIRMED = {"kafka": 9752, "amqp": 9852}
GONE = {"kafka": 9760, "amqp": 9851}
REJECTED = 9856
"""What a queue of RabbitMQ answers that cannot write before the alarm of the disk goes off."""
AWAY = {
    "kafka": ("kafka_config.RIDE_OUT_S", "kafka_transaction.RIDE_OUT_S"),
    "amqp": ("amqp_link.RIDE_OUT_S", "amqp.RIDE_OUT_S"),
}
"""How long a broker may be away."""
CONFIRM = {"kafka": ("kafka_producer._DELIVERY_TIMEOUT_MS",), "amqp": ("amqp.CONFIRM_S",)}
"""How long a publish waits for its confirmation; Kafka's producers take what holds when a driver first publishes."""
QUIET = {"kafka": ("kafka_config.QUIET_S", "kafka_consumer._LAST_S"), "amqp": ("amqp_link._HEARTBEAT_S",)}
"""How long nothing may come before a broker is asked, and how long the last commit of a member may take."""


class Own:
    """A broker that tests may kill, stop, fill and start again; its data stands on a small disk."""

    def __init__(self, root: Path, disk: Path, broker: RunningBroker) -> None:
        self._root, self.kind, self.address = root, broker.kind, broker.address
        self._disk = disk

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker's process; one that is stopped stands still when this returns."""
        broker = find_broker(self._root, self.kind)
        assert broker is not None
        os.kill(broker.pid, number)
        while number == signal.SIGSTOP and not standing_still(broker.pid):
            sleep(0.01)

    def wait_for_end(self) -> None:
        """Return when the broker has ended."""
        while find_broker(self._root, self.kind) is not None:
            sleep(0.01)

    def start(self) -> None:
        """Start the broker again where it was, if it does not run."""
        start_native(self._root, self.kind, port=int(self.address.rpartition(":")[2]), settings=SETTINGS[self.kind])

    def fill(self) -> None:
        """Leave no space on the disk, but what RabbitMQ needs itself: its alarm comes below 50 MB."""
        free = os.statvfs(self._disk)
        size = free.f_bavail * free.f_frsize - (20_000_000 if self.kind == "amqp" else 0)
        with (self._disk / "ballast").open("wb") as ballast:
            os.posix_fallocate(ballast.fileno(), 0, size)

    def clear(self) -> None:
        """Give the space back."""
        (self._disk / "ballast").unlink()


def standing_still(pid: int) -> bool:
    """Tell whether all threads of a process are stopped: each goes on until it has seen the signal."""
    states = set[str]()
    for file in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # this thread has ended
            states.add(file.read_text().rpartition(")")[2].split()[0])
    return states == {"T"}


@pytest.fixture(scope="module", params=KINDS)
def brokers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Own]:
    kind = request.param
    root = tmp_path_factory.mktemp(f"own-{kind}")
    folder = broker_folder(root, kind)
    folder.mkdir(parents=True)
    with small_tmpfs(folder / "data", kilobytes=96 * 1024) as disk:
        for broker in started(root, kind, SETTINGS[kind]):
            yield Own(root, disk, broker)


@pytest.fixture
def own(brokers: Own, project: Path, monkeypatch: pytest.MonkeyPatch) -> Own:
    """The broker, with the project's profile pointing at it."""
    point_at(monkeypatch, brokers.kind, brokers.address)
    return brokers


def point_at(monkeypatch: pytest.MonkeyPatch, kind: str, address: str) -> None:
    monkeypatch.setenv(f"X07_{kind.upper()}_LOCAL_DEV_V1", address)
    monkeypatch.setenv("X07_SECRET_RABBIT_USERNAME", "guest")
    monkeypatch.setenv("X07_SECRET_RABBIT_PASSWORD", "guest")


def limit(patch: pytest.MonkeyPatch, names: Iterable[str], seconds: float) -> None:
    """Replace how long the drivers are patient: less, so that a test need not wait, or more, for a slow machine."""
    for name in names:
        patch.setattr(f"x07py.drivers.{name}", int(seconds * 1000) if name.endswith("_MS") else seconds)


async def make(own: Own) -> str:
    """Return a new topic or queue, made by a driver of its own, whose patience is the usual one."""
    place = f"f-{uuid.uuid4().hex[:8]}"
    async with open_driver(own.kind, profile="local_dev_v1") as driver:
        await prepare(driver, place)
    if own.kind == "kafka":
        from confluent_kafka.admin import AdminClient, NewTopic

        client = AdminClient({"bootstrap.servers": own.address})
        await asyncio.to_thread(client.create_topics([NewTopic(place, 4)])[place].result, 30)
    return place


async def published(driver: Driver, place: str, number: int) -> None:
    """Publish until the broker confirms, for it may be away still."""
    while True:
        with suppress(DriverError):
            await driver.publish(Envelope(place, b"k", b"%d" % number))
            return


async def seen(driver: Driver, place: str, number: int, group: str = "") -> None:
    """Consume up to a message; fail with what came instead."""
    came: list[bytes] = []
    try:
        async with asyncio.timeout(150):
            async for batch in driver.consume([place], group=group or place if driver.kind == "kafka" else ""):
                await driver.ack(batch)
                came += [one.envelope.value for one in batch]
                if b"%d" % number in came:
                    return
    except TimeoutError:
        pytest.fail(f"message {number} does not come; these came: {came}")


async def test_killed_and_restarted_under_load(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    limit(monkeypatch, (*AWAY[own.kind], *CONFIRM[own.kind]), 300)
    under_way, back, total = asyncio.Event(), asyncio.Event(), 0
    found: set[int] = set()
    place = await make(own)
    async with open_driver(own.kind, profile="local_dev_v1") as driver:
        await driver.publish(Envelope(place, b"k", b"0"))

        async def publish() -> int:
            number = 1
            while not back.is_set():
                await driver.publish(Envelope(place, b"k", b"%d" % number))
                number += 1
            return number

        async def consume() -> None:
            async for batch in driver.consume([place], group=place if own.kind == "kafka" else ""):
                found.update(int(one.envelope.value) for one in batch)
                await driver.ack(batch)
                under_way.set()
                if total and found >= set(range(total + 1)):
                    return

        publishing, consuming = asyncio.create_task(publish()), asyncio.create_task(consume())
        async with asyncio.timeout(300):
            await under_way.wait()
            await asyncio.sleep(2)  # RabbitMQ writes a little later what was declared, and a kill before is its loss
            own.signal(signal.SIGKILL)
            await asyncio.to_thread(own.wait_for_end)
            await asyncio.to_thread(own.start)
            back.set()
            total = await publishing
            await driver.publish(Envelope(place, b"k", b"%d" % total))
            await consuming


@pytest.mark.parametrize("brokers", KINDS if CAMPAIGN else ["amqp"], indirect=True)
async def test_a_stopped_broker_is_told_and_all_goes_on(own: Own) -> None:
    """As a machine that hangs: the connection stays and nothing comes.

    A publisher is told within 3 s here instead of 30, a consumer within 15 s instead of 85 (Kafka) or 110 (RabbitMQ),
    with what it has not committed. The broker that goes on has the usual time for that: a busy machine needs it.
    Another group consumes then: Kafka keeps a member that could not leave, until its session is over.

    On Kafka it is left to ``make failures``, since a consumer that starts while Kafka comes back may wait for minutes.
    The first answer names no brokers; the group's coordinator is found then, and the join asks for metadata over the
    first address, whose handle another answer takes out of service. librdkafka (2.16) drops that request, and the
    group stays in state ``up``, join-state ``wait-metadata``. Requests of its own every five seconds are no sure way
    out: one of 48 such consumers still had nothing after 20 s.
    """
    place = await make(own)
    with pytest.MonkeyPatch.context() as hurry:
        limit(hurry, CONFIRM[own.kind], 3)
        limit(hurry, QUIET[own.kind], 1)
        async with open_driver(own.kind, profile="local_dev_v1") as driver, asyncio.timeout(300):
            await published(driver, place, 0)
            batches = driver.consume([place], group=place if own.kind == "kafka" else "")
            await driver.ack(await anext(batches))
            own.signal(signal.SIGSTOP)
            codes = []
            try:
                for call in (driver.publish(Envelope(place, b"k", b"1")), anext(batches)):
                    with pytest.raises(DriverError) as caught:
                        await asyncio.wait_for(call, 120)
                    codes.append(caught.value.code)
                    limit(hurry, (*AWAY[own.kind], "amqp_link._ATTEMPT_S"), 1)  # else both would be told the same
            finally:
                hurry.undo()
                own.signal(signal.SIGCONT)
            assert codes == [UNCONFIRMED[own.kind], GONE[own.kind]]
            await published(driver, place, 2)
            await seen(driver, place, 2, f"{place}-after")


async def test_a_full_disk(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """RabbitMQ stops publishers with an alarm, Kafka stops itself: told within 3 s here. Given space all goes on."""
    place = await make(own)
    limit(monkeypatch, CONFIRM[own.kind], 3)
    async with open_driver(own.kind, profile="local_dev_v1") as driver, asyncio.timeout(300):
        await published(driver, place, 0)
        own.fill()
        try:
            code = await refusal(driver, Envelope(place, b"k", b"1", {"pad": "x" * 50_000}))
            if own.kind == "kafka":
                await asyncio.to_thread(own.wait_for_end)
        finally:
            own.clear()
        assert code in {UNCONFIRMED[own.kind], REJECTED}
        await asyncio.to_thread(own.start)
        await published(driver, place, 2)
        await seen(driver, place, 2)


async def refusal(driver: Driver, envelope: Envelope) -> int | str:
    """Publish until that fails, and return the code."""
    try:
        while True:
            await driver.publish(envelope)
    except DriverError as error:
        return error.code


@pytest.mark.parametrize("brokers", ["kafka"], indirect=True)
async def test_an_unknown_topic(own: Own, monkeypatch: pytest.MonkeyPatch) -> None:
    """A publisher waits for it, 10 s and here 1 s: a topic that was just made is not known everywhere at once."""
    monkeypatch.setattr("x07py.drivers.kafka_producer._NEW_TOPIC_MS", 1000)
    async with open_driver(own.kind, profile="local_dev_v1") as driver:
        for call in (take(driver, "nowhere", 1), driver.publish(Envelope("nowhere", b"k", b"1"))):
            with pytest.raises(DriverError) as caught:
                await call
            assert caught.value.code == 9753
