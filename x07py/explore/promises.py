"""What a program promises of each topic that it writes to, as it is declared."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from x07py.contracts.project import find_manifest, read_project
from x07py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_VALUES = {
    "results": ("set", "ce_id", "sequence"),
    "duplicates": ("never", "after-fault", "any"),
    "order": ("key", "none"),
}
_HINT = "write results=set|ce_id|sequence, duplicates=never|after-fault|any, order=key|none"


@dataclass(frozen=True, slots=True)
class Promise:
    """What holds of the messages on one topic.

    Args:
        results: they are those of the undisturbed run: as a ``set``, as a set by their header ``ce_id``, or as a
            ``sequence`` per key.
        duplicates: ``never``, ``after-fault`` only, or ``any``.
        order: ``key``: those of one key are in the order of the undisturbed run; or ``none``.
    """

    results: str = "set"
    duplicates: str = "after-fault"
    order: str = "none"


@dataclass(frozen=True, slots=True)
class Promises:
    """What a program promises.

    Args:
        topics: by topic; of others holds what `Promise` says by itself.
        dead_letters: topics for messages that cannot be handled; with one, a message is put in that nobody can.
        invariants: functions of the project, ``module:function``, each called with a `History`.
        instances: how many instances of the program run.
    """

    topics: Mapping[str, Promise] = field(default_factory=dict)
    dead_letters: tuple[str, ...] = ()
    invariants: tuple[str, ...] = ()
    instances: int = 1

    def of(self, topic: str) -> Promise:
        """Return what holds of a topic."""
        return self.topics.get(topic) or Promise()


def promise_of(topic: str, given: Mapping[str, Any], where: str) -> Promise:
    """Return the promise that a table states.

    Raises:
        UsageError: ``X07EXPLORE_PROMISE``.
    """
    for name, value in given.items():
        if name not in _VALUES or value not in _VALUES[name]:
            raise UsageError(
                "X07EXPLORE_PROMISE", f"topic {topic}: {name} = {value!r} is no promise", where=where, hint=_HINT
            )
    return Promise(**given)


def parse_promise(text: str) -> tuple[str, Promise]:
    """Return topic and promise of a flag, ``alerts:duplicates=never,order=key``.

    Raises:
        UsageError: ``X07EXPLORE_PROMISE``.
    """
    topic, _, rest = text.rpartition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part]
    if not topic or not pairs:
        raise UsageError("X07EXPLORE_PROMISE", f"{text!r} is no promise", where="--promise", hint=f"TOPIC: {_HINT}")
    return topic, promise_of(topic, {name: value for name, _, value in pairs}, "--promise")


def read_promises(root: Path) -> Promises:
    """Return what ``[tool.x07.explore]`` of the project says; nothing is promised more where it says nothing.

    Raises:
        UsageError: ``X07EXPLORE_PROMISE`` for what cannot be meant.
        PackageError: the manifest cannot be read.
    """
    if find_manifest(root) is None:
        return Promises()
    project = read_project(root)
    table = project.settings.get("explore", {})
    where = f"{project.file}: explore"
    known = {one.name for one in fields(Promises)}
    if not isinstance(table, dict) or not table.keys() <= known:
        raise _refused(f"it has {', '.join(sorted(known))}", where)
    topics = table.get("topics", {})
    if not isinstance(topics, dict) or not all(isinstance(one, dict) for one in topics.values()):
        raise _refused("topics is a table of tables", where)
    instances = table.get("instances", 1)
    if not isinstance(instances, int) or not 1 <= instances <= 26:
        raise _refused("instances is a number from 1 to 26", where)
    return Promises(
        {topic: promise_of(topic, given, where) for topic, given in topics.items()},
        _texts(table, "dead_letters", where),
        _texts(table, "invariants", where),
        instances,
    )


def marked_promises(root: Path, given: Mapping[str, Any], where: str) -> Promises:
    """Return what the project says, and on top of it the arguments of a marker.

    Args:
        root: the project's folder.
        given: ``promises`` (by topic), ``dead_letters``, ``invariants``, ``members``.
        where: the test, for errors.

    Raises:
        UsageError: ``X07EXPLORE_PROMISE``.
    """
    stated = read_promises(root)
    topics = {topic: promise_of(topic, one, where) for topic, one in given.get("promises", {}).items()}
    return Promises(
        {**stated.topics, **topics},
        tuple(given.get("dead_letters", stated.dead_letters)),
        tuple(given.get("invariants", stated.invariants)),
        int(given.get("members", stated.instances)),
    )


def _texts(table: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    given: Sequence[Any] = table.get(name, [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise _refused(f"{name} is a list of strings", where)
    return tuple(given)


def _refused(what: str, where: str) -> UsageError:
    return UsageError("X07EXPLORE_PROMISE", f"the table cannot be meant: {what}", where=where, hint=_HINT)
