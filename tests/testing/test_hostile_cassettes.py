"""Cassettes that somebody made to do harm: a replay makes nothing of them but values of the table, or says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import aio_pika
import confluent_kafka
import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition, admin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from x07py.errors import CassetteError, X07Error
from x07py.rr import Cassette, Entry
from x07py.testing.cassette import use_cassette
from x07py.testing.kafka_objects import ENUMS, KINDS
from x07py.testing.kafka_values import dump, load

KAFKA, AMQP = (
    ("std.msg.kafka.query_admin_list_topics_v1", "confluent-kafka"),
    ("std.msg.amqp.query_connect_v1", "amqp"),
)
ASKED = '{"args":[],"options":{}}'


def cassette(folder: Path, op: str, key: str, scope: str, resp: bytes, **fields: Any) -> None:
    made = Entry(kind="rr", op=op, key=key, req=scope.encode(), resp=resp, scope=scope, **fields)
    (folder / ".x07_rr").mkdir(exist_ok=True)
    (folder / ".x07_rr" / "c.x07rr.bin").write_bytes(Cassette.from_entries([made]).to_bytes())


def list_topics(folder: Path, resp: bytes, **fields: Any) -> Any:
    """Replay a cassette whose answer to `list_topics` is `resp`."""
    cassette(folder, *KAFKA, ASKED, resp, **fields)
    with use_cassette("c.x07rr.bin", mode="none", allow_unused=True):
        return admin.AdminClient({"bootstrap.servers": "127.0.0.1:1"}).list_topics()


def nested(depth: int, opening: str = "[", closing: str = "]") -> bytes:
    return (opening * depth + closing * depth).encode()


WALK = "confluent_kafka._serde_builder:asyncio."
SHAPES: dict[str, Any] = {
    "a method of a module": {"$enum": "confluent_kafka:os.__dict__", "name": "system"},
    "a class reached through a module": {"$object": WALK + "base_events.Server", "fields": {"_sockets": ["x"]}},
    "a class that runs when it is dropped": {"$object": "subprocess:Popen", "fields": {"returncode": None}},
    "a class by its public path": {"$object": "confluent_kafka.admin:ClusterMetadata", "fields": {}},
    "a client": {"$object": "Producer", "fields": {"bootstrap.servers": "127.0.0.1:1"}},
    "a builtin": {"$object": "eval", "fields": {"source": "1"}},
    "a dunder": {"$object": "__class__", "fields": {}},
    "a module as an enumeration": {"$enum": "KINDS", "name": "Node"},
    "another form": {"$import": "os"},
    "two forms at once": {"$bytes": "", "$object": "Node", "fields": {}},
    "an enumeration inside fields": {"$object": "Node", "fields": {"id": {"$enum": "os", "name": "x"}}},
    "a key that is a walk": {"$map": [[{"$object": WALK + "Task", "fields": {}}, 1]]},
}
MISSHAPEN: dict[str, Any] = {
    "a member that is none": {"$enum": "AclOperation", "name": "__class__"},
    "a field too many": {
        "$object": "BrokerMetadata",
        "fields": {"id": 1, "host": "a", "port": 2, "__class__": "x"},
    },
    "a field too few": {"$object": "BrokerMetadata", "fields": {"id": 1}},
    "a field of another type": {"$object": "BrokerMetadata", "fields": {"id": True, "host": "a", "port": 2}},
    "a field of a list": {"$object": "BrokerMetadata", "fields": {"id": [1], "host": "a", "port": 2}},
    "keys that cannot be keys": {"$map": [[[1], 2]]},
    "pairs of three": {"$map": [[1, 2, 3]]},
    "an error of text": {"$error": ["boom", "x", False, False, False]},
    "an error with one argument": {"$error": [1]},
    "an error with a huge code": {"$error": [2**70, "x", False, False, False]},
    "a partition beyond numbers": {"$partition": ["t", 2**80, 0, None, None]},
    "a partition with a text as its error": {"$partition": ["t", 0, 0, None, None, "boom"]},
    "no base64": {"$bytes": "%%%"},
    "a uuid beyond numbers": {"$uuid": [2**90, 1]},
}
NO_JSON: dict[str, bytes] = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "not a number": b"NaN",
    "deep lists": nested(100_000),
    "deep tables": nested(50_000, '{"$map":[[1,', "]]}"),
    "digits": b"9" * 5000,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_what_is_not_in_the_table_is_refused_by_name(project: Path, shape: Any) -> None:
    with pytest.raises(CassetteError, match="2071"):
        list_topics(project, json.dumps(shape).encode())


@pytest.mark.parametrize("shape", MISSHAPEN.values(), ids=MISSHAPEN)
def test_what_is_not_what_it_says_is_refused(project: Path, shape: Any) -> None:
    with pytest.raises(CassetteError, match="2072"):
        list_topics(project, json.dumps(shape).encode())


@pytest.mark.parametrize("resp", NO_JSON.values(), ids=NO_JSON)
def test_what_is_no_json_is_refused(project: Path, resp: bytes) -> None:
    with pytest.raises(CassetteError, match="2072"):
        list_topics(project, resp)


@pytest.mark.parametrize("resp", [b"null", b"3", b'{"$object":"Node","fields":{}}', b"[[]]"])
def test_an_error_that_is_none_is_refused(project: Path, resp: bytes) -> None:
    with pytest.raises(CassetteError, match="2072"):
        list_topics(project, resp, err=9640)


def test_no_code_of_a_cassette_runs(project: Path) -> None:
    """The chain that made a shell of the event loop's server, with a proof that the shell did not come."""
    system = {"$enum": "confluent_kafka:os.__dict__", "name": "system"}
    server = WALK + "base_events.Server"
    loop = {"$object": server, "fields": {"_stop_serving": system}}
    inner = {"$object": server, "fields": {"_sockets": [f"touch {project}/ran"], "_loop": loop, "_active_count": 1}}
    pipe = {
        "$object": WALK + "base_subprocess.BaseSubprocessTransport",
        "fields": {"_closed": False, "_pipes": {"$map": [[9, {"$object": server, "fields": {"pipe": inner}}]]}},
    }
    with pytest.raises(CassetteError, match=r"2071.*value that a cassette can hold"):
        list_topics(project, json.dumps(pipe).encode())
    assert not (project / "ran").exists()


