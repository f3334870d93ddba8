"""kombu's simple queues: JSON, a compressed body, and a queue that stays empty for as long as one waits."""

import sys

from kombu import Connection

with Connection(sys.argv[1]) as connection:
    queue = connection.SimpleQueue("kombu-queue")
    for body, compression in (({"a": 1}, None), ({"b": [2, None]}, "zlib")):
        queue.put(body, compression=compression)
        message = queue.get(timeout=5)
        print(message.payload)
        message.ack()
    try:
        queue.get(timeout=0.3)
    except queue.Empty:
        print("nothing more")
    queue.close()
