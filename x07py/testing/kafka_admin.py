"""`confluent_kafka.admin.AdminClient` on a tape. While recording, each call waits for its outcome.

`AdminClient` is written in Python and names itself when it calls its base, so its methods are replaced, not the class.
A recorded future is done when the program gets it; a program that waits for it cannot tell.
"""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaException, TopicCollection, admin
from confluent_kafka.admin import AdminClient

from x07py.testing.kafka_callbacks import Callbacks
from x07py.testing.kafka_producer import unsupported
from x07py.testing.kafka_tape import kafka_tape
from x07py.testing.kafka_values import CODEC, dump
from x07py.wire.decoding import decoding, misshapen, record

if TYPE_CHECKING:
    from x07py.testing.kafka_tape import KafkaTape

PLAIN = ("list_topics", "list_groups", "cluster_id")
"""Calls that return their result."""
FUTURES = (
    "alter_configs",
    "create_partitions",
    "create_topics",
    "delete_consumer_groups",
    "delete_topics",
    "describe_cluster",
    "describe_configs",
    "describe_consumer_groups",
    "describe_topics",
    "incremental_alter_configs",
    "list_consumer_group_offsets",
    "list_consumer_groups",
    "list_offsets",
)
"""Calls that return a future, or a map of futures."""
QUIET = ("set_sasl_credentials",)
"""Calls that change nothing on the broker."""
UNSUPPORTED = (
    "alter_consumer_group_offsets",
    "alter_user_scram_credentials",
    "create_acls",
    "delete_acls",
    "delete_records",
    "describe_acls",
    "describe_user_scram_credentials",
    "elect_leaders",
)


def _tape_of(admin: Any) -> KafkaTape | None:
    """Return the tape that a client was made for; clients from before the cassette have none."""
    tape: KafkaTape | None = vars(admin).get("_x07_tape")
    return tape


def _init(self: Any, *args: Any, **conf: Any) -> None:
    tape = self._x07_tape = kafka_tape()
    if tape is None:
        _OWN["__init__"](self, *args, **conf)
        return
    settings = {**(args[0] if args else {}), **conf}
    self._x07_callbacks = Callbacks(tape, "admin", settings)
    if tape.live:
        _OWN["__init__"](self, self._x07_callbacks.recorded(settings))


def _poll(self: Any, timeout: float = -1) -> Any:
    """See `confluent_kafka.admin.AdminClient.poll`."""
    tape = _tape_of(self)
    if tape is None or tape.live:
        return _OWN["poll"](self, timeout)
    self._x07_callbacks.serve()
    return 0


def _outcome(future: Future[Any]) -> Any:
    """Wait for a future and return its result, or its exception as a value."""
    try:
        return {"result": future.result()}
    except KafkaException as error:
        return {"raised": error}


def _future(outcome: dict[str, Any]) -> Future[Any]:
    future: Future[Any] = Future()
    if "raised" in record(outcome):
        record(outcome, raised=KafkaException)
        future.set_exception(outcome["raised"])
    elif "result" in outcome:
        future.set_result(outcome["result"])
    else:
        raise misshapen("a future without a result")
    return future


def _request(args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Return the arguments of a call as JSON; time limits do not belong to what is asked."""
    return {
        "args": [_argument(arg) for arg in args],
        "options": {k: _argument(v) for k, v in options.items() if "timeout" not in k},
    }


def _argument(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_argument(item) for item in value]
    if isinstance(value, dict):
        return [[_argument(key), _argument(item)] for key, item in value.items()]
    if type(value).__module__.startswith("cimpl") or type(value).__name__ in ("NewTopic", "NewPartitions"):
        names = ("topic", "num_partitions", "new_total_count", "replication_factor", "config")
        return {name: getattr(value, name) for name in names if hasattr(value, name)}
    if isinstance(value, admin.OffsetSpec):
        return {"offsets": type(value).__name__, **vars(value)}
    if isinstance(value, TopicCollection):
        return {"topics": value.topic_names}
    return dump(value)


def _plain(name: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        def live() -> Any:
            return _OWN[name](self, *args, **options)

        tape = _tape_of(self)
        return live() if tape is None else tape.query(f"admin_{name}", "", _request(args, options), live, CODEC)

    return _named(method, name)


def _futures(name: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        def live() -> Any:
            found = _OWN[name](self, *args, **options)
            if isinstance(found, dict):
                return {key: _outcome(future) for key, future in found.items()}
            return [_outcome(found)]

        tape = _tape_of(self)
        if tape is None:
            return _OWN[name](self, *args, **options)
        found = tape.control(f"admin_{name}", "", _request(args, options), live, CODEC)
        if isinstance(found, dict):
            return {key: _future(outcome) for key, outcome in found.items()}
        with decoding("the result of a future"):
            return _future(found[0])

    return _named(method, name)


def _refused(name: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        if _tape_of(self) is None:
            return _OWN[name](self, *args, **options)
        raise unsupported(f"admin.AdminClient.{name}")

    return _named(method, name)


def _quiet(name: str) -> Any:
    def method(self: Any, *args: Any, **options: Any) -> Any:
        tape = _tape_of(self)
        return _OWN[name](self, *args, **options) if tape is None or tape.live else None

    return _named(method, name)


def _named(method: Any, name: str) -> Any:
    method.__name__, method.__doc__ = name, f"See `confluent_kafka.admin.AdminClient.{name}`."
    return method


METHODS: dict[str, Any] = {"__init__": _init, "poll": _poll}
"""What stands in place of the methods of `AdminClient` while a cassette is in use."""
for _names, _make in ((PLAIN, _plain), (FUTURES, _futures), (QUIET, _quiet), (UNSUPPORTED, _refused)):
    METHODS |= {_name: _make(_name) for _name in _names if hasattr(AdminClient, _name)}
_OWN = {name: getattr(AdminClient, name) for name in METHODS}
