"""Messages: envelopes, records and DataModel documents. Pure; the standard library is all it imports."""

from x07py.msg import datamodel
from x07py.msg.answers import answer_to
from x07py.msg.cloudevents import CloudEvent
from x07py.msg.envelope import Columns, Envelope, Measured, check_topic, columns, measure, plain_parts
from x07py.msg.native import from_native, native_partition, to_native
from x07py.msg.record import MessageRecord
from x07py.msg.topics import TopicLimits, TopicPattern
from x07py.msg.typed_handlers import typed

__all__ = [
    "CloudEvent",
    "Columns",
    "Envelope",
    "Measured",
    "MessageRecord",
    "TopicLimits",
    "TopicPattern",
    "answer_to",
    "check_topic",
    "columns",
    "datamodel",
    "from_native",
    "measure",
    "native_partition",
    "plain_parts",
    "to_native",
    "typed",
]
