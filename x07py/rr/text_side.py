"""The text side of a cassette: ``NAME.x07rr.md`` beside ``NAME.x07rr.bin``, for people who review a recording.

Two recordings of one program give the same text. Messages stand by key and topic in the order of the recording, which
a broker keeps for one key of one topic; what depends on the run (offsets, partitions, timestamps, batches, latencies,
how often was committed, which records of Kafka came again) is left out. JSON is laid out one field a line, so that a
diff shows the field. Text that could change what a reader sees, control and direction characters, is escaped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from x07py.errors import CassetteError
from x07py.files import load_json, read_file, replace_file
from x07py.msg import Envelope
from x07py.printing import escaped
from x07py.rr.alignment import DELIVER, PUBLISH, message_of
from x07py.rr.cassette_files import project_of
from x07py.rr.varying import VARIES, Numbers
from x07py.rr.volatile import is_counted, stable_headers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from x07py.rr.cassette import Cassette
    from x07py.rr.entry import Entry
    from x07py.rr.varying import Varying

SUFFIX = ".md"
MOST_MESSAGES = 500
"""Messages of a section that are shown; of the rest stands a digest, so that no change passes unseen."""
MOST_CHARS = 4000
_SHOWN_CHARS = 400
_INTRODUCTION = "Made by x07py from the recording; `x07 rr verify` holds it against the file. JSON is laid out anew."
_REGISTRY = "schema_registry."
_VERBS = {"ignore_fields": "Fields not compared", "ignore_headers": "Headers not compared", "capture": "Captured"}
_NUMBERED = re.compile(rb"\(captured \d+\)")
_LIKE_AN_ESCAPE = re.compile(r"\\(?=[\\abfnrtvxuUN0-7])")
_RUN_OF_TICKS = re.compile(r"`+")
_PLAIN = r'"[a-z_]+":(?:-?\d+|true|false|"[^"\\]*")'
_STOOD = re.compile(rf'\{{(?:(?!"offset"){_PLAIN},)*+"offset":(-?\d+),"partition":(-?\d+)(?:,{_PLAIN})*+\}}')
"""What a broker said of most deliveries: JSON without anything nested."""


class _Identifiers(Numbers):
    """Numbers for identifiers that some message captures, wherever and whenever they are shown."""

    met: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.met = set()

    def known(self, name: str) -> str | None:
        """Return what stands for a text if any message captures it."""
        return self.of(name) if name in self.met else None


@dataclass(slots=True)
class _Message:
    envelope: Envelope
    order: bytes
    err: int = 0


@dataclass(slots=True)
class _Section:
    """What was delivered from, or published to, one place.

    A record of Kafka that came again stands once: how many do depends on what had been fetched.
    """

    again: bool = False
    records: dict[tuple[str, str, str], Envelope] = field(default_factory=dict)
    by_key: dict[tuple[bytes, str], list[_Message]] = field(default_factory=lambda: defaultdict(list))

    def came_before(self, entry: Entry, envelope: Envelope) -> bool:
        """Note a delivery, and tell whether it is a record of Kafka that was delivered before."""
        if (plain := _STOOD.fullmatch(entry.meta)) is not None:
            offset, partition = plain.groups()
        elif "offset" not in entry.meta and "\\" not in entry.meta:  # nor can it be spelled by escapes
            return False
        else:
            meta = _loaded(entry.meta.encode()) if entry.meta else None
            if not isinstance(meta, dict) or "offset" not in meta or "partition" not in meta:
                return False
            offset, partition = str(meta["offset"]), str(meta["partition"])
        record = (envelope.topic, partition, offset)
        if record not in self.records:
            self.records[record] = envelope
            return False
        self.again = self.again or self.records[record] == envelope
        return self.records[record] == envelope

    def in_order(self) -> Iterator[tuple[bytes, str, list[_Message]]]:
        """Yield messages by key and topic; those without a key have no order among them and are sorted."""
        for key, topic in sorted(self.by_key):
            found = self.by_key[key, topic]
            yield key, topic, found if key else sorted(found, key=lambda one: (one.order, one.err))


@dataclass(frozen=True, slots=True)
class _View:
    varying: Varying
    names: _Identifiers

    def shown(self, envelope: Envelope) -> Envelope:
        """Return a message as it is shown."""
        one = self.varying.shape(envelope, self.names).envelope
        ignored = self.varying.ignore_headers
        headers = {name: VARIES if name.lower() in ignored else text for name, text in one.headers.items()}
        return Envelope(one.topic, one.key, one.value, headers)


def text_side_of(cassette: Path) -> Path:
    """Return where the text side of a cassette stands."""
    return cassette.with_name(cassette.name.removesuffix(".bin") + SUFFIX)


def write_text_side(path: Path, cassette: Cassette, varying: Varying) -> None:
    """Write the text side of the cassette at `path`, with the cassette's permissions.

    Args:
        path: the cassette's file.
        cassette: what it holds.
        varying: what may differ between two recordings.

    Raises:
        FileError: ``X07IO_WRITE``; a text side that was there is untouched then.
    """
    mode = path.stat().st_mode & 0o777  # a daemon's umask leaves all of them
    replace_file(text_side_of(path), text_side(cassette, path.name, varying).encode(), mode=mode)


def check_text_side(path: Path, cassette: Cassette, varying: Varying) -> bool:
    """Compare the text side with the cassette; return False if there is none.

    Raises:
        CassetteError: 2069 if it says something else than the cassette holds.
    """
    beside = text_side_of(path)
    expected = text_side(cassette, path.name, varying).encode()
    try:
        found = read_file(beside, limit=len(expected), root=project_of(path))
    except FileNotFoundError:
        return False
    except OSError:
        found = b""
    if found != expected:
        raise CassetteError(
            2069,
            "the text side does not say what the cassette holds",
            where=str(beside),
            hint=f"`x07 rr verify --write {path.name}` writes it anew; then look at its difference",
        )
    return True


def text_side(cassette: Cassette, name: str, varying: Varying) -> str:
    """Return the text side of a cassette as Markdown; what may differ between two recordings is blotted out.

    Args:
        cassette: what is shown.
        name: its name.
        varying: what may differ.
    """
    sections: dict[tuple[int, str], _Section] = defaultdict(_Section)
    others: set[tuple[str, str, int]] = set()
    schemas: set[tuple[str, str]] = set()
    names = _Identifiers()
    for entry in cassette.entries:
        found = message_of(entry)
        if found is None and entry.op.startswith(_REGISTRY):
            schemas |= _registered(entry)
            continue
        if found is None:
            if entry.err or not is_counted(entry):
                others.add((_operation(entry), varying.place(entry.scope), entry.err))
            continue
        direction, envelope = found
        section = sections[direction, varying.place(entry.scope or envelope.topic)]
        if direction == DELIVER and section.came_before(entry, envelope):
            continue
        shape = varying.shape(envelope)
        names.met.update(shape.captured)
        section.by_key[shape.envelope.key, varying.place(envelope.topic)].append(
            _Message(envelope, shape.envelope.value, entry.err)
        )
    view = _View(varying, names)
    parts = [f"# {escaped(name)}\n\n{_INTRODUCTION}\n", *_what_varies(varying)]
    for (direction, place), section in sorted(sections.items(), key=lambda item: (item[0][0] == PUBLISH, item[0][1])):
        parts += _section(direction, place, section, view)
    if schemas:
        parts.append("\n## Changes to the schema registry\n")
        parts += [f"\n### {_code(what)}\n{_block('json', asked) if asked else ''}" for what, asked in sorted(schemas)]
    if others:
        parts.append("\n## Other operations\n\n")
        parts += [
            f"- {_code(operation)}{f' {_code(scope)}' if scope else ''}{f': error {err}' if err else ''}\n"
            for operation, scope, err in sorted(others)
        ]
    return "".join(parts)


def _registered(entry: Entry) -> set[tuple[str, str]]:
    """Return what a registry was told to change, with its document; none for what was only read there."""
    verb = entry.op.removeprefix(_REGISTRY).removesuffix("_v1")
    if verb.startswith("query_"):
        return set()
    what = f"{verb.upper()} {entry.scope}"
    request = _loaded(entry.req)
    if not isinstance(request, dict):
        return {(what, json.dumps(entry.req.hex()))}
    asked = request.get("body")
    if isinstance(asked, dict) and isinstance(asked.get("schema"), str):
        asked["schema"] = _loaded((_json(asked["schema"]) or json.dumps(asked["schema"])).encode())
    return {(what, json.dumps(asked, indent=2, ensure_ascii=False) if asked is not None else "")}


def _loaded(data: bytes) -> Any:
    """Return a JSON document, or None for what is none."""
    try:
        return load_json(data)
    except (ValueError, RecursionError):
        return None


def _what_varies(varying: Varying) -> Iterator[str]:
    for verb, places in varying.document().items():
        yield f"\n{_VERBS[verb]}: {', '.join(map(_code, places))}\n"


def _operation(entry: Entry) -> str:
    return entry.op.removeprefix("std.msg.")


def _section(direction: int, place: str, section: _Section, view: _View) -> Iterator[str]:
    count = sum(map(len, section.by_key.values()))
    verb = "Delivered from" if direction == DELIVER else "Published to"
    yield f"\n## {verb} {_code(place)}: {count} message{'s' if count != 1 else ''}\n"
    shown, rest = 0, hashlib.sha256()
    several = len({topic for _, topic in section.by_key}) > 1
    for key, topic, messages in section.in_order():
        if shown < MOST_MESSAGES:
            heading = _NUMBERED.sub(b"(captured)", key)
            of = f" of {_code(topic)}" if several else ""
            yield f"\n### {_code(_decoded(heading) or heading.hex()) if key else 'no key'}{of}\n"
        for message in messages:
            one = view.shown(message.envelope)
            if shown < MOST_MESSAGES:
                yield from _lines(one, message.err)
            else:
                rest.update(_identity(one, message.err))
            shown += 1
    if count > MOST_MESSAGES:
        yield f"\nand {count - MOST_MESSAGES} more messages, sha256 {rest.hexdigest()}\n"
    if section.again:
        yield "\nSome of them were delivered again.\n"


def _identity(one: Envelope, err: int) -> bytes:
    return repr((one.topic, one.key, one.value, stable_headers(one.headers.items()), err)).encode()


def _lines(one: Envelope, err: int) -> Iterator[str]:
    headers = stable_headers(one.headers.items())
    if headers or err:
        yield "\n"
    for name, value in headers:
        yield f"- {_code(name)}: {_code(value)}\n"
    if err:
        yield f"- error {err}\n"
    yield from _value(one.value)


def _value(value: bytes) -> Iterable[str]:
    text = _decoded(value)
    if text is None or len(text) > MOST_CHARS:
        digest = f"\n{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()}\n"
        return [digest] if text is None else [digest, _block("text", text[:_SHOWN_CHARS] + " …")]
    if not text:
        return ["\nempty\n"]
    laid_out = _json(text)
    return [_block("json", laid_out) if laid_out is not None else _block("text", text)]


def _json(text: str) -> str | None:
    """Return JSON one field a line, or None for what is no JSON or would lose something by that."""
    try:
        data = load_json(text, object_pairs_hook=_unique, parse_float=_exact_float)
        return json.dumps(data, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _exact_float(text: str) -> float:
    """Return a number if what is shown of it has the same value: another recording must not look like this one."""
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise ValueError(text)
    return number


def _decoded(data: bytes) -> str | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _block(language: str, text: str) -> str:
    shown = "\n".join(escaped(line if language == "json" else _told_apart(line)) for line in text.split("\n"))
    fence = "`" * max(3, _longest_run(shown) + 1)
    return f"\n{fence}{language}\n{shown}\n{fence}\n"


def _told_apart(text: str) -> str:
    """Return a text in which what looks like an escape has one backslash more, so that an escape is one."""
    return _LIKE_AN_ESCAPE.sub(r"\\\g<0>", text) if "\\" in text else text


def _code(text: str) -> str:
    shown = escaped(_told_apart(text))
    tick = "`" * (_longest_run(shown) + 1)
    space = " " if shown.startswith("`") or shown.endswith("`") or not shown else ""
    return f"{tick}{space}{shown}{space}{tick}"


def _longest_run(text: str) -> int:
    return max(map(len, _RUN_OF_TICKS.findall(text)), default=0)
