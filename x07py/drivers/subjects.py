"""Subjects for the core: what a project pins, with the ids that the registry of a driver has for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from x07py.contracts.loader import find_root
from x07py.contracts.subjects import INDEX, not_pinned, read_subjects
from x07py.errors import SchemaRefusedError
from x07py.serialization import Schema, Subject, schema_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from x07py.contracts.subjects import PinnedSubject
    from x07py.drivers.base import Json
    from x07py.drivers.driver import Driver
    from x07py.msg import Envelope
    from x07py.serialization import Field, SchemaId

_TYPES = {"avro": "AVRO", "json": "JSON", "protobuf": "PROTOBUF"}
_DEEPEST = 101
KINDS_OF_REGISTRIES = {word: kind for kind, word in _TYPES.items()}
"""The words of registries, and the kinds of this project."""


async def open_subjects(
    driver: Driver, names: Iterable[str] | None = None, *, register: bool = False
) -> dict[str, Subject]:
    """Return subjects of ``arch/msg/schemas``, which write by the highest version that is pinned.

    The registry beside the driver's profile is asked once for the ids of all versions; a recording holds the answer.

    Args:
        driver: a Kafka driver whose profile has a ``schema_registry``.
        names: of the subjects; all that are pinned if it is not given.
        register: register versions that the registry does not have, which is else an error.

    Raises:
        ContractError: 9599 if what is pinned cannot be used, or a name is not pinned.
        DriverError: 9622 without a registry, 9766 for a version that it does not have, 9767 if it does not answer, 9768
            if it refuses the user, 9769 if it refuses a version, has no GUID for a subject whose ids go into headers,
            or answers what cannot be used.
        SchemaError: 9598 for a schema that cannot be used.
        NotInstalledError: 9635 if a library is not installed.
        ReplayMismatchError: in replay, if this is not what was recorded, as when a pinned schema has changed.
    """
    pinned = read_subjects(find_root())
    wanted = list(pinned if names is None else names)
    for name in wanted:
        if name not in pinned:
            raise not_pinned(name, pinned)
    places = _with_references(wanted, pinned)
    schemas = [_asked(pinned[name], number) for name, number in places]
    answer = await driver.control("schema_ids", {"register": register, "schemas": schemas})
    known = dict(zip(places, _ids(answer, len(places)), strict=True))
    return {name: _subject(pinned[name], known) for name in wanted}


def _subject(pinned: PinnedSubject, known: Mapping[tuple[str, int], _Ids]) -> Subject:
    schemas: dict[SchemaId, Schema] = {}
    for number, one in pinned.versions.items():
        schemas |= dict.fromkeys((key for key in known[pinned.name, number] if key is not None), one.schema)
    newest = known[pinned.name, max(pinned.versions)]
    own = newest.number if pinned.id_in == "prefix" else newest.guid
    if own is None:
        message = f"{pinned.name!r} has its schema's id in a header, and the schema registry gives schemas no GUIDs"
        hint = 'say "id_in": "prefix" in its index, or use a registry that has them; of an old recording, record again'
        raise SchemaRefusedError(9769, message, where=INDEX, hint=hint)
    return Subject(pinned.name, schemas, own)


async def know_writer(driver: Driver, subject: Subject, data: bytes | Envelope, field: Field = "value") -> Subject:
    """Return the subject, with the schema that `data` was written by; the registry is asked only if it is not held.

    Args:
        driver: as of `open_subjects`.
        subject: reads the value.
        data: the value, as it came, or its message, whose header may name the schema.
        field: which part of the message it is.

    Raises:
        SchemaError: 9595 if there is no schema id, 9598 for a schema that cannot be used.
        DriverError: as `open_subjects`.
    """
    number = schema_id(data, field)
    if number in subject.schemas:
        return subject
    asked = {"id": number} if isinstance(number, int) else {"guid": str(number)}
    return subject.learn(number, _schema(await driver.control("schema", asked)))


class _Ids(NamedTuple):
    """What a registry calls a schema; older ones have no GUIDs, nor have older recordings."""

    number: int
    guid: UUID | None


def _ids(answer: Json, wanted: int) -> list[_Ids]:
    ids, guids = answer.get("ids"), answer.get("guids", [None] * wanted)
    if not isinstance(ids, list) or len(ids) != wanted or not all(type(one) is int for one in ids):
        raise strange(f"{wanted} ids were asked for, and the answer is {ids!r:.100}")
    if not isinstance(guids, list) or len(guids) != wanted:
        raise strange(f"{wanted} GUIDs were asked for, and the answer is {guids!r:.100}")
    return [_Ids(number, _guid(guid)) for number, guid in zip(ids, guids, strict=True)]


def _guid(answer: object) -> UUID | None:
    if answer is None:
        return None
    try:
        return UUID(answer if isinstance(answer, str) else "")
    except ValueError:
        raise strange(f"{answer!r:.100} is no GUID") from None


def _schema(answer: object, above: int = 0) -> Schema:
    match answer:
        case {"type": str(word), "schema": str(text), "references": list(rows)} if above < _DEEPEST:
            names = [one.get("name") if isinstance(one, dict) else None for one in rows]
            below = [
                (name, _schema(one, above + 1)) for name, one in zip(names, rows, strict=True) if isinstance(name, str)
            ]
            if len(below) == len(rows):
                return Schema(KINDS_OF_REGISTRIES.get(word, word), text, tuple(below))
    raise strange(f"it is no schema: {answer!r:.100}")


def strange(reason: str) -> SchemaRefusedError:
    """Return the error of an answer that no registry gives."""
    hint = "is the recording as it was written, and is this a schema registry?"
    return SchemaRefusedError(9769, f"the answer of the schema registry cannot be used: {reason}", hint=hint)


def _with_references(names: Iterable[str], pinned: Mapping[str, PinnedSubject]) -> list[tuple[str, int]]:
    """Return the versions to ask for, each after those that it refers to, as a registry has to be told of them."""
    order: dict[tuple[str, int], None] = {}

    def add(name: str, number: int) -> None:
        if (name, number) in order:
            return
        for one in pinned[name].versions[number].references:
            add(one.subject, one.version)
        order.setdefault((name, number))

    for name in names:
        for number in pinned[name].versions:
            add(name, number)
    return list(order)


def _asked(subject: PinnedSubject, number: int) -> Json:
    one = subject.versions[number]
    return {
        "subject": subject.name,
        "version": number,
        "type": _TYPES[one.schema.kind],
        "schema": one.schema.text,
        "references": [list(reference) for reference in one.references],
    }
