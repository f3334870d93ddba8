# reaches: environment -- fromtimestamp without tz converts to the machine's time zone (TZ, /etc/localtime)
from datetime import datetime


def event_hour(message: dict) -> int:
    return datetime.fromtimestamp(message["ts"] / 1000).hour


def busiest(messages: list[dict]) -> int:
    hours = [event_hour(message) for message in messages]
    return max(range(24), key=hours.count)
