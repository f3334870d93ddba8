"""Assembles filters of system calls: classic BPF, which sees a call's number and the registers of its arguments."""

from __future__ import annotations

import struct

ALLOW, TRACE, NOTIFY, KILL = 0x7FFF0000, 0x7FF00000, 0x7FC00000, 0x80000000
_ERRNO = 0x00050000
NR, ARCH, _ARGS = 0, 4, 16
_LONGEST_JUMP = 255


class Program:
    """Assembles BPF code."""

    def __init__(self) -> None:
        self.code: list[tuple[int, int, int, int]] = []

    def load(self, offset: int) -> None:
        self.code.append((0x20, 0, 0, offset))

    def ret(self, action: int) -> None:
        self.code.append((0x06, 0, 0, action))

    def equal(self, value: int, then: int, otherwise: int) -> None:
        self.code.append((0x15, then, otherwise, value & 0xFFFFFFFF))

    def block(self, number: int, body: Program) -> None:
        self.equal(number, 0, len(body.code))
        self.code += body.code

    def pack(self) -> bytes:
        return b"".join(struct.pack("=HBBI", *row) for row in self.code)


def refuse(code: int) -> int:
    """Return the action that makes a system call fail with `code`."""
    return _ERRNO | code


def tree(segments: list[tuple[int, Program]]) -> list[tuple[int, int, int, int]]:
    """Return code that finds a number's segment by halving, so that every call costs some nine comparisons."""
    if len(segments) == 1:
        return segments[0][1].code
    middle = len(segments) // 2
    below, above = tree(segments[:middle]), tree(segments[middle:])
    border = segments[middle][0]
    if len(below) <= _LONGEST_JUMP:
        return [(0x35, len(below), 0, border), *below, *above]
    return [(0x35, 0, 1, border), (0x05, 0, 0, len(below)), *below, *above]


def always(action: int) -> Program:
    program = Program()
    program.ret(action)
    return program


def low(program: Program, index: int) -> None:
    program.load(_ARGS + 8 * index)


def high(program: Program, index: int) -> None:
    program.load(_ARGS + 8 * index + 4)


def one_of(program: Program, values: tuple[int, ...], action: int) -> None:
    """End with `action` if the accumulator is one of `values`."""
    for value in values:
        program.equal(value, 0, 1)
        program.ret(action)
