"""A test of 1,000 messages: replayed through the drop-ins, on FastStream's test brokers, and as 1,000 GETs with vcrpy.

The FastStream program publishes 1,000 messages of 200 bytes and its handler takes them; it is the same on a cassette
and on the test broker, which calls the handler in place of a broker. The plain programs do as much with the client
libraries alone. vcrpy answers 1,000 GETs of 200 bytes by requests. Cassettes are recorded on RabbitMQ and Apache Kafka
once; each measurement is a process of its own that counts what it got and tells the seconds after its imports.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.measure import table, write
from bench.replay import peer_record, peer_replay

COUNT = 1_000
ROUNDS = 5
QUEUE = "bench"
BODY = "0" * 200
FASTSTREAM = ("faststream-rabbit", "faststream-confluent")
PLAIN = ("aio-pika", "confluent-kafka")
NOWHERE = "127.0.0.1:1"
RANDOM = ("correlation-id", "correlation_id", "timestamp")


def kind_of(name: str) -> str:
    """Return which broker a program needs."""
    return "amqp" if name in ("aio-pika", "faststream-rabbit") else "kafka"


def make_broker(name: str, address: str) -> Any:
    """Return a FastStream broker, its test broker class, and the options of its subscriber."""
    if kind_of(name) == "amqp":
        from faststream.rabbit import RabbitBroker, TestRabbitBroker

        return RabbitBroker(f"amqp://guest:guest@{address}/", logger=None), TestRabbitBroker, {}
    from faststream.confluent import KafkaBroker, TestKafkaBroker

    return KafkaBroker(address, logger=None), TestKafkaBroker, {"auto_offset_reset": "earliest"}


async def faststream_program(name: str, address: str, *, in_memory: bool) -> int:
    """Publish and handle `COUNT` messages; return how many were handled."""
    broker, in_memory_class, options = make_broker(name, address)
    handled = 0
    done = asyncio.Event()

    @broker.subscriber(QUEUE, **options)  # type: ignore[untyped-decorator]
    async def handle(text: str) -> None:
        nonlocal handled
        handled += len(text) == len(BODY)
        if handled == COUNT:
            done.set()

    async with in_memory_class(broker) if in_memory else broker:
        if not in_memory:
            await broker.start()
        for _ in range(COUNT):
            await broker.publish(BODY, QUEUE)
        await done.wait()
    return handled


async def aio_pika_program(address: str) -> int:
    """Publish and consume `COUNT` messages with aio-pika."""
    import aio_pika

    taken = 0
    async with await aio_pika.connect_robust(f"amqp://guest:guest@{address}/") as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(f"{QUEUE}-plain")
        for _ in range(COUNT):
            await channel.default_exchange.publish(aio_pika.Message(BODY.encode()), routing_key=queue.name)
        async with queue.iterator() as messages:
            async for message in messages:
                await message.ack()
                taken += 1
                if taken == COUNT:
                    break
    return taken


def kafka_program(address: str) -> int:
    """Produce and consume `COUNT` messages with confluent-kafka."""
    from confluent_kafka import Consumer, Producer

    producer = Producer({"bootstrap.servers": address})
    for _ in range(COUNT):
        producer.produce(f"{QUEUE}-plain", value=BODY)
        producer.poll(0)
    producer.flush(30)
    consumer = Consumer({"bootstrap.servers": address, "group.id": QUEUE, "auto.offset.reset": "earliest"})
    consumer.subscribe([f"{QUEUE}-plain"])
    taken = 0
    while taken < COUNT:
        taken += consumer.poll(1.0) is not None
    consumer.close()
    return taken


def run(name: str, address: str, *, in_memory: bool = False) -> int:
    """Run a program and return how many messages it took."""
    if name in FASTSTREAM:
        return asyncio.run(faststream_program(name, address, in_memory=in_memory))
    return asyncio.run(aio_pika_program(address)) if name == "aio-pika" else kafka_program(address)


def import_all(name: str) -> None:
    """Import what a program uses, so that it is not measured."""
    if name in FASTSTREAM:
        make_broker(name, NOWHERE)


def on_cassette(name: str, folder: Path, address: str, mode: str) -> float:
    """Run a program on its cassette and return the seconds that it took, opening the cassette included."""
    from x07py import use_cassette

    with use_cassette("warm-up.x07rr.bin", root=folder):
        import_all(name)
    started = time.perf_counter()
    with use_cassette(f"{name}.x07rr.bin", root=folder, mode=mode, ignore_headers=RANDOM):
        assert run(name, address) == COUNT
    return time.perf_counter() - started


def in_memory(name: str) -> float:
    """Run a FastStream program on its test broker and return the seconds that it took."""
    import_all(name)
    started = time.perf_counter()
    assert run(name, NOWHERE, in_memory=True) == COUNT
    return time.perf_counter() - started


def vcr(folder: Path) -> float:
    """Replay `COUNT` GETs with vcrpy and return the seconds, opening included."""
    found = peer_replay("vcrpy", folder, COUNT)
    return found["open"] + found["replay"]


def step(action: str, name: str, folder: str, address: str) -> None:
    """Carry out one step in this process and print its seconds."""
    place = Path(folder)
    actions = {
        "record": lambda: on_cassette(name, place, address, "once"),
        "replay": lambda: on_cassette(name, place, address, "none"),
        "memory": lambda: in_memory(name),
        "vcr": lambda: vcr(place),
    }
    print(json.dumps(actions[action]()))


def _step(*args: str) -> float:
    done = subprocess.run([sys.executable, "-m", "bench.dropin", *args], stdout=subprocess.PIPE, check=True)
    return float(json.loads(done.stdout))


def _record(folder: Path) -> dict[str, float]:
    from x07py.brokers.process import start_native, stop_broker

    live: dict[str, float] = {}
    for kind in ("amqp", "kafka"):
        broker = start_native(folder, kind, port=0)
        try:
            for name in (*FASTSTREAM, *PLAIN):
                if kind_of(name) == kind:
                    live[name] = _step("record", name, str(folder), broker.address)
        finally:
            stop_broker(folder, kind)
    return live


def main() -> None:
    """Measure, print and write the results."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        live = _record(folder)
        (folder / "http").mkdir()
        peer_record("vcrpy", folder / "http", COUNT)
        candidates = {f"{name}, drop-in": ("replay", name, str(folder)) for name in (*FASTSTREAM, *PLAIN)}
        candidates |= {f"{name}, test broker": ("memory", name, str(folder)) for name in FASTSTREAM}
        candidates["requests, vcrpy"] = ("vcr", "vcrpy", str(folder / "http"))
        seconds: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(ROUNDS):
            for name, args in candidates.items():
                seconds[name].append(_step(*args, NOWHERE))
    found = {name: statistics.median(runs) for name, runs in seconds.items()}
    rows = [[name, f"{1000 * one:.0f}", f"{one / found['requests, vcrpy']:.2f}"] for name, one in found.items()]
    headings = ["1,000 messages", "milliseconds", "time, to vcrpy's"]
    results = {"replay": found, "recording, seconds": live}
    distributions = ["x07py", "confluent-kafka", "aio-pika", "faststream", "vcrpy", "requests"]
    write("dropin", "make bench-dropin", distributions, results, table(headings, rows))


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    step(*sys.argv[1:]) if len(sys.argv) > 1 else main()
