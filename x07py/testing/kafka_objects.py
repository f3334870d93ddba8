"""The classes of confluent-kafka that a cassette may hold: a closed table, each with its fields and its constructor.

A cassette is data that others write. Nothing in it names a module, an attribute or a class to look up: its words are
keys of the tables below, and the fields of a kind are checked before its constructor sees them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    ConsumerGroupType,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Node,
    ThrottleEvent,
    TopicPartition,
    TopicPartitionInfo,
    Uuid,
)
from confluent_kafka import admin as _untyped

from x07py.wire.decoding import misshapen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from enum import Enum

    Check = Callable[[Any], bool]

admin: Any = _untyped
ENUMS: dict[str, type[Enum]] = {
    kind.__name__: kind
    for kind in (
        admin.AclOperation,
        admin.AlterConfigOpType,
        admin.ConfigSource,
        ConsumerGroupState,
        ConsumerGroupType,
        IsolationLevel,
        admin.ResourceType,
    )
}
"""Enumerations by name."""


class Kind(NamedTuple):
    """A class that a cassette may hold.

    Args:
        made: the class.
        make: makes one of the fields by name.
        fields: what each field may be.
        attributes: where a field stands in an object, if not under its own name.
    """

    made: type
    make: Callable[..., Any]
    fields: dict[str, Check]
    attributes: Mapping[str, str] = {}

    def read(self, value: Any) -> dict[str, Any]:
        """Return the fields of an object of this kind."""
        return {name: getattr(value, self.attributes.get(name, name), None) for name in self.fields}

    def build(self, fields: dict[str, Any]) -> Any:
        """Return the object with these fields.

        Raises:
            CassetteError: 2072 for a field that is missing, or that is not what this kind holds.
        """
        name = self.made.__name__
        for field in (*fields, *self.fields):
            if field not in self.fields or field not in fields:
                raise misshapen(f"a {name} with other fields")
            if not self.fields[field](fields[field]):
                raise misshapen(f"a {name} whose {field} is a {type(fields[field]).__name__}")
        return self.make(**fields)


def _is(*kinds: type | None) -> Check:
    exact = tuple(type(None) if kind is None else kind for kind in kinds)
    return lambda value: type(value) in exact


def _list(item: Check) -> Check:
    return lambda value: type(value) is list and all(map(item, value))


def _table(key: Check, item: Check) -> Check:
    return lambda value: type(value) is dict and all(map(key, value)) and all(map(item, value.values()))


def _or_none(check: Check) -> Check:
    return lambda value: value is None or check(value)


_TEXT, _NUMBER, _FLAG, _MAYBE_TEXT, _BLOB = _is(str), _is(int), _is(bool), _is(str, None), _is(bytes, str, None)
_ERROR = _is(KafkaError, None)
_NUMBERS = _list(_NUMBER)
_OPERATIONS = _or_none(_list(_is(admin.AclOperation)))
_PARTITIONS = _list(lambda value: isinstance(value, TopicPartition))
_CONFIGS = _table(_TEXT, _is(admin.ConfigEntry))
_NODE = _is(Node, None)


def _filled(made: type, **fields: Check) -> Kind:
    """Return the kind of a class whose constructor takes nothing."""

    def make(**values: Any) -> Any:
        value = made()
        for name in fields:
            setattr(value, name, values[name])
        return value

    return Kind(made, make, fields)


def _made(made: type, **fields: Check) -> Kind:
    """Return the kind of a class whose constructor takes its fields."""
    return Kind(made, made, fields)


def _listed_offset(offset: int, timestamp: int, leader_epoch: int | None) -> Any:
    return admin.ListOffsetsResultInfo(offset, timestamp, -1 if leader_epoch is None else leader_epoch)


_KINDS = (
    _filled(
        admin.ClusterMetadata,
        cluster_id=_MAYBE_TEXT,
        controller_id=_NUMBER,
        brokers=_table(_NUMBER, _is(admin.BrokerMetadata)),
        topics=_table(_TEXT, _is(admin.TopicMetadata)),
        orig_broker_id=_NUMBER,
        orig_broker_name=_MAYBE_TEXT,
    ),
    _filled(admin.BrokerMetadata, id=_NUMBER, host=_MAYBE_TEXT, port=_NUMBER),
    _filled(
        admin.TopicMetadata, topic=_MAYBE_TEXT, partitions=_table(_NUMBER, _is(admin.PartitionMetadata)), error=_ERROR
    ),
    _filled(admin.PartitionMetadata, id=_NUMBER, leader=_NUMBER, replicas=_NUMBERS, isrs=_NUMBERS, error=_ERROR),
    _filled(
        admin.GroupMember,
        id=_MAYBE_TEXT,
        client_id=_MAYBE_TEXT,
        client_host=_MAYBE_TEXT,
        metadata=_BLOB,
        assignment=_BLOB,
    ),
    _filled(
        admin.GroupMetadata,
        broker=_is(admin.BrokerMetadata, None),
        id=_MAYBE_TEXT,
        error=_ERROR,
        state=_MAYBE_TEXT,
        protocol_type=_MAYBE_TEXT,
        protocol=_MAYBE_TEXT,
        members=_list(_is(admin.GroupMember)),
    ),
    _made(Node, id=_NUMBER, host=_MAYBE_TEXT, port=_NUMBER, rack=_MAYBE_TEXT),
    _made(
        admin.DescribeClusterResult,
        controller=_NODE,
        nodes=_list(_is(Node)),
        cluster_id=_MAYBE_TEXT,
        authorized_operations=_OPERATIONS,
    ),
    _made(TopicPartitionInfo, id=_NUMBER, leader=_NODE, replicas=_list(_NODE), isr=_list(_NODE)),
    _made(
        admin.TopicDescription,
        name=_TEXT,
        topic_id=_is(Uuid),
        is_internal=_FLAG,
        partitions=_list(_is(TopicPartitionInfo)),
        authorized_operations=_OPERATIONS,
    ),
    _made(
        admin.ConsumerGroupListing,
        group_id=_TEXT,
        is_simple_consumer_group=_FLAG,
        state=_is(ConsumerGroupState, None),
        type=_is(ConsumerGroupType, None),
    ),
    _made(
        admin.ListConsumerGroupsResult,
        valid=_or_none(_list(_is(admin.ConsumerGroupListing))),
        errors=_or_none(_list(_is(KafkaException, KafkaError))),
    ),
    _made(admin.MemberAssignment, topic_partitions=_PARTITIONS),
    _made(
        admin.MemberDescription,
        member_id=_TEXT,
        client_id=_MAYBE_TEXT,
        host=_MAYBE_TEXT,
        assignment=_is(admin.MemberAssignment, None),
        group_instance_id=_MAYBE_TEXT,
        target_assignment=_is(admin.MemberAssignment, None),
    ),
    _made(
        admin.ConsumerGroupDescription,
        group_id=_TEXT,
        is_simple_consumer_group=_FLAG,
        members=_list(_is(admin.MemberDescription)),
        partition_assignor=_MAYBE_TEXT,
        state=_is(ConsumerGroupState, None),
        coordinator=_NODE,
        authorized_operations=_OPERATIONS,
        type=_is(ConsumerGroupType, None),
    ),
    _made(ConsumerGroupTopicPartitions, group_id=_TEXT, topic_partitions=_or_none(_PARTITIONS)),
    Kind(
        admin.ListOffsetsResultInfo,
        _listed_offset,
        {"offset": _NUMBER, "timestamp": _NUMBER, "leader_epoch": _is(int, None)},
    ),
    _made(
        admin.ConfigEntry,
        name=_TEXT,
        value=_MAYBE_TEXT,
        source=_is(admin.ConfigSource, int),
        is_read_only=_FLAG,
        is_default=_FLAG,
        is_sensitive=_FLAG,
        is_synonym=_FLAG,
        synonyms=_CONFIGS,
        incremental_operation=_is(admin.AlterConfigOpType, None),
    ),
    Kind(
        admin.ConfigResource,
        admin.ConfigResource,
        {
            "restype": _is(admin.ResourceType),
            "name": _TEXT,
            "set_config": _table(_TEXT, _MAYBE_TEXT),
            "described_configs": _or_none(_CONFIGS),
            "error": _ERROR,
            "incremental_configs": _list(_is(admin.ConfigEntry)),
        },
        {"set_config": "set_config_dict", "described_configs": "configs"},
    ),
    _made(ThrottleEvent, broker_name=_TEXT, broker_id=_NUMBER, throttle_time=_is(float, int)),
)
KINDS = {kind.made.__name__: kind for kind in _KINDS}
"""Classes by name."""
