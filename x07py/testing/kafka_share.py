"""`confluent_kafka.ShareConsumer`, which no cassette can hold yet: it is refused by name, never let through."""

from __future__ import annotations

import functools
from typing import Any

from confluent_kafka import cimpl

from x07py.testing.kafka_producer import unsupported
from x07py.testing.kafka_tape import kafka_tape


@functools.cache
def share_consumers() -> tuple[tuple[type, type, type], ...]:
    """Return class, drop-in base and drop-in, where the installed confluent-kafka has share groups."""
    own: Any = getattr(cimpl, "ShareConsumer", None)
    if own is None:
        return ()

    class RefusedBase(own):  # type: ignore[misc]
        __slots__ = ()

        def __init__(self, *args: Any, **conf: Any) -> None:
            if kafka_tape() is not None:
                raise unsupported("ShareConsumer")
            super().__init__(*args, **conf)

    class Refused(RefusedBase):
        """What stands in place of `confluent_kafka.ShareConsumer` while a cassette is in use."""

    return ((own, RefusedBase, Refused),)
