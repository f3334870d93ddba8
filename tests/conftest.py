"""What all tests share."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile

import pytest
from hypothesis import settings

from tests.docs.not_run import NOT_RUN
from tests.support import live
from tests.support.campaign import CAMPAIGN, LEFT, ONCE
from tests.support.live import (
    amqp_listeners,
    amqp_root,
    kafka_listeners,
    kafka_root,
    live_amqp,
    live_kafka,
    on_amqp,
    on_kafka,
    proxied,
)
from tests.support.project import embedded, kafka, project

__all__ = [
    "amqp_listeners",
    "amqp_root",
    "embedded",
    "kafka",
    "kafka_listeners",
    "kafka_root",
    "live_amqp",
    "live_kafka",
    "on_amqp",
    "on_kafka",
    "project",
    "proxied",
]

settings.register_profile("x07py", deadline=None, max_examples=200 if CAMPAIGN else 50)
settings.load_profile("x07py")


def pytest_configure(config: pytest.Config) -> None:
    """Keep what tests leave in folders for state away from the user; workers have the folder of the first.

    What a test starts with pytest does without the plugins of hypothesis and anyio, which cost more than all the rest,
    and without the time limit of its own.
    """
    for number in (signal.SIGINT, signal.SIGQUIT):  # a shell's background job is started with both ignored
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if not hasattr(config, "workerinput"):
        folder = tempfile.mkdtemp(prefix="x07-tests-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        os.environ["XDG_STATE_HOME"] = os.environ["XDG_RUNTIME_DIR"] = folder
    if hasattr(config, "workerinput") or not config.getoption("numprocesses", None):
        off = " ".join(f"-p no:{plugin}" for plugin in ("hypothesispytest", "anyio", "timeout"))
        os.environ["PYTEST_ADDOPTS"] = f"{os.environ.get('PYTEST_ADDOPTS', '')} {off}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Ask once only what has to hold each time."""
    for item in items:
        if item.nodeid.startswith(ONCE):
            item.add_marker(pytest.mark.flaky(reruns=0))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave live tests out only where that was asked for."""
    if live.SKIP and item.get_closest_marker("live"):
        pytest.skip(live.SKIPPED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly what a run has left out, and what the documentation shows that no run can try."""
    if live.SKIP:
        terminalreporter.section("LIVE TESTS SKIPPED", red=True, bold=True)
        terminalreporter.write_line(live.SKIPPED)
    if again := terminalreporter.getreports("rerun"):
        terminalreporter.section("failed at the first try, and were asked again", red=True, bold=True)
        for report in again:
            terminalreporter.write_line(f"{report.nodeid} ({report.when})")
            terminalreporter.write_line(str(report.longrepr))
    if any("tests/docs/" in report.nodeid for report in terminalreporter.getreports("passed")):
        terminalreporter.section("commands of the documentation that were not run")
        for (page, command), why in NOT_RUN.items():
            terminalreporter.write_line(f"{page}: {command}: {why}")
    if not CAMPAIGN:
        terminalreporter.section("left to targets of their own")
        for row in LEFT:
            terminalreporter.write_line(row)
