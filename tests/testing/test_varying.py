"""What may differ between a recording and a replay: declared fields, headers and identifiers, and who tells of them."""

from __future__ import annotations

import json

import pytest

pytest_plugins = ["pytester"]
DECLARED = 'ignore_fields=["$.at"], capture=["$.id"]'
SHOP = """
import json, time, uuid
from confluent_kafka import Consumer, Producer

def trade(bootstrap):
    one = str(uuid.uuid4())
    producer = Producer({"bootstrap.servers": bootstrap})
    value = json.dumps({"id": one, "at": time.time(), "total": 7})
    producer.produce("orders", key=one, value=value, headers={"trace": "t-" + one})
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "g", "auto.offset.reset": "earliest"})
    consumer.subscribe(["orders"])
    while (message := consumer.poll(10)) is None or message.error():
        pass
    found = json.loads(message.value())
    consumer.close()
    assert found["id"] == one and message.key().decode() == one and found["total"] == 7
    assert dict(message.headers())["trace"] == b"t-" + one.encode()
    producer.produce("invoices", key="k", value=json.dumps({"order": found["id"]}))
    assert producer.flush(10) == 0
"""
OTHER = """
import asyncio, json, time, uuid
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

async def trade_now(bootstrap):
    one = str(uuid.uuid4())
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        value = json.dumps({"id": one, "at": time.time(), "total": 7}).encode()
        headers = [("trace", b"t-" + one.encode())]
        await producer.send_and_wait("orders", key=one.encode(), value=value, headers=headers)
        topics = AIOKafkaConsumer("orders", bootstrap_servers=bootstrap, group_id="g", auto_offset_reset="earliest")
        async with topics as consumer:
            message = await asyncio.wait_for(consumer.getone(), 20)
        found = json.loads(message.value)
        assert found["id"] == one and message.key.decode() == one and found["total"] == 7
        assert dict(message.headers)["trace"] == b"t-" + one.encode()
        await producer.send_and_wait("invoices", key=b"k", value=json.dumps({"order": found["id"]}).encode())

def trade(bootstrap):
    asyncio.run(trade_now(bootstrap))
"""

SLOW = (
    """
import types

SLOWLY = """
    + repr("""
import time

def pytest_runtest_logreport(report):
    if report.failed:
        time.sleep(3)
""")
    + """

def pytest_configure(config):
    module = types.ModuleType("_pytest.slow")
    exec(SLOWLY, module.__dict__)
    config.pluginmanager.register(module)
"""
)
"""pytest takes its time to tell of a failure, while a client's cassette still waits for the program to end."""


def marked(options: str) -> str:
    return f"""
import pytest
from shop import trade

@pytest.mark.x07(cassette="shop.x07rr.bin"{", " + options if options else ""})
def test_shop(x07_broker):
    trade(x07_broker)
"""


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *args)


@pytest.mark.parametrize("shop", [SHOP, OTHER], ids=["confluent-kafka", "aiokafka"])
def test_a_clock_and_an_identifier_replay_with_two_declared_lines_that_the_mismatch_shows(
    pytester: pytest.Pytester, shop: str
) -> None:
    pytester.makepyfile(shop=shop, test_shop=marked(""))
    run(pytester).assert_outcomes(passed=1)
    pytester.makeconftest(SLOW)
    refused = run(pytester)
    assert refused.ret == pytest.ExitCode.TESTS_FAILED
    pytester.makeconftest("")
    said = refused.stdout.str()
    assert 'add ignore_fields=["$.at"]' in said
    assert "x07py/testing/" not in said
    assert "x07py/wire/" not in said
    assert 'add capture=["$.id"' in said
    pytester.makepyfile(test_shop=marked(DECLARED))
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "--x07-record", "all").assert_outcomes(passed=1)
    folder = pytester.path / ".x07_rr"
    text = (folder / "shop.x07rr.md").read_bytes()
    run(pytester, "--x07-record", "all").assert_outcomes(passed=1)
    assert (folder / "shop.x07rr.md").read_bytes() == text
    assert b'"at": "(varies)"' in text
    assert b'"order": "(captured 1)"' in text
    pytester.makepyfile(test_shop=marked(""))
    by_its_file = run(pytester)
    by_its_file.assert_outcomes(passed=1)  # what was declared stands beside the cassette
    title, row = "*not compared, although neither a test nor the project says so*", "ignore_fields $.at; capture $.id"
    by_its_file.stdout.fnmatch_lines([title, f"shop.x07rr.bin: may differ, as cassettes.lock.json says: {row}"])
    pytester.makepyfile(test_shop=marked(DECLARED))
    run(pytester).stdout.no_fnmatch_line(title)


def test_what_is_not_declared_is_still_compared(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=marked(DECLARED))
    run(pytester).assert_outcomes(passed=1)
    pytester.makepyfile(shop=SHOP.replace('"total": 7}', '"total": 8}').replace('["total"] == 7', '["total"] == 8'))
    refused = run(pytester)
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(["*value $.total*"])
    assert "value $.at" not in refused.stdout.str()
    assert "value $.id" not in refused.stdout.str()
    pytester.makepyfile(shop=SHOP.replace('{"order": found["id"]}', '{"order": str(uuid.uuid4())}'))
    run(pytester).assert_outcomes(failed=1)


def test_a_project_declares_for_all_its_cassettes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=marked(""))
    pytester.makepyprojecttoml('[tool.x07.rr]\nignore_fields = ["$.at"]\ncapture = ["uuid"]\n')
    run(pytester).assert_outcomes(passed=1)
    run(pytester).assert_outcomes(passed=1)
    noted = json.loads((pytester.path / ".x07_rr/cassettes.lock.json").read_text())
    assert noted["cassettes"]["shop.x07rr.bin"]["varying"] == {"ignore_fields": ["$.at"], "capture": ["uuid"]}
    pytester.makepyprojecttoml('[tool.x07.rr]\nignore_field = ["$.at"]\n')
    run(pytester).stdout.fnmatch_lines(["*X07_CASSETTE_MATCH*"])


PLACES = ['ignore_fields=["at"]', 'capture=["value"]', "ignore_fields=[\"$[?search(@.a, '(a+)+')]\"]"]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_meant_is_refused(pytester: pytest.Pytester, place: str) -> None:
    pytester.makepyfile(shop=SHOP, test_shop=marked(place))
    run(pytester).stdout.fnmatch_lines(["*X07_CASSETTE_MATCH*"])
