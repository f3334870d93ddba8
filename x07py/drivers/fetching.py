"""The schemas of a registry into a project: what ``x07 msg schemas fetch`` pins, and never what is pinned already."""

from __future__ import annotations

import json
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from x07py.contracts.subjects import FOLDER, INDEX, INDEX_SCHEMA, Pins, read_index
from x07py.drivers.subjects import KINDS_OF_REGISTRIES, strange
from x07py.errors import ContractError, SchemaError, SchemaRefusedError
from x07py.files import CONTRACT_BYTES, load_json, read_file, replace_file
from x07py.serialization import LEVELS, data_of, parse, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from x07py.contracts.loader import JsonObject
    from x07py.drivers.base import Json
    from x07py.drivers.driver import Driver

_MOST_SUBJECTS = 1000
_ENDINGS = {"avro": "avsc", "json": "json", "protobuf": "pb"}
_UNFIT = re.compile(r"[^A-Za-z0-9_-]")


class Fetched(NamedTuple):
    """One version of a subject: ``pinned`` now, or ``kept`` because it was pinned as it is."""

    subject: str
    version: int
    path: str
    action: Literal["pinned", "kept"]


async def fetch_subjects(driver: Driver, root: Path, names: Iterable[str] | None = None) -> list[Fetched]:
    """Pin the versions of subjects that the registry has, and of what they refer to.

    A subject that is new is held to the registry's compatibility. What is pinned stays as it is, its compatibility and
    versions that the registry has no longer among it. Files are written before the index that names them.

    Args:
        driver: a Kafka driver whose profile has a ``schema_registry``.
        root: the project.
        names: of the subjects; those that are pinned if it is not given.

    Raises:
        ContractError: 9599 if what is pinned cannot be used, or a file is in the way.
        DriverError: 9622 without a registry, 9766 for a subject that it does not have, 9767 if it does not answer, 9768
            if it refuses the user, 9769 if it has another schema than the one that is pinned, or answers what cannot
            be used.
        SchemaError: 9598 for a schema that cannot be used; nothing is pinned then.
        NotInstalledError: 9635 without the library of the kind.
    """
    index: dict[str, Any] = {"schema_version": f"{INDEX_SCHEMA}@0.1.0", "subjects": []}
    if (root / INDEX).exists():
        index = read_index(root)
    rows = {row["subject"]: row for row in index["subjects"]}
    wanted = list(rows) if names is None else list(names)
    answers = await _asked(driver, wanted)
    files: dict[str, bytes] = {}
    found = [one for name, answer in answers.items() for one in _pin(root, rows, files, name, answer)]
    if any(one.action == "pinned" for one in found):
        index["subjects"] = list(rows.values())
        _check_usable(root, index, files, found)
        for path, data in files.items():
            replace_file(root / path, data, root=root)
        replace_file(root / INDEX, json.dumps(index, indent=1, ensure_ascii=False).encode() + b"\n", root=root)
    return found


