"""kombu on its transport for confluent-kafka: ``ADDRESS TOPIC``."""

import sys

from kombu import Connection

address, topic = sys.argv[1:]
with Connection(f"confluentkafka://{address}/") as connection:
    queue = connection.SimpleQueue(topic)
    for n in range(3):
        queue.put({"n": n})
    for _ in range(3):
        message = queue.get(timeout=60)
        sys.stdout.write(f"got {message.payload['n']}\n")
        message.ack()
    queue.close()
