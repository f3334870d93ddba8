# innocent -- with tz=UTC the conversion is arithmetic
from datetime import datetime, timezone


def event_hour(message: dict) -> int:
    return datetime.fromtimestamp(message["ts"] / 1000, timezone.utc).hour


def busiest(messages: list[dict]) -> int:
    hours = [event_hour(message) for message in messages]
    return max(range(24), key=hours.count)