async def _asked(driver: Driver, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what the registry says of subjects, and of those that their schemas refer to."""
    answers: dict[str, dict[str, Any]] = {}
    wanted = deque(names)
    while wanted:
        name = wanted.popleft()
        if name in answers:
            continue
        if len(answers) >= _MOST_SUBJECTS:
            message = f"more than {_MOST_SUBJECTS} subjects refer to one another"
            raise SchemaRefusedError(9769, message, hint="fetch the subjects that the project uses by their names")
        answer = _checked(await driver.control("subject", {"subject": name}))
        answers[name] = answer
        wanted.extend(reference[1] for one in answer["versions"] for reference in one["references"])
    return answers


def _checked(answer: Json) -> dict[str, Any]:
    """Return an answer that has the form of one; a recording may have been changed."""
    match answer:
        case {"compatibility": str(level), "versions": [*versions]} if all(_is_version(one) for one in versions):
            found: dict[str, Any] = {"compatibility": level, "versions": versions}
            return found
    raise strange(f"it is no subject: {answer!r:.100}")


def _is_version(one: object) -> bool:
    match one:
        case {"version": int(_), "type": str(word), "schema": str(_), "references": [*references]}:
            return word in KINDS_OF_REGISTRIES and all(
                isinstance(row, list) and [type(part) for part in row] == [str, str, int] for row in references
            )
    return False


def _pin(root: Path, rows: dict[str, Any], files: dict[str, bytes], name: str, answer: Json) -> Iterable[Fetched]:
    """Add to the rows and files what is not pinned of one subject."""
    kinds = {KINDS_OF_REGISTRIES[one["type"]] for one in answer["versions"]}
    if name in rows:
        kinds.add(rows[name]["kind"])
    if len(kinds) != 1:
        raise _differs(f"{name!r} has schemas of several kinds: {', '.join(sorted(kinds)) or 'none'}")
    [kind] = kinds
    level = answer["compatibility"].lower()
    held = {"compatibility": level} if level in LEVELS else {}
    row = rows.setdefault(name, {"subject": name, "kind": kind, **held, "versions": []})
    pinned = {one["version"]: one for one in row["versions"]}
    for one in answer["versions"]:
        number, data = one["version"], data_of(kind, one["schema"])
        references = [dict(zip(("name", "subject", "version"), parts, strict=True)) for parts in one["references"]]
        entry = pinned.get(number)
        if entry is not None:
            _compare(root, name, kind, entry, data, references)
            yield Fetched(name, number, entry["path"], "kept")
            continue
        path = _free(root, rows, files, f"{_UNFIT.sub('_', name)}.{number}", _ENDINGS[kind], data)
        files[path] = data
        row["versions"].append({"version": number, "path": path, **({"references": references} if references else {})})
        yield Fetched(name, number, path, "pinned")
    row["versions"].sort(key=lambda entry: entry["version"])


def _check_usable(root: Path, index: JsonObject, files: Mapping[str, bytes], found: Iterable[Fetched]) -> None:
    """Refuse what is about to be pinned if no program could use it, so that the index stays what `Subject` can read."""
    pins = Pins(index, lambda path: files[path] if path in files else _pinned_file(root, path))
    for one in found:
        if one.action == "pinned":
            try:
                parse(pins.version(one.subject, one.version).schema)
            except SchemaError as error:
                message = f"version {one.version} of {one.subject!r}, as the registry has it: {error.message}"
                raise SchemaError(error.code, message, hint="nothing was pinned; fetch other subjects") from error


def _compare(
    root: Path, name: str, kind: str, entry: Mapping[str, Any], data: bytes, references: list[dict[str, Any]]
) -> None:
    """Refuse a version that is pinned as another schema than the registry has."""
    have = _pinned_file(root, entry["path"])
    same = _meaning(kind, have) == _meaning(kind, data)
    if not same or sorted(map(str, entry.get("references", []))) != sorted(map(str, references)):
        message = f"version {entry['version']} of {name!r} is another schema in the registry than in {entry['path']}"
        raise _differs(message)


def _meaning(kind: str, data: bytes) -> Any:
    text = text_of(kind, data)
    try:
        return text if kind == "protobuf" else load_json(text)
    except ValueError:
        return text


def _free(root: Path, rows: Mapping[str, Any], files: Mapping[str, bytes], stem: str, ending: str, data: bytes) -> str:
    """Return a path that no other version has; subjects whose names differ in odd characters alone get a number."""
    taken = {one["path"].lower() for row in rows.values() for one in row["versions"]} | {one.lower() for one in files}
    path = f"{FOLDER}/{stem}.{ending}"
    number = 1
    while path.lower() in taken:
        number += 1
        path = f"{FOLDER}/{stem}-{number}.{ending}"
    there = _read(root, path)
    if there is not None and there != data:
        message = "the file exists, and no version of a subject names it"
        raise ContractError(9599, message, where=path, hint=f"delete it, or pin it in {INDEX}")
    return path


def _pinned_file(root: Path, path: str) -> bytes:
    data = _read(root, path)
    if data is None:
        raise ContractError(9599, "the file does not exist", where=path, hint="take it out of the index")
    return data


def _read(root: Path, path: str) -> bytes | None:
    try:
        return read_file(root / path, limit=CONTRACT_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ContractError(9599, f"cannot be read: {error.strerror}", where=path, hint="check the path") from None


def _differs(message: str) -> SchemaRefusedError:
    hint = f"nothing was changed; correct {INDEX}, or ask who runs the registry what was done to it"
    return SchemaRefusedError(9769, message, hint=hint)
