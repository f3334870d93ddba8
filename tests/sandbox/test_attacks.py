"""What a hostile program tries fails inside and works outside, as root and as nobody, with namespaces and without."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.conftest import Ground, Listeners, drive
from tests.sandbox.test_coverage import attempts

HARMLESS_BEFORE_RELAYS = {"?connect unspecified family", "connect unspecified allowed port"}
"""Undoing a connection, and another name of the relay: both end where the allowlist leads anyway."""
EXPLANATION = Path(__file__).parents[2] / "docs/explanation/enforcement.md"
RACE_SECONDS = os.environ.get("X07_RACE_SECONDS", "1")


def results(text: str) -> dict[str, int]:
    rows = [line.rpartition(" ") for line in text.splitlines() if line]
    return {name: int(code) for name, _, code in rows}


def attack(built: Path, listeners: Listeners, uid: int | None, ground: Ground, **how: Any) -> dict[str, int]:
    ports = [str(listeners.allowed), str(listeners.denied)]
    places = [str(ground.inside), str(ground.outside)]
    outcome, text = drive(
        argv=[str(built / "attacks"), *ports, *places, "@PID", RACE_SECONDS, str(built / "unreadable")],
        uid=uid,
        port=listeners.allowed,
        read=[str(built)],
        write=[str(ground.inside)],
        timeout=100 + 6 * float(RACE_SECONDS),  # there are three races
        **how,
    )
    assert outcome.get("status") == 0, (outcome, text[-300:])
    return results(text)


@pytest.mark.parametrize(
    "how",
    [{"namespaces": True}, {"namespaces": False}, {"namespaces": True, "emulate": ["busy"]}],
    ids=["namespaces", "plain", "relays"],
)
def test_nothing_gets_out(
    built: Path, listeners: Listeners, ground: tuple[int | None, Ground], how: dict[str, object]
) -> None:
    uid, place = ground
    before = place.state()
    found = attack(built, listeners, uid, place, **how)
    assert attempts() - set(found) == set()
    assert f"{len(found)} attempts" in EXPLANATION.read_text()
    assert listeners.unexpected() == set()
    assert ("127.0.0.1", listeners.allowed) in listeners.seen
    assert (place.state(), place.knocked()) == (before, 0)
    escaped = {name for name, code in found.items() if code == 0 and name[0] not in "+~"}
    assert escaped - (HARMLESS_BEFORE_RELAYS if "emulate" in how else set()) == set()
    assert {name: code for name, code in found.items() if name.startswith("+") and code} == {}


def test_each_attack_works_outside(built: Path, listeners: Listeners, ground: tuple[int | None, Ground]) -> None:
    """Else the test above would prove nothing; names with ``?`` are those that this kernel refuses to everybody."""
    uid, place = ground
    found = attack(built, listeners, uid, place, namespaces=False, confined=False)
    harmless = {name for name, code in found.items() if code and name[0] not in "?~"}
    assert harmless == set()
    assert len(listeners.unexpected()) > 8
    assert place.knocked() == 5
