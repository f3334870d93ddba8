"""py-amqp alone: blocking sockets with time limits."""

import sys
from urllib.parse import urlsplit

import amqp

url = urlsplit(sys.argv[1])
seen: list[object] = []
with amqp.Connection(
    f"{url.hostname}:{url.port}", userid=url.username, password=url.password, confirm_publish=True
) as connection:
    channel = connection.channel()
    channel.queue_declare("py-amqp", auto_delete=True)

    def arrived(message: amqp.Message) -> None:
        seen.append((message.body, message.properties["application_headers"]))
        channel.basic_ack(message.delivery_tag)

    channel.basic_consume("py-amqp", callback=arrived)
    for number in range(3):
        message = amqp.Message(f"message {number}", application_headers={"number": number})
        channel.basic_publish(message, routing_key="py-amqp")
    while len(seen) < 3:
        connection.drain_events(timeout=5)
print(seen)
