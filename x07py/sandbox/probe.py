"""What this machine can enforce, found out by starting confined programs the way that `x07 run` does.

The files that should tell are wrong in containers and WSL, and a step that works alone may fail among the others. So a
program that does nothing is started in each kind of world, and what its report says is what is told here.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, TypedDict

_SECONDS = 30
_ITSELF = f"import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {__name__} import tell; tell()"


class Feature(TypedDict):
    """One layer or kind of world: its name, whether it is there, and what was seen."""

    name: str
    available: bool
    detail: str


def kernel_features() -> list[Feature]:
    """Return each layer of the sandbox as a start found it, and whether `x07 run` confines here."""
    found = _started()
    sandbox, solve = found["run-os-sandboxed"], found["solve-rr"]
    rows = [_row(name, detail) for name, detail in sandbox["layers"].items()]
    rows.append(_verdict("x07 run in a sandbox", sandbox, f"confines{_missing(sandbox['layers'])}"))
    rows.append(_verdict("x07 run in a solve world", solve, f"repeats{_missing(solve['layers'])}"))
    return rows


def expected_layers(features: list[Feature]) -> dict[str, str]:
    """Return what a report's ``layers`` will say of a run in a sandbox here."""
    return {row["name"]: row["detail"] for row in features if not row["name"].startswith("x07 run")}


def _row(name: str, detail: str) -> Feature:
    return {"name": name, "available": not detail.startswith("absent"), "detail": detail}


def _verdict(name: str, start: dict[str, Any], detail: str) -> Feature:
    refused = start["refused"]
    return {"name": name, "available": not refused, "detail": f"refused: {refused}" if refused else detail}


def _missing(layers: dict[str, str]) -> str:
    names = [name for name, detail in layers.items() if detail.startswith("absent")]
    return f", without {' and '.join(names)}" if names else ""


def _started() -> dict[str, dict[str, Any]]:
    """Start both kinds from a process of one thread, as a launcher has to be."""
    here = json.dumps(sys.path)
    done = subprocess.run(
        [sys.executable, "-P", "-c", _ITSELF, here],  # -P: not the modules of the folder that it starts in
        capture_output=True,
        text=True,
        check=False,
        timeout=_SECONDS,
    )
    if done.returncode:
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return {world: {"layers": {}, "refused": why} for world in ("run-os-sandboxed", "solve-rr")}
    told: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return told


def _start(seed: bytes | None) -> dict[str, Any]:
    from x07py.errors import RunError
    from x07py.sandbox import landlock
    from x07py.sandbox.confinement import Confinement
    from x07py.sandbox.filter import Wanted
    from x07py.sandbox.launch import run

    solve = seed is not None
    spec = Confinement(
        argv=(sys.executable, "-I", "-S", "-c", "pass"),
        env={},
        cwd="/",
        paths=(("/", landlock.READ | landlock.EXECUTE),),
        wanted=Wanted(network=not solve, processes=not solve, clock=solve),
        shm=True,
        seed=seed,
    )
    try:
        outcome = run(spec, timeout=_SECONDS)
    except RunError as error:
        return {"layers": {}, "refused": error.message}
    return {"layers": outcome.layers, "refused": f"a start ended with {outcome.status}" if outcome.status else ""}


def tell() -> None:
    """Write what both starts found."""
    sys.stdout.write(json.dumps({"run-os-sandboxed": _start(None), "solve-rr": _start(b"x07")}))
