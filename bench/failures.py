"""How long each failure of a broker takes to be told, with the drivers' real time limits.

The tests of the same failures shorten the limits. Here a driver meets, on brokers of its own: addresses that refuse,
swallow or never answer, a refused user, an unknown topic, a broker that is stopped (SIGSTOP, as a machine that hangs),
one that is full, and one that is killed and stays away. Four minutes, nearly all of it waiting.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench.measure import table, write
from x07py import Envelope, open_driver
from x07py.brokers.native import free_port
from x07py.brokers.process import RunningBroker, start_native, stop_broker
from x07py.errors import DriverError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from x07py.drivers import Driver

ROOT = Path(__file__).parents[1]
KINDS = ("kafka", "amqp")
SETTINGS = {"kafka": {"auto.create.topics.enable": "false"}, "amqp": {}}
FULL = {"disk_free_limit.absolute": "900000GB"}
LONGEST_S = 200
Row = list[str]


async def told(what: str, kind: str, doing: str, call: Awaitable[object]) -> Row:
    """Wait for the error of a call; return it as a row with the seconds that it took."""
    began = time.monotonic()
    try:
        await asyncio.wait_for(call, LONGEST_S)
        error = "none"
    except DriverError as failure:
        error = str(failure.code)
    except TimeoutError:
        error = f"none in {LONGEST_S} s"
    return [what, kind, doing, error, f"{time.monotonic() - began:.1f}"]


async def consume(driver: Driver, place: str) -> None:
    """Consume until that fails."""
    async for batch in driver.consume([place], group="g" if driver.kind == "kafka" else ""):
        await driver.ack(batch)


async def at_the_start(what: str, kind: str, port: int) -> list[Row]:
    """Time the first publish and the first consume of drivers at a port."""
    os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = f"127.0.0.1:{port}"
    async with open_driver(kind, profile="local_dev_v1") as one, open_driver(kind, profile="local_dev_v1") as other:
        publish = told(what, kind, "publish", one.publish(Envelope("nowhere", b"k", b"1")))
        return list(await asyncio.gather(publish, told(what, kind, "consume", consume(other, "nowhere"))))


async def without_a_broker() -> list[Row]:
    """Time addresses that nothing answers at."""
    with ExitStack() as stack:
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            link = stack.enter_context(socket.socket())
            link.setblocking(False)
            link.connect_ex(full.getsockname())
        cases = {
            "start: connections refused": free_port(),
            "start: packets swallowed": full.getsockname()[1],
            "start: never answered": silent.getsockname()[1],
        }
        runs = []
        for what, port in cases.items():
            for kind in KINDS:
                runs.append(asyncio.create_task(at_the_start(what, kind, port)))
                await asyncio.sleep(0)  # it has read the address
        return [row for rows in await asyncio.gather(*runs) for row in rows]


async def with_a_broker(kind: str, broker: RunningBroker) -> list[Row]:
    """Time what happens to drivers in the middle of their work."""
    os.environ[f"X07_{kind.upper()}_LOCAL_DEV_V1"] = broker.address
    rows: list[Row] = []
    for what, number in (("broker stopped", signal.SIGSTOP), ("broker killed", signal.SIGKILL)):
        async with open_driver(kind, profile="local_dev_v1") as one, open_driver(kind, profile="local_dev_v1") as other:
            place = await make(kind, broker.address, other, what.replace(" ", "-"))
            await one.publish(Envelope(place, b"k", b"0"))
            batches = other.consume([place], group="g" if kind == "kafka" else "")
            await other.ack(await anext(batches))
            os.kill(broker.pid, number)
            publish = told(what, kind, "publish", one.publish(Envelope(place, b"k", b"1")))
            rows += await asyncio.gather(publish, told(what, kind, "consume", batches.__anext__()))
            if number is signal.SIGSTOP:
                os.kill(broker.pid, signal.SIGCONT)
    return rows


async def make(kind: str, address: str, driver: Driver, place: str) -> str:
    """Make a topic or a queue, and return its name."""
    if kind == "amqp":
        await driver.control("apply_topology", {"topology": {"queues": [{"name": place}]}})
    else:
        from confluent_kafka.admin import AdminClient, NewTopic

        client = AdminClient({"bootstrap.servers": address})
        await asyncio.to_thread(client.create_topics([NewTopic(place, 1)])[place].result, 30)
    return place


async def refused_user(address: str) -> list[Row]:
    """Time RabbitMQ's refusal of a password."""
    os.environ["X07_SECRET_RABBIT_PASSWORD"] = "wrong"
    try:
        return await at_the_start("password refused", "amqp", int(address.rpartition(":")[2]))
    finally:
        os.environ["X07_SECRET_RABBIT_PASSWORD"] = "guest"


async def full_broker(root: Path) -> list[Row]:
    """Time a publish to a RabbitMQ whose disk alarm is on from the start."""
    broker = await asyncio.to_thread(start_native, root, "amqp", port=0, settings=FULL)
    os.environ["X07_AMQP_LOCAL_DEV_V1"] = broker.address
    async with open_driver("amqp", profile="local_dev_v1") as driver:
        place = await make("amqp", broker.address, driver, "full")
        while (row := await told("disk alarm", "amqp", "publish", driver.publish(Envelope(place))))[3] == "none":
            pass
        return [row]


async def measure(folder: Path) -> list[Row]:
    """Return all rows."""
    rows = await without_a_broker()
    running = {
        kind: await asyncio.to_thread(start_native, folder, kind, port=0, settings=SETTINGS[kind]) for kind in KINDS
    }
    rows += await refused_user(running["amqp"].address)
    rows += await at_the_start("unknown topic", "kafka", int(running["kafka"].address.rpartition(":")[2]))
    rows += await full_broker(folder / "full")
    for some in await asyncio.gather(*[with_a_broker(kind, broker) for kind, broker in running.items()]):
        rows += some
    return rows


def main() -> None:
    """Measure in a project of its own, and write the results."""
    folder = Path(tempfile.mkdtemp(prefix="x07-failures-"))
    shutil.copytree(ROOT / "docs" / "examples" / "contracts_project" / "arch", folder / "arch")
    os.chdir(folder)
    os.environ.update(X07_SECRET_RABBIT_USERNAME="guest", X07_SECRET_RABBIT_PASSWORD="guest")
    try:
        rows = asyncio.run(measure(folder))
    finally:
        for root, kind in ((folder, "kafka"), (folder, "amqp"), (folder / "full", "amqp")):
            stop_broker(root, kind)
        shutil.rmtree(folder, ignore_errors=True)
    names = ["what", "broker", "doing", "error", "seconds"]
    results = {"rows": [dict(zip(names, row, strict=True)) for row in rows]}
    write("failures", "make bench-failures", ("x07py", "confluent-kafka", "aiormq"), results, table(names, rows))


if __name__ == "__main__":
    main()
