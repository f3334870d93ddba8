"""A Quix Streams application that upper-cases what was sent to it: ``ADDRESS TOPIC``."""

import sys
import tempfile

from quixstreams import Application

address, topic = sys.argv[1:]
app = Application(
    broker_address=address,
    consumer_group=f"quix-{topic}",
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(),
    loglevel="ERROR",
)
incoming = app.topic(topic, value_deserializer="str")
answers = app.topic(f"{topic}-answers", value_serializer="str")
with app.get_producer() as producer:
    for n in range(3):
        producer.produce(topic, f"value {n}".encode(), key=b"k")
frame = app.dataframe(incoming)
frame = frame.apply(str.upper)
frame.update(lambda value: sys.stdout.write(f"got {value}\n"))
frame.to_topic(answers)
app.run(count=3, timeout=60)