ATOMS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
NAMES = st.sampled_from([*KINDS, *ENUMS, "os", "__class__"])


def _forms(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.sampled_from(sorted({field for kind in KINDS.values() for field in kind.fields}))
    fields = st.dictionaries(names, inner, max_size=4)
    return (
        st.lists(inner, max_size=3)
        | st.fixed_dictionaries({"$object": NAMES, "fields": fields})
        | st.fixed_dictionaries({"$enum": NAMES, "name": st.text(max_size=8)})
        | st.fixed_dictionaries({"$map": st.lists(st.lists(inner, max_size=2), max_size=2)})
        | st.dictionaries(st.sampled_from(["$error", "$exception", "$partition", "$bytes", "$uuid", "x"]), inner)
    )


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(ATOMS, _forms, max_leaves=12))
def test_any_shape_is_a_value_or_an_error_with_a_code(shape: Any) -> None:
    try:
        value = load(shape)
    except CassetteError as error:
        assert error.code in (2071, 2072)
    else:
        dump(value)


BROKER = admin.BrokerMetadata()
CONFIG = admin.ConfigEntry("a", "b", synonyms={"c": admin.ConfigEntry("c", None)})
NODE = confluent_kafka.Node(1, "host", 9092, "rack")
ERROR = KafkaError(3, "gone", False, True, False)
MEMBER = admin.MemberDescription(
    "m", "c", "h", admin.MemberAssignment([TopicPartition("t", 1, 2, "meta", 3)]), "static", admin.MemberAssignment([])
)
VALUES: list[Any] = [
    BROKER,
    NODE,
    admin.DescribeClusterResult(NODE, [NODE], "id", ["READ"]),
    admin.TopicDescription(
        "t", confluent_kafka.Uuid(5, 6), False, [confluent_kafka.TopicPartitionInfo(0, NODE, [NODE], [NODE])]
    ),
    admin.ListConsumerGroupsResult([admin.ConsumerGroupListing("g", True, "STABLE")], [KafkaException(ERROR)]),
    admin.ConsumerGroupDescription("g", False, [MEMBER], "range", "EMPTY", NODE, ["ALTER"]),
    confluent_kafka.ConsumerGroupTopicPartitions("g", [TopicPartition("t", 1)]),
    admin.ListOffsetsResultInfo(1, 2, -1),
    admin.ListOffsetsResultInfo(1, 2, 7),
    {admin.ConfigResource("TOPIC", "t", described_configs={"a": CONFIG}): {"result": {"a": CONFIG}}},
    confluent_kafka.ThrottleEvent("b", 1, 0.5),
    {TopicPartition("t", 0): {"raised": KafkaException(ERROR)}},
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_every_kind_comes_back_as_it_was(value: Any) -> None:
    written = dump(value)
    assert dump(load(json.loads(json.dumps(written)))) == written


def test_cluster_metadata_comes_back_as_it_was() -> None:
    cluster, topic, partition = admin.ClusterMetadata(), admin.TopicMetadata(), admin.PartitionMetadata()
    topic.topic, topic.partitions, topic.error = "t", {0: partition}, ERROR
    cluster.topics, cluster.brokers = {"t": topic}, {1: BROKER}
    again = load(json.loads(json.dumps(dump(cluster))))
    assert (again.topics["t"].topic, again.topics["t"].error, again.topics["t"].partitions[0].leader) == (
        "t",
        ERROR,
        -1,
    )


START: dict[str, Any] = {
    "method": "Connection.Start",
    "fields": {
        "version_major": 0,
        "version_minor": 9,
        "server_properties": {},
        "mechanisms": "PLAIN",
        "locales": "en_US",
    },
}
GREETINGS: dict[str, Any] = {
    "a list": [],
    "nothing": {},
    "a method that is none": {"start": {"method": "os.system", "fields": {"command": "id"}}},
    "a dunder": {"start": {"method": "__class__", "fields": {}}},
    "fields that it has not": {"start": {"method": "Connection.Start", "fields": {"__class__": "x"}}},
    "fields of a list": {"start": {"method": "Connection.Start", "fields": []}},
    "a number beyond its octet": {"start": {**START, "fields": {**START["fields"], "version_major": 10**9}}},
    "a decimal that would fill the memory": {
        "start": {**START, "fields": {**START["fields"], "server_properties": {"a": {"$decimal": "1e999999999"}}}}
    },
    "a time after all times": {
        "start": {**START, "fields": {**START["fields"], "server_properties": {"a": {"$time": 10**30}}}}
    },
    "no tuning": {"start": START},
    "a tuning of text": {"start": START, "tune": {"method": "Connection.Tune", "fields": {"channel_max": "x"}}},
}


async def connect(folder: Path, resp: bytes) -> None:
    cassette(folder, *AMQP, "{}", resp)
    with use_cassette("c.x07rr.bin", mode="none", allow_unused=True):
        async with asyncio.timeout(20):
            await aio_pika.connect("amqp://guest:guest@127.0.0.1:1/")


@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
async def test_a_hostile_greeting_is_refused(project: Path, greeting: Any) -> None:
    with pytest.raises(X07Error, match="2072"):
        await connect(project, json.dumps(greeting).encode())


async def test_a_greeting_that_is_no_json_is_refused(project: Path) -> None:
    with pytest.raises(X07Error, match="2072"):
        await connect(project, nested(100_000))
