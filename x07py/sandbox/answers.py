"""What passes between the supervisor and those who answer for it: a waiting call, and a refusal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Call:
    """One system call that waits for an answer."""

    id: int
    pid: int
    number: int
    args: tuple[int, ...]


class Refused(Exception):  # noqa: N818 (an answer, not a failure)
    """The answer to a call is an error number."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code
