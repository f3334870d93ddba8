# reaches: clock -- dataclass default_factory is a partial of datetime.now
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial

_stamp = partial(datetime.now, timezone.utc)


@dataclass
class Envelope:
    topic: str
    body: dict
    created: datetime = field(default_factory=_stamp)


def wrap(topic: str, body: dict) -> Envelope:
    return Envelope(topic, body)
