"""What shall be explored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from x07py.explore.faults import WIRE_FAMILIES
from x07py.explore.sources import clients_of
from x07py.explore.wire.program import Command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from x07py.explore.inputs import Input
    from x07py.explore.promises import Promises
    from x07py.explore.services import Answered


UNTIL_IDLE_S = 2.0
"""After how long without anything happening a program over the wire is at its end, where nothing else is said."""


@dataclass(frozen=True)
class Order:
    """What shall be explored.

    Args:
        root: the project's folder.
        entry: the program.
        args: its arguments.
        inputs: the messages that are there.
        promises: what it promises.
        families: the faults.
        seed: of what is drawn.
        call: keyword arguments of the program, where it is a test.
        here: run in this process, on one core.
        answers: what services outside of the program answer to its requests.
        until_idle_s: over the wire, after how long without anything happening the program is at its end; 0 where it
            runs in virtual time.
    """

    root: Path
    entry: str
    args: tuple[str, ...]
    inputs: Sequence[Input]
    promises: Promises
    families: frozenset[str]
    seed: int = 0
    call: tuple[tuple[str, str], ...] = ()
    here: bool = False
    answers: Sequence[Answered] = ()
    until_idle_s: float = 0.0

    @property
    def command(self) -> Command | None:
        """How the program is started over the wire; None where it runs in virtual time."""
        if not self.until_idle_s:
            return None
        clients = clients_of(self.root, self.entry)
        return Command(self.root, self.entry, self.args, self.until_idle_s, clients, self.call)


def wire_families(promises: Promises) -> tuple[str, ...]:
    """Return the families of faults that a program meets over the wire: several instances also meet rebalances."""
    return (*WIRE_FAMILIES, *(("rebalance",) if promises.instances > 1 else ()))
