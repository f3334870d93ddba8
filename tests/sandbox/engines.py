"""Other engines' default containers: their published system call profiles as filters, and the capabilities they leave.

The profiles below ``profiles/`` are as published (Apache License 2.0): ``docker.json`` of moby/profiles v0.3.0,
``podman.json`` of containers/common v0.64.2, which CRI-O uses too, ``containerd.json`` as containerd v2.4.2 makes it
for a container with its default capabilities.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
from pathlib import Path
from typing import Any

from x07py.sandbox import kernel
from x07py.sandbox.bpf import ALLOW, KILL, Program, always, high, low, refuse, tree

ENGINES = ("docker", "podman", "containerd")
_CAPABILITIES = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_BIND_SERVICE": 10,
    "NET_RAW": 13,
    "SYS_CHROOT": 18,
    "MKNOD": 27,
    "AUDIT_WRITE": 29,
    "SETFCAP": 31,
}
_NOT_IN_PODMAN = {"NET_RAW", "MKNOD", "AUDIT_WRITE"}
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_VERSION_3, _MOST_NAMES = 0x20080522, 64
_ARCH, _NUMBER = 4, 0


def capabilities(engine: str) -> dict[str, int]:
    """Return the capabilities that an engine leaves root in a container, with their numbers."""
    return {name: number for name, number in _CAPABILITIES.items() if engine != "podman" or name not in _NOT_IN_PODMAN}


def keep_capabilities(engine: str) -> None:
    """Give up the capabilities that root of a container has not."""
    kept = set(capabilities(engine).values())
    for number in set(range(_MOST_NAMES)) - kept:
        kernel.prepared("prctl", kernel.PR_CAPBSET_DROP, number, 0, 0, 0, ignoring=(errno.EINVAL, errno.EPERM))()
    if os.geteuid() == 0:
        mask = sum(1 << number for number in kept)
        words = (ctypes.c_uint32 * 6)(mask, mask, 0, 0, 0, 0)
        kernel.syscall("capset", ctypes.byref((ctypes.c_uint32 * 2)(_VERSION_3, 0)), ctypes.byref(words))


def profile(engine: str) -> bytes:
    """Return an engine's profile as a filter for this machine's type."""
    document = json.loads(Path(__file__).with_name("profiles").joinpath(f"{engine}.json").read_text())
    numbers = kernel.syscall_numbers()
    default = refuse(document.get("defaultErrnoRet") or errno.EPERM)
    bodies = {number: Program() for number in numbers.values()}
    for rule in document["syscalls"]:
        if _applies(rule, engine):
            for name in rule["names"]:
                if name in numbers:
                    _add(bodies[numbers[name]], rule)
    for body in bodies.values():
        body.ret(default)
    program = Program()
    program.load(_ARCH)
    program.equal(kernel.AUDIT_ARCH[kernel.MACHINE], 1, 0)
    program.ret(KILL)
    program.load(_NUMBER)
    newer = always(refuse(errno.ENOSYS))
    segments: list[tuple[int, Program]] = []
    for number in range(max(bodies) + 2):
        body = bodies.get(number, newer)
        if not segments or body.code != segments[-1][1].code:
            segments.append((number, body))
    program.code += tree(segments)
    return program.pack()


def _applies(rule: dict[str, Any], engine: str) -> bool:
    held = {f"CAP_{name}" for name in capabilities(engine)}
    includes, excludes = rule.get("includes") or {}, rule.get("excludes") or {}
    arch = _ARCHITECTURES[platform.machine()]
    return (
        set(includes.get("caps") or ()) <= held
        and (not includes.get("arches") or arch in includes["arches"])
        and not held & set(excludes.get("caps") or ())
        and arch not in (excludes.get("arches") or ())
    )


def _add(body: Program, rule: dict[str, Any]) -> None:
    """Append what a rule does where all its arguments fit; the next rule follows where one does not."""
    action = ALLOW if rule["action"] == "SCMP_ACT_ALLOW" else refuse(rule.get("errnoRet") or errno.EPERM)
    end = Program()
    end.ret(action)
    for argument in reversed(rule.get("args") or []):
        end = _where(argument, end)
    body.code += end.code


def _where(argument: dict[str, Any], then: Program) -> Program:
    """Return a program that goes on to `then` where an argument fits, and behind it where not."""
    program, index, value = Program(), argument["index"], argument["value"]
    operation, masked = argument["op"], argument.get("valueTwo", 0)
    if operation == "SCMP_CMP_MASKED_EQ":
        value, mask = masked, value
    else:
        mask = (1 << 64) - 1
    skip = len(then.code)
    words = ((high, value >> 32, mask >> 32), (low, value & 0xFFFFFFFF, mask & 0xFFFFFFFF))
    match operation:
        case "SCMP_CMP_EQ" | "SCMP_CMP_MASKED_EQ":
            for left, (load, wanted, bits) in zip((1, 0), words, strict=True):
                load(program, index)
                program.code.append((0x54, 0, 0, bits))
                program.equal(wanted, 0, skip + 3 * left)
        case "SCMP_CMP_NE":
            high(program, index)
            program.equal(value >> 32, 0, 2)
            low(program, index)
            program.equal(value & 0xFFFFFFFF, skip, 0)
        case "SCMP_CMP_LT" if value < 1 << 32:
            high(program, index)
            program.equal(0, 0, skip + 2)
            low(program, index)
            program.code.append((0x35, skip, 0, value))
        case _:
            raise NotImplementedError(operation)
    program.code += then.code
    return program
