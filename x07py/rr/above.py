"""Connections that x07py's own drivers make: what they exchange is recorded above the sockets, not at them."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_recorded_above: ContextVar[bool] = ContextVar("x07_recorded_above", default=False)


@contextmanager
def recorded_above() -> Iterator[None]:
    """Let connections that the block makes, and tasks that it starts, pass by what records at sockets."""
    token = _recorded_above.set(True)
    try:
        yield
    finally:
        _recorded_above.reset(token)


def is_recorded_above() -> bool:
    """Return whether the connection that is being made is recorded elsewhere."""
    return _recorded_above.get()
