"""The cassettes in use: which tape a client that is made now belongs to."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from x07py.errors import UsageError
from x07py.wire.process.loops import current_task

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from x07py.wire.tape import Tape

_stack: list[Mapping[str, Any]] = []
_owners: list[_Owner] = []


class _Owner(NamedTuple):
    """Who has opened a cassette: a thread, and a task of asyncio if one runs."""

    name: str
    thread: int
    task: asyncio.Task[Any] | None


class Touched(Protocol):
    """What learns that a client is being made: a tape, or what stands there in place of one and refuses."""

    def touch(self) -> None:
        """Take note of it, or raise."""


def claim(name: str) -> None:
    """Take note that this thread opens a cassette, which `release` ends.

    Connections belong to the innermost cassette, whoever makes them; so what is in use at once is nested.

    Raises:
        UsageError: ``X07_CASSETTE_NESTED`` if another thread or task has one in use.
    """
    owner = _Owner(name, threading.get_ident(), current_task())
    if _owners and (_owners[-1].thread != owner.thread or (_owners[-1].task or owner.task) is not owner.task):
        raise UsageError(
            "X07_CASSETTE_NESTED",
            f"another {'task' if _owners[-1].thread == owner.thread else 'thread'} has {_owners[-1].name} in use",
            where=name,
            hint="one cassette for all of them, or one process for each",
        )
    _owners.append(owner)


def release(name: str) -> None:
    """End the use of a cassette that was claimed."""
    _owners[:] = [one for one in _owners if one.name != name]


def push(tapes: Mapping[str, Touched]) -> None:
    """Make `tapes`, by name of the client library, those in use."""
    _stack.append(tapes)


def pop(tapes: Mapping[str, Touched]) -> None:
    """End the use of `tapes`."""
    _stack.remove(tapes)


def tape_for(library: str, *packages: str) -> Tape | None:
    """Return the innermost tape for the client that is being made, or None outside of every cassette.

    The drivers and development brokers of x07py make clients too; they have recordings of their own.

    Args:
        library: name of the client library.
        packages: its import packages; whoever called into them makes the client.
    """
    if not _stack:
        return None
    frame = sys._getframe(1)
    while frame.f_back and _is_in(frame.f_globals.get("__name__", ""), (*packages, "x07py.testing")):
        frame = frame.f_back
    if _is_in(frame.f_globals.get("__name__", ""), ("x07py",)):
        return None
    tape: Tape | None = _stack[-1].get(library)
    if tape is not None:
        tape.touch()
    return tape


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def forget() -> None:
    """End the use of all tapes, in a process in which they are copies."""
    _stack.clear()
    _owners.clear()


def in_use() -> bool:
    """Tell whether any cassette is in use."""
    return bool(_stack)
