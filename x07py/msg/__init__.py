"""Messages: envelopes, records and DataModel documents. Pure; the standard library is all it imports.

What needs `dataclasses` or `inspect` is imported when it is first used: those take as long as Python takes to start.
"""

from typing import TYPE_CHECKING

from x07py.msg import datamodel
from x07py.msg.answers import answer_to
from x07py.msg.envelope import Columns, Envelope, Measured, check_topic, columns, measure, plain_parts
from x07py.msg.native import from_native, native_partition, to_native
from x07py.msg.record import MessageRecord
from x07py.msg.topics import TopicLimits, TopicPattern

if TYPE_CHECKING:
    from x07py.msg.cloudevents import CloudEvent
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


def __getattr__(name: str) -> object:
    if name == "CloudEvent":
        from x07py.msg.cloudevents import CloudEvent

        return CloudEvent
    if name == "typed":
        from x07py.msg.typed_handlers import typed

        return typed
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
