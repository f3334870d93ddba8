"""The conformance suite of drivers: what x07py's own are held to, for authors of others.

::

    SUBJECT = Subject("redis", "local", fail=ask_for_what_is_not_there, traits=frozenset({"groups", "lag"}))

    def test_conformance() -> None:
        live = asyncio.run(conformance(SUBJECT, run="a", mode="record"))
        assert set(live.values()) == {"yes"}
        assert asyncio.run(conformance(SUBJECT, run="a", mode="replay")) == live

It runs in a project with contracts for the kind and a record/replay policy that allows its operations, against a broker
for ``off`` and ``record``, without one for ``replay``.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

from x07py.errors import X07Error
from x07py.rr import session
from x07py.testing.conformance import common, members, traits
from x07py.testing.conformance.subject import CHECKS, Semantics, Subject, values

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["CHECKS", "VERSION", "Semantics", "Subject", "conformance", "suite_of", "values"]
VERSION = 2
"""Grows with what the suite asks; 2 asks that members of a group share what comes."""
_PARTS = (common, members, traits)
"""The modules whose import fills the suite."""


def suite_of(subject: Subject) -> list[Semantics]:
    """Return the checks that concern a subject: those for every broker, and those of its traits.

    Raises:
        ValueError: for a trait that the suite does not know.
    """
    known = {one.trait for one in CHECKS.values()}
    if unknown := sorted(subject.traits - known):
        raise ValueError(f"the suite knows no trait {unknown[0]!r}; it knows {', '.join(sorted(known - {''}))}")
    return [one for one in CHECKS.values() if one.trait in {"", *subject.traits}]


async def conformance(
    subject: Subject,
    *,
    run: str,
    mode: Literal["off", "record", "replay"] = "off",
    only: Collection[str] = (),
    timeout_s: float = 180.0,
) -> dict[str, str]:
    """Hold a driver to the suite; all checks at once, for most of the time is waiting.

    Args:
        subject: the driver.
        run: starts the names of places and cassettes: another one for each run on one broker, the same one for a
            recording and its replay.
        mode: ``off`` for a broker alone, ``record`` to record it too, ``replay`` for the recording alone.
        only: texts of checks; all that concern the subject if empty.
        timeout_s: seconds that each check may take.

    Returns:
        By the text of each check ``yes``, ``no``, or the error that ended it.

    Raises:
        ValueError: as `suite_of`.
    """
    rows = [one for one in suite_of(subject) if not only or one.text in only]
    numbers = {text: number for number, text in enumerate(CHECKS)}
    places = [f"{run}-{numbers[one.text]}" for one in rows]
    found = await asyncio.gather(
        *[_outcome(subject, one, place, mode, timeout_s) for one, place in zip(rows, places, strict=True)]
    )
    return {one.text: outcome for one, outcome in zip(rows, found, strict=True)}


async def _outcome(subject: Subject, one: Semantics, place: str, mode: str, timeout_s: float) -> str:
    recording = nullcontext() if mode == "off" else session(cassette=f"{place}.x07rr.bin", mode=mode)
    try:
        with recording:
            return "yes" if await asyncio.wait_for(one.check(subject, place), timeout_s) else "no"
    except (X07Error, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
