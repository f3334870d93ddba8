"""A system call filter by which a process gives up single calls: small, as programs of solve worlds install it."""

from __future__ import annotations

from x07py.sandbox.bpf import ALLOW, NR, Program, always, refuse
from x07py.sandbox.kernel import syscall_numbers


def refusing(machine: str, names: tuple[str, ...], code: int) -> bytes:
    """Return a program that refuses `names` with `code` and leaves the rest to the filters before it."""
    numbers = syscall_numbers(machine)
    program = Program()
    program.load(NR)
    for name in names:
        program.block(numbers[name], always(refuse(code)))
    program.ret(ALLOW)
    return program.pack()
