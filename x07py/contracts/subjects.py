"""The schemas that a project pins: ``arch/msg/schemas/subjects.json``, and a file for each version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from x07py.contracts.loader import JsonObject, read_object, resolve_inside
from x07py.contracts.schema_check import surely_fits
from x07py.contracts.schemas import load_schema
from x07py.errors import ContractError
from x07py.files import CONTRACT_BYTES, read_file
from x07py.serialization import Schema, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from x07py.serialization import Compatibility

FOLDER = "arch/msg/schemas"
INDEX = f"{FOLDER}/subjects.json"
INDEX_SCHEMA = "x07py.arch.msg.subjects"
DEFAULT: Compatibility = "backward"
IdPlace = Literal["prefix", "header"]
_DEEPEST = 100
_HINT = "x07 arch check tells what is wrong"


class Reference(NamedTuple):
    """What a schema refers to: by which name, and where that is pinned."""

    name: str
    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class Pinned:
    """One version of a subject."""

    schema: Schema
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class PinnedSubject:
    """The versions of a subject, by number, the oldest first, what they are held to, and where ids are written."""

    name: str
    compatibility: Compatibility
    id_in: IdPlace
    versions: Mapping[int, Pinned]


def read_subjects(root: Path) -> dict[str, PinnedSubject]:
    """Return the subjects that the project at `root` pins, by name, in file order.

    Raises:
        ContractError: 9599 if the index or a file is missing or does not fit, or refers to what is not pinned;
            ``X07_CONTRACT_PATH`` for a file that lies elsewhere.
        NotInstalledError: 9635 for Protobuf without its library.
        SchemaError: 9598 for a file of Protobuf messages that is none.
    """
    index = read_index(root)

    def read(file: str) -> bytes:
        try:
            return read_file(resolve_inside(root, file), limit=CONTRACT_BYTES)
        except OSError as error:
            raise ContractError(9599, f"cannot be read: {error.strerror}", where=file, hint=_HINT) from None

    found = Pins(index, read)
    return {row["subject"]: found.subject(row) for row in index["subjects"]}


def read_index(root: Path) -> JsonObject:
    """Return the document that lists the subjects of the project at `root`.

    Raises:
        ContractError: 9599 if it is missing or does not fit its schema.
    """
    path = root / INDEX
    index = read_object(path, root=root, code=9599, hint=f"pin the project's schemas in {INDEX}")
    if not surely_fits(index, load_schema(INDEX_SCHEMA)):
        raise ContractError(9599, f"the index does not fit the schema {INDEX_SCHEMA}", where=str(path), hint=_HINT)
    return index


def not_pinned(name: str, pinned: Iterable[str]) -> ContractError:
    """Return the error of a subject that the project does not pin."""
    return ContractError(9599, f"no subject is called {name!r}", where=INDEX, hint=f"there are: {', '.join(pinned)}")


class Pins:
    """The rows of an index, and the schemas made of them, each read once.

    Args:
        index: a document that fits its schema.
        read: returns the bytes of a file of the project.
    """

    def __init__(self, index: JsonObject, read: Callable[[str], bytes]) -> None:
        self._rows = {row["subject"]: row for row in index["subjects"]}
        self._read = read
        self._made: dict[tuple[str, int], Pinned] = {}
        self._depth: dict[tuple[str, int], int] = {}

    def subject(self, row: JsonObject) -> PinnedSubject:
        """Return what a row pins; raises as `version`."""
        numbers = sorted(one["version"] for one in row["versions"])
        versions = {number: self.version(row["subject"], number) for number in numbers}
        held, place = row.get("compatibility", DEFAULT), row.get("id_in", "prefix")
        return PinnedSubject(row["subject"], held, place, versions)

    def version(self, subject: str, number: int, above: tuple[tuple[str, int], ...] = ()) -> Pinned:
        """Return one version, with what it refers to.

        Raises:
            ContractError: 9599 for one that is not pinned, refers to itself, or begins a row of more than 100.
            SchemaError, NotInstalledError: as `text_of`.
        """
        place = (subject, number)
        if place in self._made:
            return self._made[place]
        if place in above:
            raise _broken(f"version {number} of {subject!r} refers to itself", subject)
        if len(above) >= _DEEPEST:
            raise _too_deep(*above[0])
        row = self._rows.get(subject, {"versions": []})
        entry = next((one for one in row["versions"] if one["version"] == number), None)
        if entry is None:
            raise _broken(f"version {number} of {subject!r} is referred to, and not pinned", subject)
        references = tuple(
            Reference(one["name"], one["subject"], one["version"]) for one in entry.get("references", ())
        )
        below = [(one.name, self.version(one.subject, one.version, (*above, place)).schema) for one in references]
        self._depth[place] = 1 + max((self._depth[one.subject, one.version] for one in references), default=0)
        if self._depth[place] > _DEEPEST:
            raise _too_deep(subject, number)
        schema = Schema(row["kind"], text_of(row["kind"], self._read(entry["path"])), tuple(below))
        self._made[place] = Pinned(schema, references)
        return self._made[place]


def _too_deep(subject: str, number: int) -> ContractError:
    return _broken(f"more than {_DEEPEST} references in a row begin at version {number} of {subject!r}", subject)


def _broken(message: str, subject: str) -> ContractError:
    return ContractError(9599, message, where=f"subject {subject!r} of {INDEX}", hint="pin it, or correct references")
