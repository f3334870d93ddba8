"""A broker made of a cassette: one node, whatever the recorded cluster had, that leads and coordinates everything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from x07py.drivers.base import canonical_json
from x07py.errors import NothingRecordedError, ReplayMismatchError
from x07py.wire.decoding import decoding, document
from x07py.wire.kafka import apis
from x07py.wire.kafka.accepting import Accepting, SilenceError
from x07py.wire.kafka.calls import asked, scope_of
from x07py.wire.kafka.commits import error_number
from x07py.wire.kafka.groups import Groups
from x07py.wire.kafka.peers import Ask, Peer
from x07py.wire.kafka.scram import MECHANISMS, Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from x07py.wire.kafka.feeds import Feed, Place
    from x07py.wire.kafka.frames import Request
    from x07py.wire.kafka.holdings import Holdings
    from x07py.wire.kafka.messages import Plain

NODE = 1
_FIRST_PRODUCER_ID = 1000
_TURN_WAIT_S = 0.01
_ALWAYS = (apis.API_VERSIONS, apis.SASL_HANDSHAKE, apis.SASL_AUTHENTICATE, apis.FIND_COORDINATOR)
"""What a client asks before anything that can be refused."""
_UNKNOWN_TOPIC, _UNSUPPORTED_MECHANISM = 3, 33
_MECHANISMS = ("PLAIN", "OAUTHBEARER", *MECHANISMS)


class Replay:
    """What every connection of a replay shares.

    Args:
        tape: the cassette.
    """

    def __init__(self, tape: Holdings) -> None:
        self.tape = tape
        self.groups: Groups = Groups(tape)
        self._producers = _FIRST_PRODUCER_ID
        self._handlers: Mapping[int, Callable[[Ask], Plain]] = {
            apis.PRODUCE: Accepting(tape).produce,
            apis.FETCH: self._fetch,
            apis.LIST_OFFSETS: self._list_offsets,
            apis.METADATA: self._metadata,
            apis.OFFSET_COMMIT: self.groups.commit,
            apis.OFFSET_FETCH: self.groups.committed,
            apis.FIND_COORDINATOR: self._find_coordinator,
            apis.JOIN_GROUP: self.groups.join,
            apis.HEARTBEAT: self.groups.heartbeat,
            apis.LEAVE_GROUP: self.groups.leave,
            apis.SYNC_GROUP: self.groups.sync,
            apis.SASL_HANDSHAKE: self._sasl_handshake,
            apis.SASL_AUTHENTICATE: self._sasl_authenticate,
            apis.API_VERSIONS: self._api_versions,
            apis.INIT_PRODUCER_ID: self._init_producer_id,
            apis.OFFSET_FOR_LEADER_EPOCH: self._leader_epoch,
            apis.ADD_PARTITIONS_TO_TXN: self._add_partitions,
            apis.ADD_OFFSETS_TO_TXN: lambda _: {},
            apis.END_TXN: self._end_txn,
            apis.TXN_OFFSET_COMMIT: self._txn_commit,
            apis.DESCRIBE_CLUSTER: self._describe_cluster,
        }

    def answer(self, peer: Peer, request: Request) -> Plain | None:
        """Return the answer to a request as plain data, or None where there is none.

        Raises:
            ReplayMismatchError: the program does something else than was recorded.
            DriverError: 9650 for a malformed request.
        """
        peer.client_id = request.client_id
        if self.tape.broken is not None and request.key not in _ALWAYS:
            raise self.tape.broken
        body = request.body()
        handler = self._handlers.get(request.key)
        try:
            with decoding(f"an answer to {apis.APIS[request.key].name}"):
                return handler(Ask(peer, request, body)) if handler is not None else self._call(request, body)
        except SilenceError:
            return None

    def _api_versions(self, _: Ask) -> Plain:
        return {
            "api_keys": [
                {"api_key": key, "min_version": low, "max_version": high} for key, low, high in apis.advertised()
            ]
        }

    def _sasl_handshake(self, ask: Ask) -> Plain:
        known = ask.body.mechanism in _MECHANISMS
        ask.peer.login = Exchange(ask.body.mechanism) if ask.body.mechanism in MECHANISMS else None
        return {"error_code": 0 if known else _UNSUPPORTED_MECHANISM, "mechanisms": list(_MECHANISMS)}

    def _sasl_authenticate(self, ask: Ask) -> Plain:
        return {"auth_bytes": ask.peer.login.answer(ask.body.auth_bytes)} if ask.peer.login is not None else {}

    def broker(self, peer: Peer) -> Plain:
        """Return the only broker, at the address that a client asked for."""
        return {"node_id": NODE, "host": peer.address.host, "port": peer.address.port}

    def _metadata(self, ask: Ask) -> Plain:
        everything = ask.body.topics is None or (ask.request.version == 0 and not ask.body.topics)
        names = self._known_topics() if everything else [topic.name for topic in ask.body.topics]
        cluster = self.tape.questions.ask("cluster", "", {})
        return {
            "brokers": [self.broker(ask.peer)],
            "cluster_id": cluster["id"] if cluster else "x07",
            "controller_id": NODE,
            "topics": [self._topic(name) for name in names],
        }

    def _known_topics(self) -> list[str]:
        """Return what a client gets that asks for all topics: those that were there, or the recording tells of."""
        listed = self.tape.questions.ask("topics", "", {})
        if listed is not None:
            return list(listed["names"])
        found = dict.fromkeys(scope.partition(" ")[0] for scope in self.tape.questions.scopes("topic"))
        found |= dict.fromkeys(self.tape.publishes.topics)
        for feed in self.tape.feeds.all:
            found |= dict.fromkeys(sorted(source.partition("/")[0] for source in feed.sources))
        return list(found)

    def _topic(self, name: str) -> Plain:
        known = self.tape.questions.ask("topic", name, {})
        count, error = (known["partitions"], known["error_code"]) if known else (self._least(name), 0)
        if not count and not error:
            error = _UNKNOWN_TOPIC
            if "topic" not in self.tape.rules.match_on:
                count, error = 1, 0
            elif not self.tape.live:
                raise self._unknown_topic(name)
        parts = [
            {"partition_index": n, "leader_id": NODE, "replica_nodes": [NODE], "isr_nodes": [NODE], "leader_epoch": 0}
            for n in range(count if not error else 0)
        ]
        return {"name": name, "error_code": error, "partitions": parts}

    def _least(self, name: str) -> int:
        """Return how many partitions a topic has at least, where the recording does not tell how many it has."""
        count = self.tape.publishes.topics.get(name, 0)
        for feed in self.tape.feeds.all:
            if any(source.partition("/")[0] == name for source in feed.sources):
                count = max(count, 1, *(partition + 1 for topic, partition in feed.places() if topic == name))
        return count

    def _unknown_topic(self, name: str) -> ReplayMismatchError:
        return NothingRecordedError(
            2009,
            f"the program asks for topic {name!r}, of which nothing was recorded",
            where=self.tape.session.config.cassette,
            hint=f"recorded topics: {', '.join(self._known_topics()[:5])}; record again if another one is meant",
        )

    def _find_coordinator(self, ask: Ask) -> Plain:
        keys = list(ask.body.coordinator_keys) if ask.request.version >= 4 else [ask.body.key]
        if not getattr(ask.body, "key_type", 0):
            ask.peer.groups += keys
        found = self.broker(ask.peer)
        return {**found, "coordinators": [{"key": key, **found} for key in keys]}

    def gone(self, peer: Peer) -> None:
        """Take note that a connection has ended."""
        self.groups.gone(peer)

    def _fetch(self, ask: Ask) -> Plain:
        wanted = {(t.topic, p.partition): p.fetch_offset for t in ask.body.topics for p in t.partitions}
        most = min([ask.body.max_bytes, *(p.partition_max_bytes for t in ask.body.topics for p in t.partitions)])
        ends = time.monotonic() + ask.body.max_wait.total_seconds()
        feed = self.groups.feed_of(ask.peer, frozenset(wanted)) if wanted else None
        served = None
        tape = self.tape
        with tape.changed:
            while feed is not None and (served := feed.serve(wanted, most)) is None:
                now = time.monotonic()
                self._check_patience(feed, ask.peer)
                rest = min(ends - now, _TURN_WAIT_S if feed.holds_turn else ends - now)
                if rest <= 0 or tape.broken or ask.peer.has_left:
                    break
                tape.changed.wait(min(rest, 1.0))
                if feed.holds_turn:
                    break
            while feed is None and not tape.broken and not ask.peer.has_left and (now := time.monotonic()) < ends:
                tape.changed.wait(min(ends - now, 1.0))
        if tape.broken:
            raise tape.broken
        return {"responses": self._fetched(feed, wanted, served), "session_id": 0}

    def _fetched(self, feed: Feed | None, wanted: Mapping[Place, int], served: Any) -> list[Plain]:
        topics: dict[str, list[Plain]] = {}
        for place, offset in wanted.items():
            mine = served is not None and served.place == place
            high = served.high_watermark if mine else feed.high_watermark(place, offset) if feed else offset
            topics.setdefault(place[0], []).append(
                {
                    "partition_index": place[1],
                    "high_watermark": high,
                    "last_stable_offset": high,
                    "log_start_offset": 0,
                    "records": served.records if mine else b"",
                }
            )
        return [{"topic": name, "partitions": parts} for name, parts in topics.items()]

    def _check_patience(self, feed: Feed, peer: Peer) -> None:
        """Raise 2070 if a client has waited for longer than the rules allow, and nothing has happened on the tape."""
        tape = self.tape
        if tape.last_activity is not None and peer.waited_s(tape.last_activity) > tape.rules.patience_s:
            raise tape.ended_feed(feed)

    def _list_offsets(self, ask: Ask) -> Plain:
        topics = []
        for topic in ask.body.topics:
            rows = [
                {"partition_index": p.partition_index, **self._offset((topic.name, p.partition_index), p.timestamp)}
                for p in topic.partitions
            ]
            topics.append({"name": topic.name, "partitions": rows})
        return {"topics": topics}

    def _offset(self, place: Place, moment: int) -> Plain:
        known = self.tape.questions.ask("offsets", f"{place[0]}/{place[1]}", {"timestamp": moment})
        if known is not None:
            return {"leader_epoch": 0, **known}
        starts = [feed.start(place) for feed in self.tape.feeds.all if place in feed.places()]
        return {"timestamp": -1, "offset": min([at for at in starts if at is not None], default=0), "leader_epoch": 0}

    def _leader_epoch(self, ask: Ask) -> Plain:
        return {
            "topics": [
                {
                    "topic": topic.topic,
                    "partitions": [
                        {"partition": p.partition, "leader_epoch": p.leader_epoch, "end_offset": 2**62}
                        for p in topic.partitions
                    ],
                }
                for topic in ask.body.topics
            ]
        }

    def _init_producer_id(self, ask: Ask) -> Plain:
        error = 0 if ask.body.transactional_id is None else self._control("init_transactions", {})
        with self.tape.lock:
            self._producers += 1
            return {"error_code": error, "producer_id": -1 if error else self._producers, "producer_epoch": 0}

    def _add_partitions(self, ask: Ask) -> Plain:
        return {
            "results_by_topic_v3_and_below": [
                {"name": t.name, "results_by_partition": [{"partition_index": n} for n in t.partitions]}
                for t in ask.body.v3_and_below_topics
            ]
        }

    def _end_txn(self, ask: Ask) -> Plain:
        return {"error_code": self._control("commit_transaction" if ask.body.committed else "abort_transaction", {})}

    def _txn_commit(self, ask: Ask) -> Plain:
        rows = [[t.name, p.partition_index, p.committed_offset] for t in ask.body.topics for p in t.partitions]
        error = self._control("send_offsets_to_transaction", {"offsets": rows})
        return {
            "topics": [
                {
                    "name": t.name,
                    "partitions": [{"partition_index": p.partition_index, "error_code": error} for p in t.partitions],
                }
                for t in ask.body.topics
            ]
        }

    def _control(self, name: str, request: Plain) -> int:
        """Use the next recorded outcome of an operation and return its error; 0 for none."""
        answer = self.tape.next_call(name, canonical_json(request))
        error = error_number(document(answer.resp)) if answer.err else 0
        if error < 0:
            raise SilenceError
        return error

    def _describe_cluster(self, ask: Ask) -> Plain:
        broker = self.broker(ask.peer)
        cluster = self.tape.questions.ask("cluster", "", {})
        row = {"broker_id": NODE, "host": broker["host"], "port": broker["port"]}
        return {"cluster_id": cluster["id"] if cluster else "x07", "controller_id": NODE, "brokers": [row]}

    def _call(self, request: Request, body: Any) -> Plain:
        """Return the recorded answer to an administrator's request."""
        call = apis.CALLS[request.key]
        question = asked(body)
        if call.question:
            found = self.tape.questions.ask(f"admin_{call.name}", scope_of(question), question)
            if found is not None:
                return found
        return self.tape.change(f"admin_{call.name}", scope_of(question), question)
