"""Record an embedded Kafka over real TCP, then replay: same results, same batches, same errors, and no broker.

Every test has a group of its own: the embedded broker gives a group that was left to its next member only after the
session timeout.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from pathlib import Path

import pytest

from tests.rr.builders import config
from tests.support.project import EXAMPLE
from x07py import Delivery, Envelope, X07Error, open_driver
from x07py.brokers.embedded import EmbeddedKafka
from x07py.drivers.base import KAFKA, Subscription
from x07py.drivers.replay import ReplayBackend
from x07py.errors import ConfirmTimeoutError, DriverError, ReplayMismatchError
from x07py.msg import MessageRecord
from x07py.rr import Cassette, EntryTemplate, Mode, Row, Session, session
from x07py.rr.report import describe_entry

COUNT = 50
CASSETTE = "orders.x07rr.bin"


def messages(topic: str) -> list[Envelope]:
    return [Envelope(topic, b"k%d" % (n % 7), b"value %d" % n, {"ce_id": str(n)}) for n in range(COUNT)]


async def publish_and_consume(topic: str, *, group: str = "", change: bool = False) -> list[tuple[bytes, object]]:
    seen: list[tuple[bytes, object]] = []
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        batch = messages(topic)
        if change:
            batch[3] = Envelope(topic, b"k3", b"another value", {"ce_id": "3"})
        acks = await driver.publish_many(batch)
        assert len(acks) == COUNT
        seen += [(ack.text, ack.meta) for ack in acks]
        count = 0
        async for deliveries in driver.consume([topic], group=group or topic, max_items=20):
            seen += [(one.envelope_bytes, dict(one.meta)) for one in deliveries]
            seen.append((b"batch", len(deliveries)))
            await driver.ack(deliveries)
            await driver.commit()
            count += len(deliveries)
            if count >= COUNT:
                break
    return seen


@pytest.fixture(scope="module")
def recording(
    embedded: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, list[tuple[bytes, object]]]:
    """A project with a recording of the program above, made once."""
    root = tmp_path_factory.mktemp("recording")
    shutil.copytree(EXAMPLE / "arch", root / "arch")
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("X07_KAFKA_LOCAL_DEV_V1", embedded.bootstrap)
        with session(cassette=CASSETTE, mode="record"):
            live = asyncio.run(publish_and_consume(topic))
    return root, topic, live


@pytest.fixture
def recorded(
    recording: tuple[Path, str, list[tuple[bytes, object]]], monkeypatch: pytest.MonkeyPatch
) -> tuple[str, list[tuple[bytes, object]]]:
    """The recording, in a world where no broker can be reached."""
    root, topic, live = recording
    monkeypatch.chdir(root)
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", "127.0.0.1:1")
    return topic, live


async def test_a_replay_is_the_recording(recorded: tuple[str, list[tuple[bytes, object]]]) -> None:
    topic, live = recorded
    for _ in range(2):
        with session(cassette=CASSETTE, mode="replay") as replay:
            assert await publish_and_consume(topic) == live
        assert replay.unused() == []


def test_what_was_recorded(recorded: tuple[str, list[tuple[bytes, object]]]) -> None:
    topic, _ = recorded
    entries = Cassette.load(Path(".x07_rr") / CASSETTE).entries
    by_op = {op: [one for one in entries if one.op == f"std.msg.kafka.{op}_v1"] for op in ("publish_env", "poll_env")}
    assert len(by_op["publish_env"]) == len(by_op["poll_env"]) == COUNT
    assert {one.key for one in entries} == {"local_dev_v1"}
    assert {one.scope for one in by_op["publish_env"]} == {topic}
    assert {one.scope for one in by_op["poll_env"]} == {f"{topic}@{topic}"}
    delivery = describe_entry(0, by_op["poll_env"][0])
    assert delivery["meta"].keys() == {"batch", "group", "offset", "partition", "timestamp_ms", "topic"}
    assert delivery["response"]["envelope"]["headers"]["ce_id"]
    for number, one in enumerate(entries):
        one.check_digest(number)
        assert one.req_sha256
    ops = [one.op for one in entries]
    assert ops[-1] == "std.msg.kafka.commit_v1"
    assert "std.msg.kafka.ack_v1" in ops


async def test_a_program_that_publishes_something_else(recorded: tuple[str, list[tuple[bytes, object]]]) -> None:
    topic, _ = recorded
    with pytest.raises(ReplayMismatchError) as caught:
        await _replayed(topic, change=True)
    assert caught.value.code == 2050
    assert "- value 3\n    + another value" in caught.value.message


async def test_a_program_that_consumes_with_another_group(recorded: tuple[str, list[tuple[bytes, object]]]) -> None:
    topic, _ = recorded
    with pytest.raises(ReplayMismatchError) as caught:
        await _replayed(topic, group="other")
    assert caught.value.code == 2051


async def _replayed(topic: str, *, group: str = "", change: bool = False) -> None:
    with session(cassette=CASSETTE, mode="replay"):
        await publish_and_consume(topic, group=group, change=change)


async def test_record_missing_asks_the_broker_only_for_what_is_new(kafka: Path) -> None:
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    first, second = messages(topic)[:2]
    with session(cassette=CASSETTE, mode="record_missing"):
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            one = await driver.publish(first)
    with session(cassette=CASSETTE, mode="record_missing") as again:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            acks = await driver.publish_many([first, second])
    assert acks[0] == one
    assert again.appended == 1
    assert len(Cassette.load(kafka / ".x07_rr" / CASSETTE)) == 2


async def test_an_error_is_recorded_and_comes_back(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", "127.0.0.1:1")
    monkeypatch.setattr("x07py.drivers.kafka_producer._DELIVERY_TIMEOUT_MS", 1500)
    with session(cassette=CASSETTE, mode="record"):
        live = await _failing_publish()
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    with session(cassette=CASSETTE, mode="replay"):
        replayed = await _failing_publish()
    assert live.code == replayed.code == 9752
    assert live.message == replayed.message
    assert type(live) is type(replayed) is ConfirmTimeoutError
    assert replayed.retryable


async def _failing_publish() -> DriverError:
    with pytest.raises(DriverError) as caught:
        async with open_driver("kafka", profile="local_dev_v1") as driver:
            await driver.publish_many([Envelope("t", b"k", b"%d" % n) for n in range(3)])
    return caught.value


async def test_nack_delivers_again_and_nothing_is_committed_past_it(kafka: Path) -> None:
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish_many([Envelope(topic, b"same", b"%d" % n) for n in range(6)])
        seen: list[bytes] = []
        refused = False
        async for batch in driver.consume([topic], group=topic):
            seen += [one.envelope.value for one in batch]
            if not refused:
                refused = True
                await driver.ack([one for one in batch if one.envelope.value != b"2"])
                await driver.nack([one for one in batch if one.envelope.value == b"2"])
                result = await driver.control("commit", {})
                assert max(result["offsets"].values()) == 2
                continue
            await driver.ack(batch)
            if b"5" in seen[-len(batch) :]:
                break
        assert max((await driver.control("commit", {}))["offsets"].values()) == 6
    assert seen[-4:] == [b"2", b"3", b"4", b"5"]


async def test_without_a_session_a_solve_world_has_no_driver(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_WORLD", "solve-rr")
    with pytest.raises(DriverError) as caught:
        await _open("kafka")
    assert caught.value.code == 9610


async def _open(kind: str) -> None:
    async with open_driver(kind, profile="local_dev_v1"):
        pass


@pytest.mark.parametrize("address", ["", "host", "host:", "host:0", "host:70000", "a:1,", "http://a:1", "a b:1"])
async def test_a_malformed_address_in_the_environment(
    project: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("X07_KAFKA_LOCAL_DEV_V1", address)
    with pytest.raises(DriverError) as caught:
        await _open("kafka")
    assert caught.value.code == 9627
    assert "X07_KAFKA_LOCAL_DEV_V1" in str(caught.value)


async def test_limits_and_a_closed_driver(kafka: Path) -> None:
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        with pytest.raises(DriverError) as caught:
            await driver.publish(Envelope("t", value=bytes(1048576)))
        assert caught.value.code == 9711
        with pytest.raises(DriverError) as caught:
            await driver.control("fly", {})
        assert caught.value.code == 9622
        with pytest.raises(DriverError) as refused:
            await anext(driver.consume(["t"]))
        assert refused.value.code == 9754
        assert await driver.publish_many([]) == []
    with pytest.raises(DriverError) as caught:
        await driver.publish(Envelope("t"))
    assert caught.value.code == 9621
    with pytest.raises(DriverError) as caught:
        await _open("nats")
    assert caught.value.code == 9624


async def test_the_loop_is_not_blocked_while_it_waits(kafka: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope(topic, b"k", b"v"))
        async for batch in driver.consume([topic], group=topic):
            assert isinstance(batch[0], Delivery)
            break
    ticking.cancel()
    assert ticks > 20


async def test_null_keys_tombstones_and_odd_headers_survive(kafka: Path) -> None:
    from x07py.msg import from_native

    topic = f"orders-{uuid.uuid4().hex[:8]}"
    sent = from_native(topic, None, None, [("a", b"1"), ("a", b"2"), ("bin", b"\xff"), ("none", None)])
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(sent)
        async for batch in driver.consume([topic], group=topic):
            assert batch[0].envelope == sent
            break


async def test_what_cannot_be_sent_is_refused_before_anything_is(kafka: Path) -> None:
    topic = f"orders-{uuid.uuid4().hex[:8]}"
    good = Envelope(topic, b"k", b"v")
    bad = {
        9592: Envelope(topic, b"k", b"v", {"x07-null-key": "1"}),
        9632: Envelope("a\udcff", b"k", b"v"),
    }
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        for code, envelope in bad.items():
            with pytest.raises(X07Error) as caught:
                await driver.publish_many([good, envelope])
            assert caught.value.code == code
        with pytest.raises(DriverError) as refused:
            driver.consume([topic], group="g", max_items=-1)
        assert refused.value.code == 9633
        await driver.publish(good)
        assert set((await driver.lag([topic], group="g")).values()) == {0, 1}


async def test_the_cassette_of_the_environment_serves_one_session(kafka: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X07_RR_CASSETTE", CASSETTE)
    monkeypatch.setenv("X07_RR_MODE", "rewrite")
    async with open_driver("kafka", profile="local_dev_v1") as driver:
        await driver.publish(Envelope("orders", b"k", b"one"))
    with pytest.raises(DriverError) as caught:
        async with open_driver("kafka", profile="local_dev_v1"):
            pass
    assert caught.value.code == 9634
    assert len(Cassette.load(kafka / ".x07_rr" / CASSETTE)) == 1


async def test_deliveries_behind_a_recorded_error_are_not_lost(tmp_path: Path) -> None:
    deliver = MessageRecord.writer(2, KAFKA.number, "p", 1)
    subscription = Subscription(("orders",), "g", 10)
    req = subscription.request()
    rows = [Row(req, deliver(Envelope("orders", value=b"%d" % n).encode(), b"ACK"), b"{}") for n in range(3)]
    rows.insert(1, Row(req, b"refused", b"", 9755))
    with Session(config(Mode.RECORD), tmp_path) as recording:
        recording.record(EntryTemplate("rr", KAFKA.poll_op, "p", subscription.scope()), rows)
    with Session(config(Mode.REPLAY), tmp_path) as replay:
        backend = ReplayBackend(KAFKA, "p", replay)
        assert [one.envelope.value for one in backend.next_batch(subscription)] == [b"0"]
        with pytest.raises(DriverError) as caught:
            backend.next_batch(subscription)
        assert caught.value.code == 9755
        assert [one.envelope.value for one in backend.next_batch(subscription)] == [b"1", b"2"]


@pytest.mark.parametrize("meta", [b"{", b"[]", b'{"batch":"x"}', b'{"batch":1'])
async def test_metadata_of_another_tool(tmp_path: Path, meta: bytes) -> None:
    delivery = Delivery.from_recording(Envelope("t").encode(), meta)
    if meta == b'{"batch":"x"}':
        assert delivery.meta == {"batch": "x"}
        return
    with pytest.raises(DriverError) as caught:
        _ = delivery.meta
    assert caught.value.code == 9612
