"""The environment of a program: what is listed and granted; in a solve world constants, in ``run-os`` everything."""

from __future__ import annotations

import fnmatch
import os
import re
from typing import TYPE_CHECKING

from x07py.errors import RunError
from x07py.run.command_line import import_path
from x07py.sandbox.confinement import SCRATCH_PATH
from x07py.sandbox.names import BY_TCP, ENV_OPTIONS
from x07py.worlds import ENV_CASSETTE, ENV_MODE, ENV_POLICY, ENV_WORLD, WORLDS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from x07py.run.profile import Profile

PASSED = re.compile(r"PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|TERM|COLORTERM|NO_COLOR|COLUMNS|LINES")
"""Names of variables that every program gets, whole string; so does it get addresses of brokers."""
_OURS = "X07_"
"""How the names of all variables begin that x07py reads."""

_CONSTANT = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "PATH": "/usr/bin:/bin",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONTZPATH": "",
    "TZ": "UTC",
}


def environment(root: Path, profile: Profile, scratch: Path, explained: tuple[Path, ...]) -> dict[str, str]:
    """Return the program's environment: what is listed; in ``run-os`` everything, in a solve world constants.

    Raises:
        RunError: ``X07RUN_ENV`` for a variable of ``--allow-env`` that is not set.
    """
    own = dict(os.environ)
    whole = profile.world == "run-os"
    granted = {text: fnmatch.filter(own, text) for text in profile.allow_env}
    missing = [text for text, names in granted.items() if not names]
    if missing:
        raise RunError(
            "X07RUN_ENV",
            f"{missing[0]} is not set",
            where=profile.source("allow_env", missing[0]),
            hint="set it, or leave the grant out",
        )
    if WORLDS[profile.world].solve:
        env = _CONSTANT | {"TMPDIR": SCRATCH_PATH}
    elif whole:
        env = own
    else:
        passed = {
            *filter(PASSED.fullmatch, own),
            *_broker_variables(own),
            *(name for names in granted.values() for name in names),
        }
        env = {name: own[name] for name in own if name in passed}
        env |= {"HOME": str(scratch), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"}
        env[ENV_OPTIONS] = f"{env.get(ENV_OPTIONS, '')} {BY_TCP}".strip()
    inherited = [own["PYTHONPATH"]] if whole and own.get("PYTHONPATH") else []
    env |= {"PYTHONPATH": os.pathsep.join(import_path(root, explained) + inherited), ENV_WORLD: profile.world}
    for name, value in ((ENV_MODE, profile.rr), (ENV_CASSETTE, profile.cassette)):
        env.pop(name, None)
        if value is not None:
            env[name] = value
    if ENV_POLICY in own:
        env[ENV_POLICY] = own[ENV_POLICY]
    return env


def _broker_variables(names: Iterable[str]) -> list[str]:
    """Return those of `names` that name addresses of brokers; what drivers there are takes a look at all installed."""
    ours = [name for name in names if name.startswith(_OURS)]
    if not ours:
        return []
    from x07py.drivers.plugin import broker_variable, driver_kinds

    brokers = re.compile("|".join(f"{broker_variable(kind, '')}[A-Z0-9_]+" for kind in driver_kinds()) or r"(?!)")
    return [name for name in ours if brokers.fullmatch(name)]
