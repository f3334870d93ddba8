"""Quix Streams, which needs an older confluent-kafka than x07py is tested with, in an environment of its own.

``python bench/quix_program.py ADDRESS TOPIC COUNT`` prints the seconds from the first message to the last.
"""

from __future__ import annotations

import sys
import time
import uuid


def main(address: str, topic: str, count: int) -> None:
    """Consume and decode with a streaming data frame that produces nothing."""
    from quixstreams import Application

    app = Application(address, consumer_group=uuid.uuid4().hex, auto_offset_reset="earliest", loglevel="ERROR")
    done, started = 0, 0.0

    def take(_: object) -> None:
        nonlocal done, started
        started = started or time.perf_counter()
        done += 1
        if done == count:
            print(time.perf_counter() - started, flush=True)
            app.stop()

    frame = app.dataframe(app.topic(topic, value_deserializer="json"))
    frame.update(take)
    app.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
