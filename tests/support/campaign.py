"""What `make test` leaves to targets of its own, because it takes minutes, and what it asks once only.

Each run says at its end what was left, and what failed before it passed.
"""

from __future__ import annotations

import os

CAMPAIGN = bool(os.environ.get("X07_CAMPAIGN"))
"""Whether this is such a target."""
LEFT = (
    "commands of the six longest pages: make pages",
    "make test of the projects that x07 init writes: make templates",
    "programs with clients of their own in long campaigns over the wire: make explore-wire",
    "faust-streaming, Quix Streams and kafka-python 2, which need an environment of their own: make rows",
    "groups of confluent-kafka without cooperation and with static members, and in processes of their own: make rows",
    "a Kafka that stands still, whose clients librdkafka may leave waiting when it goes on: make failures",
    "programs that people run, by what was learned of each: make programs",
    "the guide's story by pip, poetry and pdm themselves, and 60 kills of x07 pkg: make packages",
)
ONCE = (
    "tests/sandbox/",
    "tests/explore/",
    "tests/files/",
    "tests/drivers/test_commit_failures.py",
    "tests/drivers/test_groups.py",
    "tests/drivers/test_transactions.py",
    "tests/pumping/test_commits.py",
    "tests/pumping/test_restarts.py",
)
"""What has to hold each time: a breach, or a message that is lost, is none the better for not coming twice. All other
tests are asked again if they fail (``RERUNS`` of the Makefile): they start hundreds of processes and brokers on two
cores, and machines stand still at times."""
