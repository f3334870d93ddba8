"""Which addresses are this machine's, so that credentials may go there without TLS."""

from __future__ import annotations

import logging

import pytest

from x07py.contracts.cleartext import other_machines
from x07py.drivers.secrets import warn_of_cleartext


@pytest.mark.parametrize(
    "host", ["127.0.0.1:9092", "127.8.8.8", "[::1]:9092", "::1", "localhost", "LOCALHOST.:1", "a.localhost:5"]
)
def test_this_machine(host: str) -> None:
    assert other_machines([host]) == []


@pytest.mark.parametrize(
    "host", ["kafka.prod.corp:9092", "10.0.0.1:9092", "[fe80::1]:9092", "2001:db8::1", "localhost.corp", "0x7f.1", ""]
)
def test_other_machines(host: str) -> None:
    assert other_machines(["127.0.0.1", host]) == [host]


def test_a_driver_warns_once_with_the_host_and_without_the_secret(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="x07py"):
        warn_of_cleartext("p", ["localhost:9092"])
        warn_of_cleartext("p", ["kafka.prod.corp:9092"])
    (line,) = caplog.messages
    assert "kafka.prod.corp:9092" in line
    assert "without TLS" in line
