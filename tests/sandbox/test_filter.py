"""The filter's program for both machine types, read instruction by instruction as the kernel would.

Only one of the machine types can be there to run it on. So the numbers are compared with the kernel's own headers, and
the decisions of one machine with those of the other.
"""

from __future__ import annotations

import errno
import itertools
import re
import struct
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from x07py.sandbox.bpf import ALLOW, KILL, NOTIFY, TRACE, refuse
from x07py.sandbox.filter import Wanted, build
from x07py.sandbox.kernel import AUDIT_ARCH, syscall_numbers

MACHINES = ("x86_64", "aarch64")
NEW = "RENAMEAT NEW_STAT SET_GET_RLIMIT SYS_CLONE3 MEMFD_SECRET"  # what arch/arm64 asks of the generic header
HEADERS = {
    "x86_64": "#include <asm/unistd_64.h>\n",
    "aarch64": "".join(f"#define __ARCH_WANT_{name}\n" for name in NEW.split())
    + "#define __BITS_PER_LONG 64\n#include <asm-generic/unistd.h>\n",
}
WORLDS = (
    Wanted(),
    Wanted(network=False, processes=False, clock=True),
    Wanted(relay=True),
    Wanted(relay=True, traced=True),
    Wanted(observe=True),
)
BOTH = sorted(set(syscall_numbers("x86_64")) & set(syscall_numbers("aarch64")))


def actions(machine: str, wanted: Wanted, calls: list[tuple[str, tuple[int, ...]]]) -> Iterator[int]:
    numbers = syscall_numbers(machine)
    code = list(struct.iter_unpack("=HBBI", build(machine, wanted)))
    for name, args in calls:
        yield interpret(code, struct.pack("<iIQ6Q", numbers[name], AUDIT_ARCH[machine], 0, *args))


def interpret(code: list[tuple[int, int, int, int]], data: bytes) -> int:
    """Run classic BPF over a ``struct seccomp_data``; an instruction that the filter does not use is an error."""
    at, accumulator = 0, 0
    while True:
        operation, then, otherwise, value = code[at]
        at += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x54:
                accumulator &= value
            case 0x05:
                at += value
            case 0x15 | 0x35 | 0x45:
                holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value}[operation]
                at += then if holds else otherwise
            case 0x06:
                return value
            case _:
                raise AssertionError(f"operation {operation:#x}")


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_are_those_of_the_kernel_headers(machine: str) -> None:
    done = subprocess.run(["cc", "-E", "-dM", "-"], input=HEADERS[machine], capture_output=True, text=True, check=True)
    raw = dict(re.findall(r"^#define (__NR\w+) (\S+)$", done.stdout, re.MULTILINE))
    headers = {name.removeprefix("__NR_"): _number(raw, name) for name in raw if name.startswith("__NR_")}
    ours = syscall_numbers(machine)
    assert len(ours) > 300
    assert {name: headers.get(name) for name in ours} == ours
    newer = {name: number for name, number in headers.items() if name not in ours and number is not None}
    newer.pop("arch_specific_syscall", None)  # the first of a range, not a call
    assert all(number > max(ours.values()) for number in newer.values()), newer


def _number(raw: dict[str, str], name: str) -> int | None:
    """Return the number behind a name, which the generic header gives to some by way of another name."""
    while name in raw:
        name = raw[name]
    return int(name) if name.isdigit() else None


@pytest.mark.parametrize("wanted", WORLDS)
def test_both_machines_decide_alike(wanted: Wanted) -> None:
    for args in ((0,) * 6, (2**64 - 1,) * 6, (2, 1, 0, 0, 0, 0), (1, 2, 3, 4, 5, 6)):
        calls: list[tuple[str, tuple[int, ...]]] = [(name, args) for name in BOTH]
        x86, arm = (dict(zip(BOTH, actions(machine, wanted, calls), strict=True)) for machine in MACHINES)
        assert x86 == arm


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(BOTH), st.tuples(*[st.integers(0, 2**64 - 1) | st.integers(0, 64)] * 6), st.sampled_from(WORLDS))
def test_any_arguments_are_judged_alike(name: str, args: tuple[int, ...], wanted: Wanted) -> None:
    x86, arm = (next(actions(machine, wanted, [(name, args)])) for machine in MACHINES)
    assert x86 == arm


