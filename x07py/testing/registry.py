"""The cassettes in use: which tape a client that is made now belongs to."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from x07py.testing.tape import Tape

_stack: list[dict[str, Tape]] = []


def push(tapes: dict[str, Tape]) -> None:
    """Make `tapes`, by name of the client library, those in use."""
    _stack.append(tapes)


def pop(tapes: dict[str, Tape]) -> None:
    """End the use of `tapes`."""
    _stack.remove(tapes)


def tape_for(library: str) -> Tape | None:
    """Return the innermost tape for the client that is being made, or None outside of every cassette.

    To be called from the constructor of a drop-in class. The drivers and development brokers of x07py make clients too;
    they have recordings of their own.
    """
    maker = sys._getframe(2).f_globals.get("__name__", "")
    return _stack[-1].get(library) if _stack and not maker.startswith("x07py.") else None


def in_use() -> bool:
    """Tell whether any cassette is in use."""
    return bool(_stack)
