"""How a test fails that left its recording: with what differs, at the line of the program, and once."""

from __future__ import annotations

import sysconfig
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from x07py.printing import escaped

if TYPE_CHECKING:
    from x07py.errors import X07Error

_OWN = str(Path(__file__).parent.parent)
_INSTALLED = (_OWN, *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")))


def as_failure_of_test(fault: X07Error, raised: BaseException) -> X07Error:
    """Return what a cassette failed with as the failure of the test that it belongs to.

    A client that is cut off raises an error of its own, deep within its library. The test is to fail with the
    reason, at the last line of the program; the client's error is a note.

    Args:
        fault: what the cassette failed with.
        raised: what the test raised, which may be the same.

    Returns:
        `fault`, with the frames of the program and the note.
    """
    if raised is fault:
        return fault
    first_line = escaped(str(raised)).partition("\n")[0]
    fault.add_note(f"the test then failed with {type(raised).__name__}" + (f": {first_line}" if first_line else ""))
    return fault.with_traceback(_of_program(raised.__traceback__))


def _of_program(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback down to the last frame that is neither the standard library's nor an installed package's."""
    frames = []
    while trace is not None:
        frames.append(trace)
        trace = trace.tb_next
    while frames and frames[-1].tb_frame.f_code.co_filename.startswith(_INSTALLED):
        frames.pop()
    shown: TracebackType | None = None
    for frame in reversed(frames):
        shown = TracebackType(shown, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return shown
