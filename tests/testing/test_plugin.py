"""The pytest plugin in projects as users have them: run by pytester, in processes of their own."""

from __future__ import annotations

import shutil

import pytest

from tests.support.project import EXAMPLE

pytest_plugins = ["pytester"]

SHOP = """
from confluent_kafka import Producer, Consumer

def checkout(bootstrap, value="paid"):
    reports = []
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce("orders", key="k", value=value, on_delivery=lambda err, msg: reports.append((err, msg.value())))
    producer.flush(10)
    return reports
"""
TEST = """
import pytest
from shop import checkout

@pytest.mark.x07
def test_checkout(x07_broker):
    assert checkout(x07_broker) == [(None, b"paid")]

@pytest.mark.x07(cassette="named.x07rr.bin", world="solve-rr")
@pytest.mark.parametrize("value", ["a"])
def test_named(x07_broker, value):
    assert checkout(x07_broker, value) == [(None, value.encode())]
"""


@pytest.fixture
def shop(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(shop=SHOP, test_shop=TEST)
    return pytester


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)


def test_a_test_records_once_and_then_needs_no_network(shop: pytest.Pytester) -> None:
    run(shop).assert_outcomes(passed=2)
    assert (shop.path / ".x07_rr/test_shop/test_checkout.x07rr.bin").exists()
    assert (shop.path / ".x07_rr/named.x07rr.bin").exists()
    replayed = run(shop, "--x07-record=none", "--x07-no-network")
    replayed.assert_outcomes(passed=2)
    replayed.stdout.fnmatch_lines(["x07: record none; network: none in this run (kernel namespace)"])
    run(shop, "-n2", "--x07-record=none").assert_outcomes(passed=2)


def test_without_a_cassette_mode_none_fails(shop: pytest.Pytester) -> None:
    result = run(shop, "--x07-record=none")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*2002*"])


@pytest.mark.parametrize("mode", ["all", "rewrite", "new_episodes"])
def test_a_change_is_refused_until_it_is_recorded(shop: pytest.Pytester, mode: str) -> None:
    run(shop).assert_outcomes(passed=2)
    shop.makepyfile(
        shop=SHOP.replace("value=value", "value=value + '!'"), test_shop=TEST.replace('"paid")', '"paid!")')
    )
    changed = run(shop, "-k", "checkout")
    changed.assert_outcomes(failed=1, deselected=1)
    changed.stdout.fnmatch_lines(["*- paid*", "*+ paid!*"])
    run(shop, "-k", "checkout", f"--x07-record={mode}").assert_outcomes(passed=1, deselected=1)


def test_what_is_left_over_is_reported(shop: pytest.Pytester) -> None:
    run(shop).assert_outcomes(passed=2)
    shop.makepyfile(test_shop=TEST.replace("assert checkout(x07_broker) ==", "assert [(None, b'paid')] =="))
    result = run(shop)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*2051*"])
    shop.makepyfile(test_shop=TEST.replace("named.x07rr.bin", "renamed.x07rr.bin"))
    for extra in ([], ["-n2"]):
        stale = run(shop, *extra)
        stale.assert_outcomes(passed=2)
        stale.stdout.fnmatch_lines(["*cassettes that no test used*", ".x07_rr/named.x07rr.bin"])
    run(shop, "-k", "checkout").stdout.no_fnmatch_line("*no test used*")


def test_other_connections_are_refused_in_a_replay(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import socket, pytest
        @pytest.mark.x07("c.x07rr.bin")
        def test_connect():
            socket.create_connection(("127.0.0.1", 9), timeout=1)
        def test_outside():
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", 9), timeout=1)
        """)
    (pytester.path / ".x07_rr").mkdir()
    (pytester.path / ".x07_rr/c.x07rr.bin").write_bytes(b"")
    result = run(pytester)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*X07_CASSETTE_CONNECTION*127.0.0.1:9*says nothing*c.x07rr.bin*"])


def test_connections_beside_a_cassette_are_listed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import socket, pytest


        @pytest.mark.x07("c.x07rr.bin", allow_empty=True)
        def test_datagram():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
                one.sendto(b"count:1|c", ("127.0.0.1", 8125))
        """)
    result = run(pytester)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*beside a cassette*", "c.x07rr.bin: 127.0.0.1:8125 (the program, test_*.py:*)"])


