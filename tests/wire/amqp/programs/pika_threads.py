"""pika in three threads, each with a connection of its own, acknowledging by callbacks from elsewhere."""

import sys
import threading
from functools import partial
from typing import Any

import pika

found: dict[int, list[bytes]] = {}


def work(number: int) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
    channel = connection.channel()
    queue = f"pika-thread-{number}"
    channel.queue_declare(queue, auto_delete=True)
    for item in range(5):
        channel.basic_publish("", queue, f"{number}.{item}".encode())
    found[number] = []

    def arrived(channel: Any, method: Any, _: Any, body: bytes) -> None:
        found[number].append(body)
        connection.add_callback_threadsafe(partial(channel.basic_ack, method.delivery_tag))
        if len(found[number]) == 5:
            connection.add_callback_threadsafe(channel.stop_consuming)

    channel.basic_consume(queue, arrived)
    channel.start_consuming()
    connection.close()


threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(sorted(found.items()))
