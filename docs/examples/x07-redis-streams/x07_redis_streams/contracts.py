"""Typed reader of ``arch/msg/redis/index.x07redis.json``, the profiles of a project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.drivers import read_contract
from x07py.errors import ContractError

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "arch/msg/redis/index.x07redis.json"
INVALID = 9903
_NUMBERS = {
    "port": 65535,
    "max_message_bytes": 2**29,
    "max_poll_items": 10_000,
    "claim_idle_ms": 2**31,
    "poll_wait_ms": 60_000,
}


@dataclass(frozen=True, slots=True)
class RedisProfile:
    """One Redis server; times in milliseconds, sizes in bytes.

    Args:
        id: name of the profile.
        host: where it listens.
        port: its TCP port.
        max_message_bytes: largest encoded envelope.
        max_poll_items: most messages of a batch.
        claim_idle_ms: how long a message may lie with a consumer before another one takes it.
        poll_wait_ms: how long one question for messages waits.
    """

    id: str
    host: str
    port: int
    max_message_bytes: int
    max_poll_items: int
    claim_idle_ms: int
    poll_wait_ms: int


def profile_ids(root: Path) -> list[str]:
    """Return the ids of the project's profiles, none if it has no index.

    Raises:
        ContractError: 9903 if the index cannot be used.
    """
    return [str(row.get("id")) for row in _rows(root)] if (root / INDEX).is_file() else []


def read_profile(root: Path, profile: str) -> RedisProfile:
    """Return a profile.

    Raises:
        ContractError: 9903 if it is missing or malformed.
    """
    rows = {row.get("id"): row for row in _rows(root)}
    row = rows.get(profile)
    if row is None:
        known = ", ".join(sorted(str(name) for name in rows))
        raise ContractError(INVALID, f"no Redis profile is called {profile!r}", where=INDEX, hint=f"there are: {known}")
    for name, most in _NUMBERS.items():
        value = row.get(name)
        if type(value) is not int or not 1 <= value <= most:
            message = f"{name} of profile {profile!r} is {value!r}"
            raise ContractError(INVALID, message, where=INDEX, hint=f"a number from 1 to {most}")
    if not isinstance(row.get("host"), str) or not row["host"]:
        raise ContractError(INVALID, f"host of profile {profile!r} is no text", where=INDEX, hint="name the server")
    return RedisProfile(profile, row["host"], *(row[name] for name in _NUMBERS))


def _rows(root: Path) -> list[dict[str, Any]]:
    rows = read_contract(root, INDEX, code=INVALID).get("profiles")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ContractError(INVALID, "profiles is not a list of objects", where=INDEX, hint="see the README")
    return rows
