"""What shall be explored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from x07py.explore.inputs import Input
    from x07py.explore.promises import Promises
    from x07py.explore.services import Answered


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
