"""What ``@pytest.mark.x07`` was given: arguments that cannot be meant are refused by name, before the test runs."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from typing import TYPE_CHECKING

from x07py.errors import RunError, UsageError
from x07py.worlds import WORLDS

if TYPE_CHECKING:
    import pytest

    from x07py.testing.cassette import use_cassette

BROKERS = ("kafka", "amqp")
OF_EXPLORATION = ("explore", "inputs", "promises", "dead_letters", "invariants", "members")
"""Arguments of the marker that `x07py.explore.plugin` takes."""


def check_marker(marker: pytest.Mark, options_of: type[use_cassette]) -> None:
    """Refuse arguments of a marker that nothing takes.

    Args:
        marker: the test's marker.
        options_of: what takes all arguments but the marker's own.

    Raises:
        UsageError: ``X07_USAGE`` for an argument that there is not, ``X07_CASSETTE_BROKER`` for such a broker.
        RunError: ``X07RUN_WORLD_UNKNOWN``.
    """
    if len(marker.args) > 1 or (marker.args and "cassette" in marker.kwargs):
        raise UsageError(
            "X07_USAGE", "the marker x07 takes one cassette", hint='@pytest.mark.x07(cassette="a.x07rr.bin")'
        )
    known = {*inspect.signature(options_of).parameters, "cassette", "world", "broker", *OF_EXPLORATION} - {"name"}
    for name in marker.kwargs.keys() - known:
        raise UsageError("X07_USAGE", f"the marker x07 takes no argument {name!r}", hint=_nearest(name, known))
    world, broker = marker.kwargs.get("world"), marker.kwargs.get("broker", "kafka")
    if world is not None and world not in WORLDS:
        raise RunError("X07RUN_WORLD_UNKNOWN", f"no world is called {world!r}", hint=f"worlds: {', '.join(WORLDS)}")
    if broker not in BROKERS:
        raise UsageError(
            "X07_CASSETTE_BROKER", f"no broker is called {broker!r}", hint=f"brokers: {', '.join(BROKERS)}"
        )


def _nearest(name: str, known: set[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"it takes {', '.join(sorted(known))}"
