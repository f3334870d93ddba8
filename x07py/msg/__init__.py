"""Messages: envelopes, records and DataModel documents. Pure; the standard library is all it imports.

Each name is imported when it is first used: some take as long to import as Python takes to start.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_PLACES = {
    "CloudEvent": "cloudevents",
    "Columns": "envelope",
    "Envelope": "envelope",
    "Measured": "envelope",
    "MessageRecord": "record",
    "TopicLimits": "topics",
    "TopicPattern": "topics",
    "answer_to": "answers",
    "check_topic": "envelope",
    "columns": "envelope",
    "from_native": "native",
    "measure": "envelope",
    "native_partition": "native",
    "plain_parts": "envelope",
    "to_native": "native",
    "typed": "typed_handlers",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(f"{__name__}.{_PLACES.get(name, name)}")
    value = globals()[name] = getattr(module, name) if name in _PLACES else module
    return value
