"""What the client libraries say, as records of the standard library's logging, without their repetitions.

A broker that is away makes them tell ten times a second that it is. The drivers ride that out or raise an error, so
each thing is said once a minute, with how often it was said meanwhile, and as a warning at most; and where a program
has set up no logging, nothing of it reaches a terminal.
"""

from __future__ import annotations

import logging
import re
import time

_EVERY_S = 60.0
_MOST_KEPT = 256
_CHANGING = re.compile(r"^\[thrd:[^]]*\]: |\(after \d+ms in state .*\)")


class Seldom(logging.Filter):
    """Lets a message through once a minute, whatever numbers change in it; keeps 256 messages in mind at most."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether to let a record through; one that stands for others says for how many."""
        text = record.getMessage()
        said = _said(text)
        at, more = self._seen.get(said, (0.0, 0))
        now = time.monotonic()
        if at and now - at < _EVERY_S:
            self._seen[said] = (at, more + 1)
            return False
        if len(self._seen) >= _MOST_KEPT:
            self._seen.clear()
        self._seen[said] = (now, 0)
        record.msg, record.args = text + (f" ({more} more times since)" if more else ""), None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        return True


def _said(text: str) -> str:
    """Return what stays the same when a message is repeated, by this client or by another one of the process."""
    facility, _, rest = text.partition(" [")
    return f"{facility} {_CHANGING.sub('', rest.partition('] ')[2])}"


def client_log(name: str, level: int = logging.NOTSET) -> logging.Logger:
    """Return the logger that a client library tells of its connections by, made seldom, and silent without logging.

    The library's other uses in the process are told about as seldom. What is below `level` is left out, unless the
    program has set another level for this very logger.
    """
    log = logging.getLogger(name)
    if log.level == logging.NOTSET:
        log.setLevel(level)
    if not any(isinstance(one, Seldom) for one in log.filters):
        log.addFilter(Seldom())
        log.addHandler(logging.NullHandler())
    return log
