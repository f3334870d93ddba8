"""Cassettes of the reference replay here: their records hold no envelope, and their requests are three bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rr.builders import config
from tests.support import golden
from x07py.drivers.base import AMQP, KAFKA, Dialect, Subscription
from x07py.drivers.replay import ReplayBackend
from x07py.errors import EnvelopeError
from x07py.msg import MessageRecord
from x07py.rr import Mode, Session


@golden.needs_golden
@pytest.mark.parametrize(
    ("name", "dialect"), [("kafka_publish_poll_v1.x07rr.bin", KAFKA), ("amqp_pub_consume_v1.x07rr.bin", AMQP)]
)
async def test_replay(tmp_path: Path, name: str, dialect: Dialect) -> None:
    folder = tmp_path / ".x07_rr"
    folder.mkdir()
    (folder / name).write_bytes(golden.read(name))
    with Session(config(Mode.REPLAY, cassette=name), tmp_path) as session:
        backend = ReplayBackend(dialect, "local_dev_v1", session)
        answer = session.next("rr", dialect.publish_op, "local_dev_v1", req=b"ENV")
        assert MessageRecord.decode(answer.resp).ack == b"OK"
        batch = backend.next_batch(Subscription(("queue",), "", 10))
        assert [one.envelope_bytes for one in batch] == [b"ENV"]
        with pytest.raises(EnvelopeError):
            _ = batch[0].envelope
        assert backend.next_batch(Subscription(("queue",), "", 10)) == []
