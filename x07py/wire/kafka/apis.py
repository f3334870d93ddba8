"""The requests that are implemented, and in which versions.

Upper bounds keep names of topics on the wire: the versions above refer to topics by random ids. The newest clients of
librdkafka, Java, Go, Node and Python all speak some version between the bounds.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from kio.index import load_request_schema, load_response_schema

from x07py.wire.kafka.errors import wire_error

if TYPE_CHECKING:
    from collections.abc import Mapping

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 8, 9, 10
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 11, 12, 13, 14
SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
INIT_PRODUCER_ID, OFFSET_FOR_LEADER_EPOCH = 22, 23
ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN, END_TXN, TXN_OFFSET_COMMIT = 24, 25, 26, 28
DESCRIBE_CLUSTER = 60


class Api(NamedTuple):
    """One kind of request: its number, Kafka's name for it, the lowest and the highest version."""

    key: int
    name: str
    low: int
    high: int


class Call(NamedTuple):
    """An administrator's request.

    Args:
        name: what it is called in a cassette.
        question: whether it changes nothing, so that a program may ask once more than was recorded.
    """

    name: str
    question: bool


APIS: Mapping[int, Api] = {
    api.key: api
    for api in (
        Api(PRODUCE, "Produce", 3, 11),
        Api(FETCH, "Fetch", 4, 11),
        Api(LIST_OFFSETS, "ListOffsets", 1, 7),
        Api(METADATA, "Metadata", 0, 8),  # asking for all topics, librdkafka writes version 9 as brokers only forgive
        Api(OFFSET_COMMIT, "OffsetCommit", 2, 8),
        Api(OFFSET_FETCH, "OffsetFetch", 1, 8),
        Api(FIND_COORDINATOR, "FindCoordinator", 0, 4),
        Api(JOIN_GROUP, "JoinGroup", 0, 9),
        Api(HEARTBEAT, "Heartbeat", 0, 4),
        Api(LEAVE_GROUP, "LeaveGroup", 0, 5),
        Api(SYNC_GROUP, "SyncGroup", 0, 5),
        Api(15, "DescribeGroups", 0, 5),
        Api(16, "ListGroups", 0, 4),
        Api(SASL_HANDSHAKE, "SaslHandshake", 0, 1),
        Api(API_VERSIONS, "ApiVersions", 0, 3),
        Api(19, "CreateTopics", 2, 6),
        Api(20, "DeleteTopics", 1, 5),
        Api(21, "DeleteRecords", 0, 2),
        Api(INIT_PRODUCER_ID, "InitProducerId", 0, 4),
        Api(OFFSET_FOR_LEADER_EPOCH, "OffsetForLeaderEpoch", 2, 4),
        Api(ADD_PARTITIONS_TO_TXN, "AddPartitionsToTxn", 0, 3),
        Api(ADD_OFFSETS_TO_TXN, "AddOffsetsToTxn", 0, 3),
        Api(END_TXN, "EndTxn", 0, 3),
        Api(TXN_OFFSET_COMMIT, "TxnOffsetCommit", 0, 3),
        Api(29, "DescribeAcls", 1, 3),
        Api(30, "CreateAcls", 1, 3),
        Api(31, "DeleteAcls", 1, 3),
        Api(32, "DescribeConfigs", 1, 4),
        Api(33, "AlterConfigs", 0, 2),
        Api(SASL_AUTHENTICATE, "SaslAuthenticate", 0, 2),
        Api(37, "CreatePartitions", 0, 3),
        Api(42, "DeleteGroups", 0, 2),
        Api(43, "ElectLeaders", 0, 2),
        Api(44, "IncrementalAlterConfigs", 0, 1),
        Api(47, "OffsetDelete", 0, 0),
        Api(DESCRIBE_CLUSTER, "DescribeCluster", 0, 1),
    )
}
CALLS: Mapping[int, Call] = {
    15: Call("describe_groups", question=True),
    16: Call("list_groups", question=True),
    19: Call("create_topics", question=False),
    20: Call("delete_topics", question=False),
    21: Call("delete_records", question=False),
    29: Call("describe_acls", question=True),
    30: Call("create_acls", question=False),
    31: Call("delete_acls", question=False),
    32: Call("describe_configs", question=True),
    33: Call("alter_configs", question=False),
    37: Call("create_partitions", question=False),
    42: Call("delete_groups", question=False),
    43: Call("elect_leaders", question=False),
    44: Call("incremental_alter_configs", question=False),
    47: Call("offset_delete", question=False),
}
"""The requests whose answers are recorded as they are and given again."""
_ADVERTISED_LOW = {PRODUCE: 0}
"""librdkafka takes a broker without version 0 of this for one that cannot compress; no client sends it."""


def advertised() -> list[tuple[int, int, int]]:
    """Return number, lowest and highest version of each request, as clients are told."""
    return [(api.key, _ADVERTISED_LOW.get(api.key, api.low), api.high) for api in APIS.values()]


def known(key: int, version: int) -> Api:
    """Return what is known of a request.

    Raises:
        DriverError: 9650 if the request or its version is not implemented; the message names it.
    """
    api = APIS.get(key)
    if api is None:
        raise wire_error(f"the client sent request {key} of Kafka's protocol, which cannot be recorded or replayed")
    if not api.low <= version <= api.high:
        raise wire_error(
            f"the client sent {api.name} in version {version}; versions {api.low} to {api.high} can be recorded"
        )
    return api


_loading = threading.Lock()
"""kio's modules import each other in circles, which two threads at once do not survive."""


@functools.cache
def request_class(key: int, version: int) -> type[Any]:
    """Return the class of a request of a known version."""
    with _loading:
        return load_request_schema(key, version)


@functools.cache
def response_class(key: int, version: int) -> type[Any]:
    """Return the class of the answer to a request of a known version."""
    with _loading:
        return load_response_schema(key, version)
