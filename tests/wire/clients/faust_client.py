"""A faust-streaming worker whose agent takes what a task of it sends: ``ADDRESS TOPIC``."""

import os
import signal
import sys
import tempfile

import faust

address, topic = sys.argv[1:]
app = faust.App(f"faust-{topic}", broker=f"kafka://{address}", datadir=tempfile.mkdtemp(), topic_partitions=1)
words = app.topic(topic, key_type=bytes, value_type=bytes, value_serializer="raw", partitions=1)
seen: list[bytes] = []


@app.agent(words)
async def show(values: faust.Stream[bytes]) -> None:
    async for value in values:
        seen.append(value)
        sys.stdout.write(f"got {value.decode()}\n")
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)


@app.task
async def send() -> None:
    for n in range(3):
        await words.send(key=b"k", value=b"value %d" % n)


faust.Worker(app, loglevel="ERROR", redirect_stdouts=False).execute_from_commandline()
