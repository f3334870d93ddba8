"""The simulated Kafka behind its protocol: one node that leads and coordinates everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from x07py.explore.wire.kafka_groups import Groups
from x07py.explore.wire.kafka_members import Members
from x07py.explore.wire.kafka_records import Records
from x07py.explore.wire.kafka_transactions import Transactions
from x07py.explore.wire.stream import not_simulated
from x07py.wire.kafka import apis
from x07py.wire.kafka.frames import answer, parse_request, unsupported_api_versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from x07py.explore.kafka import KafkaCluster
    from x07py.explore.process import Process
    from x07py.explore.wire.stream import Stream
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.messages import Plain
    from x07py.wire.stand_in import Address

_NODE = 1
_FIRST_PRODUCER = 1000
_LATEST, _EARLIEST = -1, -2
_MECHANISMS = ("PLAIN", "OAUTHBEARER")
_UNSUPPORTED_MECHANISM = 33
_OF_TRANSACTIONS = 1
"""The kind of coordinator that transactions have."""


class KafkaBroker:
    """What the connections of one history share.

    Args:
        cluster: what is stored.
        instances: how many instances of the program run.
    """

    def __init__(self, cluster: KafkaCluster, instances: int) -> None:
        self.cluster: KafkaCluster = cluster
        self.members: Members = Members(cluster, instances)
        self.groups: Groups = Groups(cluster, self.members)
        self.records: Records = Records(cluster)
        self.transactions: Transactions = Transactions(cluster, self.groups, self.records)
        self.producer: int = _FIRST_PRODUCER

    def forget(self, process: Process) -> None:
        """Forget an instance: it starts again after the sessions of its last life are over."""
        self.transactions.forget(process)
        self.members.forget(process)


class KafkaConnection:
    """One connection of a client.

    Args:
        broker: what it shares with others.
        process: whose it is.
        address: what the client asked for, and is told of its broker.
    """

    def __init__(self, broker: KafkaBroker, process: Process, address: Address) -> None:
        self._broker, self._process = broker, process
        self._node = {"node_id": _NODE, "host": address.host, "port": address.port}
        records, groups, transactions, members = broker.records, broker.groups, broker.transactions, broker.members
        self._handlers: Mapping[int, Callable[[Request, Any], Awaitable[Plain | None]]] = {
            apis.PRODUCE: lambda _, body: records.produce(process, body, transactions.open_one),
            apis.FETCH: lambda _, body: records.fetch(process, body, groups),
            apis.JOIN_GROUP: lambda request, body: members.join(self, process, request, body),
            apis.SYNC_GROUP: lambda _, body: members.sync(process, body),
            apis.OFFSET_COMMIT: lambda _, body: groups.commit(process, body),
            apis.TXN_OFFSET_COMMIT: lambda request, body: transactions.add_commit(process, request, body),
            apis.END_TXN: lambda request, body: transactions.end(process, request, body),
        }
        self._plain: Mapping[int, Callable[[Request, Any], Plain]] = {
            apis.API_VERSIONS: self._api_versions,
            apis.METADATA: self._metadata,
            apis.FIND_COORDINATOR: self._find_coordinator,
            apis.LIST_OFFSETS: self._list_offsets,
            apis.OFFSET_FOR_LEADER_EPOCH: self._leader_epoch,
            apis.INIT_PRODUCER_ID: self._init_producer_id,
            apis.ADD_PARTITIONS_TO_TXN: lambda request, body: transactions.add_partitions(process, request, body),
            apis.ADD_OFFSETS_TO_TXN: lambda request, body: transactions.add_offsets(process, request, body),
            apis.SASL_HANDSHAKE: self._sasl_handshake,
            apis.SASL_AUTHENTICATE: lambda *_: {},
            apis.HEARTBEAT: lambda _, body: members.heartbeat(body),
            apis.LEAVE_GROUP: members.leave,
            apis.OFFSET_FETCH: groups.committed,
        }

    async def run(self, stream: Stream) -> None:
        """Answer requests in their order until the client ends.

        Raises:
            UsageError: ``X07EXPLORE_WIRE`` for what is not simulated.
            Cut: the connection is lost here.
        """
        while (frame := await stream.frame()) is not None:
            request = parse_request(frame)
            if request.is_newer:
                stream.send(unsupported_api_versions(request))
                continue
            found = await self._answer(request)
            if found is not None:
                stream.send(answer(request, found))

    async def _answer(self, request: Request) -> Plain | None:
        body = request.body()
        plain = self._plain.get(request.key)
        if plain is not None:
            return plain(request, body)
        handler = self._handlers.get(request.key)
        if handler is None:
            raise not_simulated(f"the program sends {apis.APIS[request.key].name} to Kafka")
        return await handler(request, body)

    def gone(self) -> None:
        """Take note that the connection has ended."""
        self._broker.members.gone(self)

    def _api_versions(self, _: Request, __: Any) -> Plain:
        rows = [{"api_key": key, "min_version": low, "max_version": high} for key, low, high in apis.advertised()]
        return {"api_keys": rows}

    def _sasl_handshake(self, _: Request, body: Any) -> Plain:
        known = body.mechanism in _MECHANISMS
        return {"error_code": 0 if known else _UNSUPPORTED_MECHANISM, "mechanisms": list(_MECHANISMS)}

    def _metadata(self, request: Request, body: Any) -> Plain:
        logs = self._broker.cluster.logs
        everything = body.topics is None or (request.version == 0 and not body.topics)
        names = sorted(logs.topics) if everything else [topic.name for topic in body.topics]
        return {
            "brokers": [self._node],
            "cluster_id": "x07",
            "controller_id": _NODE,
            "topics": [{"name": name, "partitions": _partitions(len(logs.make(name)))} for name in names],
        }

    def _find_coordinator(self, request: Request, body: Any) -> Plain:
        if getattr(body, "key_type", 0) > _OF_TRANSACTIONS:
            raise not_simulated("the program uses share groups")
        keys = list(body.coordinator_keys) if request.version >= 4 else [body.key]
        return {**self._node, "coordinators": [{"key": key, **self._node} for key in keys]}

    def _init_producer_id(self, _: Request, body: Any) -> Plain:
        self._broker.producer += 1
        if body.transactional_id is not None:
            return self._broker.transactions.take_name(body.transactional_id, self._broker.producer)
        return {"error_code": 0, "producer_id": self._broker.producer, "producer_epoch": 0}

    def _list_offsets(self, _: Request, body: Any) -> Plain:
        topics = []
        for topic in body.topics:
            rows = [
                {
                    "partition_index": part.partition_index,
                    "timestamp": -1,
                    "leader_epoch": 0,
                    "offset": self._offset(topic.name, part.partition_index, part.timestamp),
                }
                for part in topic.partitions
            ]
            topics.append({"name": topic.name, "partitions": rows})
        return {"topics": topics}

    def _offset(self, topic: str, partition: int, moment: int) -> int:
        logs = self._broker.cluster.logs
        logs.make(topic)
        if moment not in {_LATEST, _EARLIEST}:
            raise not_simulated("the program looks offsets up by time")
        return 0 if moment == _EARLIEST else logs.end_of(topic, partition)

    def _leader_epoch(self, _: Request, body: Any) -> Plain:
        logs = self._broker.cluster.logs
        topics = []
        for topic in body.topics:
            ends = [(one, logs.end_of(topic.topic, one.partition)) for one in topic.partitions]
            rows = [
                {"partition": one.partition, "leader_epoch": one.leader_epoch, "end_offset": end} for one, end in ends
            ]
            topics.append({"topic": topic.topic, "partitions": rows})
        return {"topics": topics}


def _partitions(count: int) -> list[Plain]:
    return [
        {"partition_index": n, "leader_id": _NODE, "replica_nodes": [_NODE], "isr_nodes": [_NODE], "leader_epoch": 0}
        for n in range(count)
    ]
