"""Processes that end when the one that started them does."""

from __future__ import annotations

import contextlib
import ctypes

_DEATH_SIGNAL = 1


def end_with_parent(number: int) -> None:
    """Let the kernel send a signal to this process when the one that started it is gone; nothing where it cannot."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, number)
