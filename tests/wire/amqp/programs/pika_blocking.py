"""pika's blocking adapter: confirms, a message that no queue takes, consuming by generator, no such queue."""

import sys

import pika

connection = pika.BlockingConnection(pika.URLParameters(sys.argv[1]))
channel = connection.channel()
channel.queue_declare("pika-blocking", auto_delete=True)
channel.confirm_delivery()
for number in range(3):
    properties = pika.BasicProperties(headers={"number": number}, message_id=f"id{number}")
    channel.basic_publish("", "pika-blocking", f"message {number}".encode(), properties)
try:
    channel.basic_publish("", "nowhere", b"lost", mandatory=True)
except pika.exceptions.UnroutableError as error:
    print("returned:", error.messages[0].method.reply_text)
for number, (method, properties, body) in enumerate(channel.consume("pika-blocking", inactivity_timeout=5)):
    print(body, properties.headers["number"], properties.message_id, method.redelivered)
    channel.basic_ack(method.delivery_tag)
    if number == 2:
        break
channel.cancel()
try:
    channel.queue_declare("pika-nobody", passive=True)
except pika.exceptions.ChannelClosedByBroker as error:
    print(error)
connection.close()
