"""The layers of the sandbox: which must be there, which stand in for each other, and who may do without one."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from x07py.errors import RunError, UsageError
from x07py.sandbox import kernel, landlock
from x07py.sandbox.network import MOST_RELAYS, endpoints

if TYPE_CHECKING:
    from collections.abc import Sequence

    from x07py.sandbox.confinement import Confinement

LAYERS = {
    "seccomp": "the system call filter",
    "supervisor": "connections made outside the program, each judged by its address (seccomp user notification)",
    "landlock": "files below granted paths only, no signals outwards",
    "namespaces": "own network, processes, mounts and IPC",
    "proc": "/proc shows the program's own processes only",
}
"""What ``--require-layer`` may name."""
NAMESPACES = "network, processes, mounts, IPC"
"""What reports say of namespaces that are there."""


def check_layers(names: Sequence[str]) -> None:
    """Refuse the name of a layer that there is not.

    Raises:
        UsageError: ``X07_USAGE``.
    """
    for name in names:
        if name not in LAYERS:
            raise UsageError("X07_USAGE", f"there is no layer {name!r}", hint=f"one of {', '.join(LAYERS)}")


def cannot(why: str, hint: str) -> RunError:
    """Return the refusal to run what would be confined less than was asked for."""
    return RunError(
        "X07RUN_CANNOT_CONFINE", f"this machine cannot enforce the sandbox: {why}; nothing was run", hint=hint
    )


def do_without(spec: Confinement, layer: str, why: str, hint: str) -> str:
    """Return what the report says of a layer that others stand in for, or that the user accepts the loss of.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` if `layer` was required.
    """
    if layer in spec.require:
        raise cannot(f"--require-layer {layer}: {why}", hint)
    return f"absent: {why}"


def give_up(spec: Confinement, layer: str, why: str, hint: str) -> str:
    """Return what the report says of a layer that nothing stands in for.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` unless the user accepts weaker isolation.
    """
    if not spec.accept_weaker:
        raise cannot(why, f"{hint}; or accept less with --i-accept-weaker-isolation")
    return do_without(spec, layer, f"{why} (accepted)", hint)


def check_machine(spec: Confinement) -> dict[str, str]:
    """Return the layers that the kernel has for every program.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` on a machine on which the confinement would be weaker than promised.
    """
    if not kernel.LINUX:
        hint = "run with --profile os, which confines nothing, or in a container or virtual machine with Linux"
        raise cannot("only Linux confines programs in the ways that x07 relies on", hint)
    if not kernel.syscall_numbers():
        raise cannot("there is no system call table for this machine type", "run on x86_64 or aarch64")
    version = landlock.abi()
    found = f"ABI {version}"
    if version < landlock.ABI_FLOOR:
        why = f"Landlock ABI {version} (needs {landlock.ABI_FLOOR}) leaves files and other processes open"
        found = give_up(spec, "landlock", why, "use Linux 6.2 or later with Landlock enabled (lsm=landlock,...)")
    return {"seccomp": "filter", "landlock": found}


def without_namespaces(spec: Confinement, why: str) -> str:
    """Return what the report says of a run without namespaces.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE``.
    """
    hint = "allow user namespaces, or run as root"
    if spec.relay:
        both = f"no seccomp user notification, and no namespaces to do without it ({why}), leave the network open"
        return give_up(spec, "namespaces", both, hint)
    version = landlock.abi()
    if version < landlock.ABI_SCOPES:
        worse = f"without namespaces ({why}), Landlock ABI {version} leaves signals open (needs {landlock.ABI_SCOPES})"
        return give_up(spec, "namespaces", worse, hint)
    if "proc" in spec.require:
        raise cannot(f"--require-layer proc needs namespaces: {why}", hint)
    return do_without(spec, "namespaces", why, hint)


def not_notified(refused: str) -> str:
    """Return why there is no supervisor where the kernel refuses it a listener."""
    owned = refused == os.strerror(errno.EBUSY)
    busy = " (another supervisor owns this process: a sandbox, WSL2 mirrored networking)" if owned else ""
    return f"seccomp user notification: {refused}{busy}"


def without_supervisor(spec: Confinement, why: str) -> Confinement:
    """Return the same confinement with relays instead of the supervisor.

    Raises:
        RunError: ``X07RUN_CANNOT_CONFINE`` if relays cannot do what is asked for.
    """
    hint = "run x07 outside of another sandbox"
    do_without(spec, "supervisor", why, hint)
    only = {
        "a repeatable world": spec.seed is not None,
        "a cassette": spec.lead is not None,
        "--allow-listen": bool(spec.listen.allow),
        "--allow-unix": bool(spec.unix.allow),
        "--audit and --learn": spec.on_access is not None,
        "--allow-host *.NAME": any(one.text.startswith("*") for one in spec.names),
    }
    for what, wanted in only.items():
        if wanted:
            raise cannot(f"{what} needs {why}", hint)
    if endpoints(spec.connect) is None:
        raise cannot(f"more than {MOST_RELAYS} allowed addresses need {why}", f"{hint}, or allow single addresses")
    return spec._replace(relay=True, wanted=spec.wanted._replace(relay=True))
