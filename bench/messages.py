"""What the programs of ``bench.drivers`` have in common."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_A_TIME = 500
FASTSTREAM_SHARE = 50
A_SECOND = 200


def body() -> bytes:
    """Return a JSON message of about 170 bytes."""
    order = {"id": 4711, "customer": "c" * 40, "amount": 12.5, "tags": ["new", "eu"], "at": "2026-01-01T00:00:00Z"}
    return json.dumps({**order, "note": "n" * 30}).encode()


def paced(count: int, *, sleep: bool = True) -> Iterator[float]:
    """Yield as often as asked, 200 times a second, sleeping or telling how long to sleep."""
    for _ in range(count):
        if sleep:
            time.sleep(1 / A_SECOND)
        yield 1 / A_SECOND
