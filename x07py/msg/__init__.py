"""Messages: envelopes, records and DataModel documents. Pure; the standard library is all it imports."""

from x07py.msg import datamodel
from x07py.msg.cloudevents import CloudEvent
from x07py.msg.envelope import Envelope, check_topic
from x07py.msg.native import from_kafka, kafka_partition, to_kafka
from x07py.msg.record import MessageRecord

__all__ = [
    "CloudEvent",
    "Envelope",
    "MessageRecord",
    "check_topic",
    "datamodel",
    "from_kafka",
    "kafka_partition",
    "to_kafka",
]
