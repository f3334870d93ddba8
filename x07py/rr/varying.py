"""What of a message may be another in every run: ignored fields and headers, and captured identifiers.

A message has a shape: itself with what may differ blotted out. Two messages whose shapes are equal are the same, and
what was captured in the one stands for what was captured in the other from then on.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from x07py.errors import UsageError
from x07py.files import load_json
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from jsonpath import JSONPath

UUID, KEY, HEADER = "uuid", "key", "headers."
VARIES = "(varies)"
Decoder = Callable[[bytes], Any]
_NAMELESS: tuple[Any, ...] = ({"": {"": {"": 0}}}, [[0] * 9] * 9)
"""Values in which a path that names a field, or a place in a list, finds less than there is in the outermost."""
_MOST_COMMAS = 8
_MOST_RULES, _LONGEST_RULE, _MOST_MATCHES = 100, 1000, 10_000
SHORTEST_TOKEN = 8
"""Letters of an identifier that is found wherever it stands; a shorter one counts where it is captured alone."""
_UUID = re.compile(
    r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{32})(?![0-9A-Fa-f])"
)
_RUN, _WORD = re.compile(r"[\w.@:+-]{8,}"), re.compile(r"[^\W_]{8,}")


class Shape(NamedTuple):
    """A message with what may differ blotted out, and what was captured, in the order of its places."""

    envelope: Envelope
    captured: tuple[str, ...]


@dataclass(slots=True)
class Numbers:
    """Numbers that stand for identifiers, in the order in which they are met."""

    given: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> str:
        """Return what stands for an identifier."""
        return f"(captured {self.given.setdefault(name, len(self.given) + 1)})"

    def known(self, name: str) -> str | None:
        """Return what stands for a text if it is an identifier that has a number."""
        return self.of(name) if name in self.given else None


@dataclass(frozen=True, slots=True)
class Varying:
    """What may differ between a recording and a replay.

    Args:
        ignore_fields: paths of RFC 9535 into JSON values; what stands there is not compared.
        ignore_headers: names, in lower case, of headers that are not compared.
        capture: where identifiers stand: paths, ``key``, ``headers.NAME``, or ``uuid`` for every UUID in a message.
        decode: makes JSON data of a value in another format; None for JSON.

    Raises:
        UsageError: ``X07_CASSETTE_MATCH`` for a path or a place that cannot be meant.
    """

    ignore_fields: tuple[str, ...] = ()
    ignore_headers: frozenset[str] = frozenset()
    capture: tuple[str, ...] = ()
    decode: Decoder | None = None

    def __post_init__(self) -> None:
        for path in self._captured_paths:
            _path(path)
        for path in self.ignore_fields:
            if _names_nothing(path):
                raise _refused(
                    f"nothing of a value would be compared with {path!r}", "name its fields, as in $.meta.id"
                )
        for place in self.capture:
            if not (place.startswith("$") or place in (UUID, KEY) or place.removeprefix(HEADER) not in ("", place)):
                raise _refused(f"capture has {place!r}", "use a path such as $.id, key, headers.NAME or uuid")

    @property
    def shapes(self) -> bool:
        """Whether more than whole headers may differ."""
        return bool(self.ignore_fields or self.capture)

    @property
    def _captured_paths(self) -> tuple[str, ...]:
        return tuple(place for place in self.capture if place.startswith("$"))

    def ignores(self, header: str) -> bool:
        """Return whether a header is not compared."""
        return header.lower() in self.ignore_headers

    def document(self) -> dict[str, list[str]]:
        """Return what stands beside a cassette."""
        facts = {
            "ignore_fields": list(self.ignore_fields),
            "ignore_headers": sorted(self.ignore_headers),
            "capture": list(self.capture),
        }
        return {name: found for name, found in facts.items() if found}

    @classmethod
    def from_document(cls, document: object) -> Varying:
        """Return what `document` made a document of.

        Raises:
            UsageError: ``X07_CASSETTE_MATCH``.
        """
        names = ("ignore_fields", "ignore_headers", "capture")
        if not isinstance(document, dict) or not document.keys() <= set(names):
            raise _refused("what may differ is not a table of these names", ", ".join(names))
        lists = [document.get(name, []) for name in names]
        if not all(isinstance(found, list) and len(found) <= _MOST_RULES for found in lists):
            raise _refused("what may differ is not made of lists", f"at most {_MOST_RULES} texts in each")
        if not all(isinstance(one, str) and len(one) <= _LONGEST_RULE for found in lists for one in found):
            raise _refused("what may differ is not made of texts", f"at most {_LONGEST_RULE} characters in each")
        return cls(tuple(lists[0]), frozenset(name.lower() for name in lists[1]), tuple(lists[2]))

    def or_also(self, other: Varying) -> Varying:
        """Return what may differ by either."""
        return Varying(
            tuple(dict.fromkeys((*self.ignore_fields, *other.ignore_fields))),
            self.ignore_headers | other.ignore_headers,
            tuple(dict.fromkeys((*self.capture, *other.capture))),
            self.decode or other.decode,
        )

    def shape(self, envelope: Envelope, numbers: Numbers | None = None) -> Shape:
        """Return the shape of a message; ignored headers are left as they are.

        Args:
            envelope: the message.
            numbers: gives identifiers their numbers; those of one message by default.
        """
        if not self.shapes:
            return Shape(envelope, ())
        numbers = Numbers() if numbers is None else numbers
        captured: list[str] = []

        def blot(name: str) -> str:
            captured.append(name)
            return numbers.of(name)

        value, key = self._blotted(envelope.value, blot), envelope.key
        if KEY in self.capture and key:
            key = blot(_text(key)).encode()
        places = {_plain(place.removeprefix(HEADER)) for place in self.capture if place.startswith(HEADER)}
        headers = dict(sorted(envelope.headers.items()))
        compared = [name for name in headers if name.lower() not in self.ignore_headers]
        headers |= {name: blot(headers[name]) for name in compared if _plain(name) in places}
        if UUID in self.capture:
            value = _bytes(_UUID.sub(lambda found: blot(found[0]), _text(value)))
            key = _bytes(_UUID.sub(lambda found: blot(found[0]), _text(key)))
            headers |= {name: _UUID.sub(lambda found: blot(found[0]), headers[name]) for name in compared}
        key, value = (_bytes(replace_names(_text(part), numbers.known)) if part else part for part in (key, value))
        headers |= {name: replace_names(headers[name], numbers.known) for name in compared}
        topic = replace_names(envelope.topic, numbers.known)
        return Shape(Envelope(topic, key, value, headers), tuple(dict.fromkeys(captured)))

    def _blotted(self, value: bytes, capture: Callable[[str], str]) -> bytes:
        data = self._data(value)
        if data is None:
            return value
        touched = False
        for path in self.ignore_fields:
            for parts, _ in _matches(path, data[0]):
                data[0] = _with(data[0], parts, VARIES)
                touched = True
        for path in self._captured_paths:
            for parts, old in _matches(path, data[0]):
                if old != VARIES and not isinstance(old, dict | list) and old is not None:
                    data[0] = _with(data[0], parts, capture(_name(old)))
                    touched = True
        if not touched:
            return value
        return json.dumps(data[0], sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _data(self, value: bytes) -> list[Any] | None:
        if not (self.ignore_fields or self._captured_paths):
            return None
        try:
            return [self.decode(value) if self.decode is not None else load_json(value)]
        except (ValueError, RecursionError):
            return None

    def place(self, name: str) -> str:
        """Return the name of a topic or queue, with its UUIDs blotted out where UUIDs are captured."""
        return _UUID.sub("(captured)", name) if UUID in self.capture else name

    def with_captured(self, value: bytes, names: Mapping[str, str]) -> bytes:
        """Return a JSON value with other identifiers at the places of captured ones, laid out as it was."""
        data = self._data(value) if self.decode is None and self._captured_paths else None
        if data is None:
            return value
        touched = False
        for path in self._captured_paths:
            for parts, old in _matches(path, data[0]):
                new = names.get(_name(old))
                if new is not None:
                    data[0] = _with(data[0], parts, new if isinstance(old, str) else load_json(new))
                    touched = True
        if not touched:
            return value
        separators = (", ", ": ") if b'": ' in value or b", " in value else (",", ":")
        text = json.dumps(data[0], ensure_ascii=value.isascii(), separators=separators)
        return text.encode("utf-8", "surrogatepass")

    def settled(self, recorded: Envelope, asked: Envelope) -> Envelope:
        """Return `asked` with recorded content where it may differ, to show the rest."""
        old, new = self.shape(recorded), self.shape(asked)
        same = {
            part: getattr(recorded if getattr(old[0], part) == getattr(new[0], part) else asked, part)
            for part in ("topic", "key", "value")
        }
        headers = {
            name: recorded.headers[name] if old[0].headers.get(name) == new[0].headers[name] else text
            for name, text in asked.headers.items()
        }
        data, before = self._data(same["value"]), self._data(recorded.value)
        if data is not None and before is not None:
            for path in (*self.ignore_fields, *self._captured_paths):
                kept = dict(_matches(path, before[0]))
                for parts, _ in _matches(path, data[0]):
                    if parts in kept:
                        data[0] = _with(data[0], parts, kept[parts])
            same["value"] = json.dumps(data[0], ensure_ascii=False).encode("utf-8", "surrogatepass")
        if UUID in self.capture:
            same["value"] = _bytes(_with_uuids_of(_text(recorded.value), _text(same["value"])))
        return Envelope(same["topic"], same["key"], same["value"], headers)


@dataclass(slots=True)
class Names:
    """Which identifier of this run stands for which recorded one, both ways.

    Args:
        current: identifiers of this run by recorded ones.
        recorded: the other way.
        fresh: pairs of a recorded and a new one that were learnt, long enough to be found wherever they stand.
    """

    current: dict[str, str] = field(default_factory=dict)
    recorded: dict[str, str] = field(default_factory=dict)
    fresh: list[tuple[str, str]] = field(default_factory=list)

    def fit(self, pairs: Iterable[tuple[str, str]]) -> bool:
        """Tell whether pairs of a recorded and a new identifier agree with what is known and with each other."""
        current, recorded = dict[str, str](), dict[str, str]()
        for old, new in pairs:
            known = self.current.get(old, current.setdefault(old, new))
            back = self.recorded.get(new, recorded.setdefault(new, old))
            if old != new and (known != new or back != old):
                return False
        return True

    def learn(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Let each new identifier stand for the recorded one."""
        for old, new in pairs:
            if old != new and old not in self.current:
                self.current[old], self.recorded[new] = new, old
                if len(old) >= SHORTEST_TOKEN:
                    self.fresh.append((old, new))

    def as_now(self, envelope: Envelope, varying: Varying) -> Envelope:
        """Return a recorded message with this run's identifiers."""
        if not self.current:
            return envelope
        value = varying.with_captured(envelope.value, self.current)
        return _replaced(Envelope(envelope.topic, envelope.key, value, envelope.headers), self.current)

    def as_recorded(self, envelope: Envelope) -> Envelope:
        """Return the shape of a message of this run with recorded identifiers."""
        return _replaced(envelope, self.recorded) if self.recorded else envelope


