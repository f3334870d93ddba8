"""CloudEvents 1.0 context attributes as message headers, in the names of the Kafka binary content mode.

Attributes are headers with the prefix ``ce_``; ``datacontenttype`` is ``content-type``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from x07py.errors import EnvelopeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "ce_"
_CONTENT_TYPE = "content-type"
_ATTRIBUTES = ("id", "source", "type", "specversion", "subject", "time", "dataschema")
_REQUIRED = ("id", "source", "type")
_NAME = re.compile(r"[a-z0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The context of an event; ``id`` and ``source`` together identify it.

    Args:
        id: unique within the source.
        source: URI reference of the producer.
        type: kind of event.
        specversion: version of CloudEvents.
        subject: what the event is about within the source.
        time: RFC 3339 time of the event.
        dataschema: URI of the schema of the data.
        datacontenttype: media type of the data.
        extensions: further attributes; lower-case letters and digits in names.
    """

    id: str
    source: str
    type: str
    specversion: str = "1.0"
    subject: str | None = None
    time: str | None = None
    dataschema: str | None = None
    datacontenttype: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)

    def to_headers(self) -> dict[str, str]:
        """Return the headers that carry this context.

        Raises:
            EnvelopeError: 9593 if a required attribute is empty, or an extension's name is not lower-case letters and
                digits or is the name of an attribute.
        """
        for name in _REQUIRED:
            if not getattr(self, name):
                raise _invalid(f"attribute {name} is empty")
        headers = {_PREFIX + name: value for name in _ATTRIBUTES if (value := getattr(self, name)) is not None}
        if self.datacontenttype is not None:
            headers[_CONTENT_TYPE] = self.datacontenttype
        for name, value in self.extensions.items():
            if not _is_extension(name):
                raise _invalid(f"{name!r} is not the name of an extension")
            headers[_PREFIX + name] = value
        return headers

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> CloudEvent:
        """Return the context that message headers carry; others, also ones whose name no attribute has, are ignored.

        Raises:
            EnvelopeError: 9593 if ``ce_id``, ``ce_source`` or ``ce_type`` is missing or empty.
        """
        found = {name[len(_PREFIX) :]: value for name, value in headers.items() if name.startswith(_PREFIX)}
        for name in _REQUIRED:
            if not found.get(name):
                raise _invalid(f"header {_PREFIX}{name} is missing")
        extensions = {name: value for name, value in found.items() if _is_extension(name)}
        known = {name: found[name] for name in _ATTRIBUTES if name in found}
        return cls(**known, datacontenttype=headers.get(_CONTENT_TYPE), extensions=extensions)


def _is_extension(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in (*_ATTRIBUTES, "datacontenttype")


def _invalid(message: str) -> EnvelopeError:
    return EnvelopeError(9593, f"no CloudEvent: {message}", hint="id, source and type are required")