def test_coroutines_and_drivers_use_the_cassette(pytester: pytest.Pytester) -> None:
    shutil.copytree(EXAMPLE / "arch", pytester.path / "arch")
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile("""
        import os, pytest
        from x07py import Envelope, open_driver
        from confluent_kafka.aio import AIOProducer

        @pytest.mark.x07
        async def test_both(x07_broker, monkeypatch):
            monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", x07_broker)
            async with open_driver("kafka", profile="local_dev_v1") as driver:
                await driver.publish(Envelope("orders", b"k", b"v"))
            producer = AIOProducer({"bootstrap.servers": x07_broker})
            report = await producer.produce("other", value=b"w")
            await producer.flush()
            assert (await report).value() == b"w"
            await producer.close()
        """)
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "--x07-record=none", "--x07-no-network").assert_outcomes(passed=1)


def test_a_failed_comparison_shows_the_fields(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        from x07py import Delivery, Envelope
        def test_envelope():
            assert Envelope("t", b"k", b"v", {"a": "1"}) == Envelope("t", b"k", b"w", {"a": "2"})
        def test_deliveries():
            assert [Delivery(Envelope("t"), {"offset": 1})] == [Delivery(Envelope("t"), {"offset": 2})]
        """)
    result = run(pytester)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*value*", "*- w*", "*+ v*", "*header a*", "*index 0*", "*meta offset*", "*- 2*", "*+ 1*"]
    )


CLIENT_OF_ITS_OWN = """
import aiokafka, pytest
from aiokafka.errors import KafkaError

async def announce(bootstrap):
    async with aiokafka.AIOKafkaProducer(bootstrap_servers=bootstrap, request_timeout_ms=2000) as producer:
        await producer.send_and_wait("orders", b"VALUE", b"k")

@pytest.mark.x07
async def test_announced(x07_broker):
    await announce(x07_broker)

@pytest.mark.x07(cassette="caught.x07rr.bin")
async def test_caught(x07_broker):
    try:
        await announce(x07_broker)
    except KafkaError:
        pass
"""


def test_a_client_that_is_cut_off_fails_the_test_with_what_differs(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\n")
    pytester.makepyfile(test_announced=CLIENT_OF_ITS_OWN.replace("VALUE", "paid"))
    run(pytester).assert_outcomes(passed=2)
    pytester.makepyfile(test_announced=CLIENT_OF_ITS_OWN.replace("VALUE", "free"))
    changed = run(pytester)
    changed.assert_outcomes(failed=2)
    changed.stdout.fnmatch_lines(
        [
            '>*await producer.send_and_wait("orders", b"free", b"k")',
            "E*DiffersFromRecordingError: *2050*differs from what was recorded (test_announced/*entry *)",
            "E*- paid",
            "E*+ free",
            "E*the test then failed with *",
            "test_announced.py:6: DiffersFromRecordingError",
        ]
    )
    changed.stdout.no_fnmatch_line("*site-packages/aiokafka*")


def test_a_world_that_does_not_exist(shop: pytest.Pytester) -> None:
    run(shop).assert_outcomes(passed=2)
    shop.makepyfile(test_shop=TEST.replace("solve-rr", "solve-all"))
    result = run(shop)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*X07RUN_WORLD_UNKNOWN*"])


def test_what_a_marker_cannot_mean_is_refused_and_two_tests_do_not_overwrite_one_cassette(
    shop: pytest.Pytester,
) -> None:
    shop.makepyfile(
        test_shop="""
        import pytest
        from shop import checkout

        def send(broker, value="paid"):
            assert checkout(broker, value) == [(None, value.encode())]

        @pytest.mark.x07(casette="a.x07rr.bin")
        def test_argument(): pass

        @pytest.mark.x07(world="solve-r")
        def test_world(): pass

        @pytest.mark.x07(ignore_fields="$.at")
        def test_list(): pass

        @pytest.mark.x07(cassette=5)
        def test_name(): pass

        @pytest.mark.x07(broker="kafak")
        def test_broker(): pass

        @pytest.mark.x07(cassette="one.x07rr.bin")
        def test_first(x07_broker): send(x07_broker)

        @pytest.mark.x07(cassette="one.x07rr.bin")
        def test_alike(x07_broker): send(x07_broker)

        @pytest.mark.x07(cassette="one.x07rr.bin")
        def test_other(x07_broker): send(x07_broker, "open")
        """
    )
    result = run(shop, "--x07-record=all")
    result.assert_outcomes(passed=2, failed=1, errors=5)
    result.stdout.fnmatch_lines_random(
        [
            "*UsageError: *takes no argument 'casette'*",
            "*did you mean cassette?*",
            "*RunError: *no world is called 'solve-r'*",
            "*UsageError: *'$.at' stands where a list belongs*",
            "*UsageError: *5 is no name of a cassette*",
            "*UsageError: *no broker is called 'kafak'*",
            "*test_shop.py::test_first is on this cassette too: give each of the two a cassette of its own*",
        ]
    )
    run(shop, "-k", "first or alike").assert_outcomes(passed=2, deselected=6)
