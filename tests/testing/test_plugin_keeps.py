"""A test that does not pass, or is interrupted, leaves the old cassette; its recording is kept beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.support.project import EXAMPLE
from x07py.rr import Cassette

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

SHOP = """
from confluent_kafka import Producer

def pay(bootstrap, value):
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("orders", key="k", value=value)
    assert producer.flush(10) == 0
"""
HEAD = """
import pytest
from shop import pay

@pytest.mark.x07(cassette="shop.x07rr.bin")
def test_shop(x07_broker):
"""
GOOD = HEAD + "    pay(x07_broker, 'paid')\n"
ENDS = {
    "fails": "    pay(x07_broker, 'new')\n    assert False\n",
    "is expected to fail": "    pay(x07_broker, 'new')\n    pytest.xfail('known')\n",
}


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)


@pytest.fixture
def cassette(pytester: pytest.Pytester) -> Path:
    pytester.makepyfile(shop=SHOP, test_shop=GOOD)
    run(pytester).assert_outcomes(passed=1)
    return pytester.path / ".x07_rr/shop.x07rr.bin"


@pytest.mark.parametrize("ending", list(ENDS))
def test_a_test_that_does_not_pass_leaves_the_cassette_and_says_where_the_new_one_is(
    pytester: pytest.Pytester, cassette: Path, ending: str
) -> None:
    before = cassette.read_bytes()
    pytester.makepyfile(test_shop=HEAD + ENDS[ending])
    for _ in range(2):  # what the first run left is no obstacle to the second
        result = run(pytester, "--x07-record=all")
        assert cassette.read_bytes() == before
        kept = Cassette.load(cassette.with_name(cassette.name + ".partial"))
        assert any(b"new" in entry.req for entry in kept.entries)
        result.stdout.fnmatch_lines(["*shop.x07rr.bin is as it was; the new recording is shop.x07rr.bin.partial"])
    pytester.makepyfile(test_shop=GOOD)
    run(pytester, "--x07-record=all").assert_outcomes(passed=1)
    assert not cassette.with_name(cassette.name + ".partial").exists()


def test_workers_of_xdist_tell_of_it_too(pytester: pytest.Pytester, cassette: Path) -> None:
    pytester.makepyfile(test_shop=HEAD + ENDS["fails"])
    run(pytester, "-n1", "--x07-record=all").stdout.fnmatch_lines(["*the new recording is shop.x07rr.bin.partial"])
    assert cassette.exists()


PUMPED = """
import asyncio, sys
import pytest
from shop import pay
from x07py import PumpOptions, open_driver, pump

@pytest.mark.x07(cassette="shop.x07rr.bin")
def test_shop(x07_broker, monkeypatch):
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", x07_broker)
    pay(x07_broker, "new")
    async def work():
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            sys.__stderr__.write("ready\\n")
            await pump(driver, lambda order: [], topics=["orders"], group="g")
    asyncio.run(work())

def test_after():
    pass
"""
WAITED = (
    HEAD
    + "    pay(x07_broker, 'new')\n    import sys, time\n    sys.__stderr__.write('ready\\n')\n    time.sleep(60)\n"
)


@pytest.mark.parametrize("test", [WAITED, PUMPED], ids=["by Python", "by a pump"])
def test_ctrl_c_leaves_the_cassette_and_ends_the_run(pytester: pytest.Pytester, cassette: Path, test: str) -> None:
    before = cassette.read_bytes()
    shutil.copytree(EXAMPLE / "arch", pytester.path / "arch")
    pytester.makepyfile(test_shop=test)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "--x07-record=all"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any("ready" in line for line in process.stderr)
        time.sleep(1)
        os.kill(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert cassette.read_bytes() == before
    assert cassette.with_name(cassette.name + ".partial").exists()
    assert "shop.x07rr.bin is as it was" in output
    assert "2 passed" not in output
