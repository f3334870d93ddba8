"""Telling a client that the cassette has failed, by errors that no client takes for passing ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.wire.kafka import apis

if TYPE_CHECKING:
    from x07py.errors import X07Error
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain

_TOPIC, _GROUP, _TRANSACTION = 29, 30, 53
"""Kafka's "not authorized" for a topic, a group, a transactional id."""


def refusal(request: Request, body: Any, error: X07Error, broker: Plain) -> Plain | None:
    """Return an answer that ends what the client is doing, or None where only the end of the connection can.

    Args:
        request: what is refused.
        body: its message.
        error: why; its text goes where the protocol has room for one.
        broker: number and address of the only broker. Clients ask for unknown topics over and over, so there is one
            partition of each, and what they do with it is refused.
    """
    if request.key == apis.PRODUCE:
        text = {"error_code": _TOPIC, "base_offset": -1, "error_message": str(error)}
        rows = [
            {"name": t.name, "partition_responses": [{"index": p.index, **text} for p in t.partition_data]}
            for t in body.topic_data
        ]
        return {"responses": rows} if body.acks else None
    if request.key == apis.FETCH:
        high = {"error_code": _TOPIC, "high_watermark": -1, "records": b""}
        return {
            "responses": [
                {"topic": t.topic, "partitions": [{"partition_index": p.partition, **high} for p in t.partitions]}
                for t in body.topics
            ]
        }
    if request.key == apis.METADATA:
        part = {"partition_index": 0, "leader_id": broker["node_id"], "leader_epoch": 0}
        return {
            "brokers": [broker],
            "controller_id": broker["node_id"],
            "topics": [{"name": t.name, "partitions": [part]} for t in body.topics or ()],
        }
    if request.key in (apis.OFFSET_COMMIT, apis.TXN_OFFSET_COMMIT):
        return {
            "topics": [
                {
                    "name": t.name,
                    "partitions": [{"partition_index": p.partition_index, "error_code": _TOPIC} for p in t.partitions],
                }
                for t in body.topics
            ]
        }
    if request.key in (apis.JOIN_GROUP, apis.SYNC_GROUP, apis.HEARTBEAT):
        return {"error_code": _GROUP}
    if request.key in (apis.INIT_PRODUCER_ID, apis.ADD_OFFSETS_TO_TXN, apis.END_TXN):
        return {"error_code": _TRANSACTION, "producer_id": -1}
    return None
