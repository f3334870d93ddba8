"""The seven worlds that a program can run in, and what each allows.

A world is a set of promises: ``solve-*`` worlds are deterministic and closed, ``run-os*`` worlds are real. The world
of the running process stands in the environment variable ``X07_WORLD``, which `x07 run` sets; without it a program is
in ``run-os``.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from x07py.errors import RunError

ENV_WORLD = "X07_WORLD"
ENV_MODE, ENV_CASSETTE, ENV_POLICY = "X07_RR_MODE", "X07_RR_CASSETTE", "X07_RR_POLICY"
"""How `x07 run` tells a program what to do with which cassette."""
CASSETTES = ".x07_rr"
"""The project's folder of cassettes."""


class World(NamedTuple):
    """One world: its name, and whether it is deterministic, may use the network, and may replay cassettes."""

    name: str
    solve: bool
    network: bool
    replay: bool
    files: str
    runnable: bool = True

    @property
    def confined(self) -> bool:
        """Whether the kernel holds a program in it."""
        return self.name != "run-os"

    @property
    def opens_drivers(self) -> bool:
        """Whether `open_driver` can give one: a live one over the network, or one that replays."""
        return self.network or self.replay


WORLDS: dict[str, World] = {
    world.name: world
    for world in (
        World("solve-pure", solve=True, network=False, replay=False, files="none"),
        World("solve-fs", solve=True, network=False, replay=False, files="fixtures"),
        World("solve-rr", solve=True, network=False, replay=True, files="cassettes"),
        World("solve-kv", solve=True, network=False, replay=False, files="none", runnable=False),
        World("solve-full", solve=True, network=False, replay=True, files="fixtures and cassettes"),
        World("run-os-sandboxed", solve=False, network=True, replay=True, files="policy"),
        World("run-os", solve=False, network=True, replay=True, files="all"),
    )
}


CONFINED_PROFILES = frozenset({"sandbox"})
"""Profiles whose very name says that they are confined: whatever a manifest says, they are."""
_PROMISING = ("sandbox", "confine", "isolat", "jail", "secure", "safe", "replay", "solve", "locked")


def breaks_its_name(profile: str, world: str) -> bool:
    """Tell whether a profile of this name may not have this world, which does not confine."""
    return profile in CONFINED_PROFILES and world in WORLDS and not WORLDS[world].confined


def belies_its_name(profile: str, world: str) -> bool:
    """Tell whether a profile's name lets readers expect more than its world, which does not confine, does."""
    return world in WORLDS and not WORLDS[world].confined and any(word in profile.lower() for word in _PROMISING)


def current_world() -> World:
    """Return the world of this process.

    Raises:
        RunError: ``X07RUN_WORLD_UNKNOWN`` if ``X07_WORLD`` names none of the seven.
    """
    name = os.environ.get(ENV_WORLD, "run-os")
    world = WORLDS.get(name)
    if world is None:
        raise RunError(
            "X07RUN_WORLD_UNKNOWN",
            f"no world is called {name!r}",
            where=f"environment variable {ENV_WORLD}",
            hint="worlds: " + ", ".join(WORLDS),
        )
    return world