def _replaced(envelope: Envelope, names: Mapping[str, str]) -> Envelope:
    headers = {name: _in_text(text, names) for name, text in envelope.headers.items()}
    return Envelope(envelope.topic, _in_bytes(envelope.key, names), _in_bytes(envelope.value, names), headers)


def replace_names(text: str, names: Callable[[str], str | None]) -> str:
    """Return `text` with every identifier in it that `names` knows replaced: the whole, UUIDs, runs and words."""

    def word(found: re.Match[str]) -> str:
        return names(found[0]) or found[0]

    def run(found: re.Match[str]) -> str:
        known = names(found[0])
        if known is not None:
            return known
        return _WORD.sub(word, _UUID.sub(word, found[0]))

    whole = names(text) if len(text) >= SHORTEST_TOKEN else None
    return whole if whole is not None else _RUN.sub(run, text)


def _in_text(text: str, names: Mapping[str, str]) -> str:
    return replace_names(text, names.get)


def _in_bytes(data: bytes, names: Mapping[str, str]) -> bytes:
    return _bytes(_in_text(_text(data), names)) if data else data


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _with_uuids_of(recorded: str, asked: str) -> str:
    """Return `asked` with the recorded UUIDs in place of its own, if it has as many."""
    old = _UUID.findall(recorded)
    if len(old) != len(_UUID.findall(asked)):
        return asked
    left = iter(old)
    return _UUID.sub(lambda _: next(left), asked)


