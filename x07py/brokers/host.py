"""The process behind ``x07 broker up kafka --embedded``: hosts the mock cluster until it is told to end."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from x07py.brokers.embedded import EmbeddedKafka
from x07py.brokers.process import announce
from x07py.errors import X07Error


def main() -> int:
    """Serve until SIGTERM or SIGINT; the arguments are the state file and topics to create."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    try:
        with EmbeddedKafka(sys.argv[2:]) as kafka:
            announce(Path(sys.argv[1]), "kafka", "embedded", kafka.bootstrap, os.getpid())
            signal.sigwait(ends)
    except X07Error as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
