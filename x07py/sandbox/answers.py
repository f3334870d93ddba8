"""What passes between the supervisor and those who answer for it: a waiting call, a refusal, a decision."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that waits for an answer."""

    id: int
    pid: int
    number: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Access:
    """What was decided about one access of the program.

    Args:
        kind: connect or listen; while observing also read, write or run.
        target: the address or the path.
        allowed: whether it was let through.
        pid: process, as the supervisor counts them.
        process: its name.
    """

    kind: str
    target: str
    allowed: bool
    pid: int
    process: str


class Refused(Exception):  # noqa: N818 (an answer, not a failure)
    """The answer to a call is an error number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