def _name(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _plain(header: str) -> str:
    return header.lower().replace("-", "_")


@functools.lru_cache(maxsize=256)
def _names_nothing(path: str) -> bool:
    """Tell whether a path finds all that is in a value whatever it is called; raises as `_path`."""
    found = _path(path)
    return any(len(list(islice(found.finditer(one), len(one)))) == len(one) for one in _NAMELESS)


def _matches(path: str, data: Any) -> list[tuple[tuple[str | int, ...], Any]]:
    found = [(tuple(one.parts), one.obj) for one in islice(_path(path).finditer(data), _MOST_MATCHES + 1)]
    if len(found) > _MOST_MATCHES:
        raise _refused(f"{path!r} finds more than {_MOST_MATCHES} values", "name the fields, for example $.items[*].id")
    return found


def _with(data: Any, parts: tuple[str | int, ...], new: Any) -> Any:
    """Return data with one value replaced; one inside of what was replaced before is gone."""
    if not parts:
        return new
    inner = data
    for part in parts[:-1]:
        inner = inner[part] if type(inner) in {dict, list} else None
    if type(inner) in {dict, list}:
        inner[parts[-1]] = new
    return data


@functools.cache
def _path(path: str) -> JSONPath:
    """Return a path that is compiled, by a library that is loaded only where a path is given.

    Raises:
        UsageError: ``X07_CASSETTE_MATCH`` if it is none of RFC 9535, or has a filter with a regular expression.
    """
    from jsonpath import JSONPathError, compile  # noqa: A004

    if re.search(r"\b(match|search)\s*\(", path):
        raise _refused(f"a path has a regular expression: {path!r}", "name the fields, for example $.items[*].id")
    if path.count("..") > (1 if "?" in path else 2) or path.count(",") > _MOST_COMMAS:
        hint = "two .. in a path, one beside a filter, and eight commas are the most: give several paths"
        raise _refused(f"{path!r} goes through a value too many times", hint)
    try:
        return compile(path, strict=True)  # type: ignore[return-value]
    except (JSONPathError, RecursionError) as error:
        raise _refused(f"{path!r} is no path: {error}", "paths are those of RFC 9535, for example $.meta.id") from None


def _refused(what: str, hint: str) -> UsageError:
    return UsageError("X07_CASSETTE_MATCH", what, hint=hint)
