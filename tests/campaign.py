"""What `make test` leaves to targets of its own, because it takes minutes; each run says so at its end."""

from __future__ import annotations

import os

CAMPAIGN = bool(os.environ.get("X07_CAMPAIGN"))
"""Whether this is such a target."""
LEFT = (
    "commands of the six longest pages: make pages",
    "make test of the projects that x07 init writes, but the worker on Kafka: make templates",
    "faust-streaming, Quix Streams and kafka-python 2, which need an environment of their own: make rows",
    "a Kafka that stands still (in some whole runs nothing came from it afterwards; why is not known): make failures",
    "the guide's story by pip, and 60 kills of x07 pkg: make packages",
)
