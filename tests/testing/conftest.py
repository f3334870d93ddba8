"""What earlier tests of this process have left connected would count as going past a cassette."""

from __future__ import annotations

import gc
import os

import pytest


@pytest.fixture(autouse=True)
def _no_leftover_connections() -> None:
    """Let clients that nobody holds any more close their connections before the test."""
    if any(is_socket(name) for name in os.listdir("/proc/self/fd")):  # noqa: PTH208 (names alone)
        gc.collect()


def is_socket(name: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{name}").startswith("socket:")  # noqa: PTH115 (of a descriptor)
    except OSError:
        return False
