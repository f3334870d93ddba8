# innocent -- the time stamp is a field the caller fills; default_factory is dict
from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Envelope:
    topic: str
    created: datetime
    headers: dict[str, str] = field(default_factory=dict)

    def expires(self, ttl: timedelta = timedelta(minutes=5)) -> datetime:
        return self.created + ttl


def is_stale(envelope: Envelope, now: datetime) -> bool:
    return now >= envelope.expires()
