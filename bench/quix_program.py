"""Quix Streams, which needs an older confluent-kafka than x07py is tested with, in an environment of its own.

``python bench/quix_program.py PROGRAM ADDRESS TOPIC COUNT`` prints what those of ``bench.kafka_programs`` return.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any

from bench.messages import paced

if TYPE_CHECKING:
    from collections.abc import Callable


def run(address: str, topic: str, take: Callable[[Any, Any], None]) -> None:
    """Run a data frame that decodes, calls `take` with the application and the value, and produces nothing."""
    from quixstreams import Application

    app = Application(address, consumer_group=uuid.uuid4().hex, auto_offset_reset="earliest", loglevel="ERROR")
    app.dataframe(app.topic(topic, value_deserializer="json")).update(lambda value: take(app, value))
    app.run()


def quix(address: str, topic: str, count: int) -> float:
    """Return the seconds from the first message to the last."""
    done, started, seconds = 0, 0.0, 0.0

    def take(app: Any, _: object) -> None:
        nonlocal done, started, seconds
        started = started or time.perf_counter()
        done += 1
        if done == count:
            seconds = time.perf_counter() - started
            app.stop()

    run(address, topic, take)
    return seconds


def quix_latency(address: str, topic: str, count: int) -> list[float]:
    """Produce and flush one message at a time in a thread; measured in the data frame."""
    from quixstreams import Application

    found: list[float] = []
    warm = threading.Event()

    def take(app: Any, sent: float) -> None:
        found.append(time.perf_counter() - sent)
        warm.set()
        if len(found) > count:
            app.stop()

    def produce() -> None:
        with Application(address, loglevel="ERROR").get_producer() as producer:
            producer.produce(topic, b"0")
            producer.flush()
            warm.wait()
            for _ in paced(count):
                producer.produce(topic, b"%.9f" % time.perf_counter())
                producer.flush()

    thread = threading.Thread(target=produce)
    thread.start()
    run(address, topic, take)
    thread.join()
    return found[1:]


PROGRAMS = {"quix": quix, "quix_latency": quix_latency}

if __name__ == "__main__":
    print(json.dumps(PROGRAMS[sys.argv[1]](sys.argv[2], sys.argv[3], int(sys.argv[4]))))