@pytest.mark.parametrize("machine", MACHINES)
def test_decisions(machine: str) -> None:
    rows = [
        ("read", (0,) * 6, ALLOW),
        ("socket", (2, 1, 0, 0, 0, 0), NOTIFY),
        ("socket", (2, 2, 0, 0, 0, 0), refuse(errno.EACCES)),
        ("socket", (17, 3, 0, 0, 0, 0), refuse(errno.EACCES)),
        ("connect", (3, 0, 16, 0, 0, 0), NOTIFY),
        ("bind", (3, 0, 16, 0, 0, 0), NOTIFY),
        ("listen", (3, 1, 0, 0, 0, 0), NOTIFY),
        ("socket", (1, 1, 0, 0, 0, 0), NOTIFY),
        ("socket", (1, 0x80805, 0, 0, 0, 0), NOTIFY),
        ("socket", (1, 2, 0, 0, 0, 0), refuse(errno.EACCES)),
        ("socketpair", (1, 1, 0, 0, 0, 0), ALLOW),
        ("socketpair", (1, 2, 0, 0, 0, 0), refuse(errno.EACCES)),
        ("sendto", (3, 0, 1, 0, 0x7000, 16), refuse(errno.EACCES)),
        ("io_uring_setup", (8, 0, 0, 0, 0, 0), refuse(errno.ENOSYS)),
        ("clone", (0x10000000, 0, 0, 0, 0, 0), refuse(errno.EPERM)),
        ("ptrace", (16, 1, 0, 0, 0, 0), refuse(errno.EPERM)),
        ("openat", (0, 0, 0x41, 0o4755, 0, 0), refuse(errno.EPERM)),
        ("bpf", (0,) * 6, refuse(errno.EPERM)),
        ("renameat2", (0, 0, 0, 0, 4, 0), refuse(errno.EINVAL)),
        ("renameat2", (0, 0, 0, 0, 1, 0), ALLOW),
    ]
    groups: list[tuple[str, tuple[int, ...]]] = [
        ("kill", (number, 9, 0, 0, 0, 0)) for number in (0, 0x100000000, 7, 0xFFFFFFFF)
    ]
    no = refuse(errno.EPERM)
    assert list(actions(machine, Wanted(groups=False), groups)) == [no, no, ALLOW, ALLOW]
    (traced,) = actions(machine, Wanted(relay=True, traced=True), [("connect", (3, 0, 16, 0, 0, 0))])
    assert traced == TRACE
    closed: list[tuple[str, tuple[int, ...]]] = [
        ("bind", (3, 0, 16, 0, 0, 0)),
        ("listen", (3, 1, 0, 0, 0, 0)),
        ("socket", (1, 1, 0, 0, 0, 0)),
    ]
    for wanted in (Wanted(relay=True), Wanted(network=False)):
        assert set(actions(machine, wanted, closed)) == {refuse(errno.EACCES)}
    found = actions(machine, Wanted(), [(name, args) for name, args, _ in rows])
    assert [(name, action) for (name, _, action) in rows] == list(
        zip((name for name, _, _ in rows), found, strict=True)
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_numbers_of_another_machine_end_the_program_and_unknown_ones_do_not_exist(machine: str) -> None:
    code = list(struct.iter_unpack("=HBBI", build(machine, Wanted())))
    highest = max(syscall_numbers(machine).values())
    for arch, number in itertools.product((0x40000003, 0x40000028, *AUDIT_ARCH.values()), (0, 1, highest)):
        action = interpret(code, struct.pack("<iIQ6Q", number, arch, 0, *(0,) * 6))
        assert (action == KILL) == (arch != AUDIT_ARCH[machine])
    beyond = struct.pack("<iIQ6Q", highest + 1, AUDIT_ARCH[machine], 0, *(0,) * 6)
    assert interpret(code, beyond) == refuse(errno.ENOSYS)
