"""pika's select adapter: everything by callbacks, in a loop of its own."""

import sys
from typing import Any

import pika


class Program:
    def __init__(self) -> None:
        self.seen = 0
        self.connection = pika.SelectConnection(
            pika.URLParameters(sys.argv[1]),
            on_open_callback=lambda connection: connection.channel(on_open_callback=self.opened),
            on_close_callback=lambda connection, _: connection.ioloop.stop(),
        )

    def opened(self, channel: Any) -> None:
        self.channel = channel
        channel.queue_declare("pika-select", auto_delete=True, callback=self.declared)

    def declared(self, _: Any) -> None:
        self.channel.basic_consume("pika-select", self.arrived)
        for number in range(3):
            self.channel.basic_publish("", "pika-select", f"message {number}".encode())

    def arrived(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        print(body)
        channel.basic_ack(method.delivery_tag)
        self.seen += 1
        if self.seen == 3:
            self.connection.close()


Program().connection.ioloop.start()
