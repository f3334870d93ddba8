"""kafka-python, of whichever version is installed: ``ADDRESS TOPIC``."""

import sys

from kafka import KafkaConsumer, KafkaProducer

address, topic = sys.argv[1:]
producer = KafkaProducer(bootstrap_servers=address, compression_type="gzip")
for n in range(3):
    sent = producer.send(topic, f"value {n}".encode(), key=b"k").get(30)
    sys.stdout.write(f"sent {sent.partition} {sent.offset}\n")
producer.close()
settings = {"group_id": f"kafka-python-{topic}", "auto_offset_reset": "earliest", "enable_auto_commit": False}
consumer = KafkaConsumer(topic, bootstrap_servers=address, **settings)
for n, message in enumerate(consumer):
    sys.stdout.write(f"got {message.offset} {message.value.decode()} {message.timestamp}\n")
    if n == 2:
        break
consumer.commit()
consumer.close()
