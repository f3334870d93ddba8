"""Opening sessions: by a policy of the project, and by what ``x07 run --rr`` put in the environment."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from x07py.contracts.loader import find_root
from x07py.contracts.rr import LIMITS, only_policy_id, read_rr_policy
from x07py.errors import CassetteError
from x07py.rr.config import Config, Match, Mode
from x07py.rr.session import Session
from x07py.worlds import ENV_CASSETTE, ENV_MODE, ENV_POLICY, current_world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from x07py.contracts.rr import RRPolicy


def open_session(
    policy: RRPolicy, cassette: str, root: Path, *, mode: Mode | None = None, world: str = "run-os"
) -> Session:
    """Return a session under a policy of the project at `root`.

    Args:
        policy: the policy, as `x07py.contracts.rr.read_rr_policy` returns it.
        cassette: path below ``.x07_rr``.
        root: the project's folder.
        mode: what to do; None takes the policy's default.
        world: the world of the running program.

    Raises:
        CassetteError: 2059 if the policy does not allow the mode or the world; 2000 to 2008, 2014 and 2055 on opening.
    """
    chosen = mode if mode is not None else Mode.parse(policy.mode_default)
    if chosen.contract_name not in policy.modes_allowed:
        raise _not_allowed(policy, f"mode {chosen.contract_name}", "defaults.record_modes_allowed")
    if world not in policy.worlds_allowed:
        raise _not_allowed(policy, f"world {world}", "worlds_allowed")
    config = Config(
        mode=chosen,
        match=Match[policy.match_mode.removesuffix("_v1").upper()],
        cassette=cassette,
        **{name: getattr(policy, name) for name in LIMITS},
    )
    return Session(config, root, policy=policy, allow_unused=policy.unused_entries == "ignore")


def _not_allowed(policy: RRPolicy, what: str, where: str) -> CassetteError:
    return CassetteError(
        2059,
        f"policy {policy.id!r} does not allow {what}",
        where=policy.source,
        hint=f"add it to {where} in arch/rr/index.x07rr.json",
    )


@contextmanager
def session(*, policy: str | None = None, cassette: str | None = None, mode: str | None = None) -> Iterator[Session]:
    """Open a record/replay session for the block.

    What is not given is taken from the environment, which ``x07 run --rr MODE --cassette NAME`` sets
    (``X07_RR_POLICY``, ``X07_RR_CASSETTE``, ``X07_RR_MODE``), the policy then from the project's only one.

    Args:
        policy: id of a policy in ``arch/rr/index.x07rr.json``.
        cassette: path below ``.x07_rr`` of the project.
        mode: off, record, replay, record_missing or rewrite; the policy's default if neither is set.

    Raises:
        ContractError: the policy cannot be read.
        CassetteError: the session cannot be opened, or its recording not be completed.
        ReplayMismatchError: 2051 at the end of a replay that left entries unused.
    """
    with open_session_from_environment(policy, cassette, mode) as opened:
        yield opened


def open_session_from_environment(policy: str | None, cassette: str | None, mode: str | None) -> Session:
    """Return the session that `session` would open; the arguments win over the environment."""
    root = find_root()
    name = cassette or os.environ.get(ENV_CASSETTE)
    if not name:
        raise CassetteError(
            2000, "no cassette is named", hint=f"pass cassette=, use `x07 run --cassette`, or set {ENV_CASSETTE}"
        )
    chosen = mode or os.environ.get(ENV_MODE)
    return open_session(
        read_rr_policy(root, policy or os.environ.get(ENV_POLICY) or only_policy_id(root)),
        name,
        root,
        mode=Mode.parse(chosen) if chosen else None,
        world=current_world().name,
    )
