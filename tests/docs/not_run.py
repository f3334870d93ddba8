"""Commands of the documentation that no test can run as they stand, and why; each run prints them at its end."""

from __future__ import annotations

_DEMO = "tests/examples runs demo.py, which this starts, on the sample"
_DOCKER = "needs a Docker engine"
_INDEX = "no package index holds x07py; tests run in the environment that this makes"
_ITSELF = "is the run that this stands in"
_VENV = "tests run in the environment that this makes"

LONG = frozenset(
    {
        "docs/guide/arch.md",
        "docs/guide/sandbox.md",
        "docs/guide/sandbox-brokers.md",
        "docs/guide/workflow.md",
        "docs/tutorial.md",
        "docs/examples/flight_delays/README.md",
    }
)
"""Pages whose commands take minutes together; `make pages` runs these too."""
NOT_RUN = {
    ("README.md", "pip install 'x07py[pytest]'"): _INDEX,
    ("README.md", "pip install 'x07py[kafka,pytest]'"): _INDEX,
    ("README.md", "make quick"): _ITSELF,
    ("README.md", "make test"): _ITSELF,
    ("README.md", "make help"): "there is no Makefile where this page starts",
    ("docs/guide/first-kafka-test.md", "pip install 'x07py[pytest]'"): _INDEX,
    ("docs/guide/first-rabbitmq-test.md", "pip install 'x07py[pytest]'"): _INDEX,
    ("docs/tutorial.md", "python3 -m venv .venv && . .venv/bin/activate"): _VENV,
    ("docs/tutorial.md", "pip install '/path/to/x07py[kafka]' pytest"): _VENV,
    ("docs/examples/flight_delays/README.md", "make demo"): _DEMO,
    ("docs/examples/flight_delays/README.md", "make demo SAMPLE=1"): _DEMO,
    ("docs/examples/flight_delays/README.md", "make demo FULL=1"): _DEMO,
    ("docs/examples/messaging_brokers/README.md", "docker compose up --detach --wait"): _DOCKER,
    ("docs/examples/messaging_brokers/README.md", "docker compose ps"): _DOCKER,
    ("docs/examples/messaging_brokers/README.md", "docker compose down"): _DOCKER,
    ("docs/guide/arch.md", "x07 arch watch"): "ends with Ctrl-C alone; tests/arch/test_watch.py runs it",
    ("docs/guide/brokers.md", "make test"): _ITSELF,
    ("docs/guide/brokers.md", "X07_SKIP_LIVE=1 make test"): _ITSELF,
    (
        "docs/guide/explore.md",
        "x07 explore orders.jsonl --histories 100 -- shop.py",
    ): "takes a minute in real time; tests/explore/test_over_the_wire.py explores such programs",
}
"""The reason, by page and command (without its comment)."""
