"""Processes that are spawned and forked, each with a connection of its own."""

import multiprocessing
import os
import sys

import pika


def publish(name: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
    channel = connection.channel()
    channel.queue_declare("processes")
    channel.basic_publish("", "processes", name.encode())
    print(name, channel.basic_get("processes", auto_ack=True)[2], flush=True)
    connection.close()


if __name__ == "__main__":
    publish("parent")
    for how in ("spawn", "fork"):
        child = multiprocessing.get_context(how).Process(target=publish, args=(how,))
        child.start()
        child.join(30)
    forked = os.fork()
    if not forked:
        publish("os.fork")
        sys.exit(0)
    print(os.waitpid(forked, 0)[1])
