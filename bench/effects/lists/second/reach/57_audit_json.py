# reaches: identity -- json.dumps(default=str) on a class without __repr__
import json
from typing import Any


class Money:
    __slots__ = ("cents", "currency")

    def __init__(self, cents: int, currency: str = "EUR"):
        self.cents = cents
        self.currency = currency


def audit_line(event: str, **fields: Any) -> str:
    return json.dumps({"event": event, **fields}, default=str, sort_keys=True)


def paid(cents: int) -> str:
    return audit_line("paid", amount=Money(cents))
