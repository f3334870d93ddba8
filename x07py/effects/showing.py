"""Functions of libraries that write out what they are given: the order of sets in it, and how its objects look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from x07py.effects.parts import Arguments, Named, Parts
from x07py.effects.values import (
    IDENTITY,
    LOOSE,
    NOTHING,
    UNKNOWN,
    Atom,
    Value,
    atoms,
    constants,
    inside_of,
    is_unordered,
    join,
    obj,
    seq,
)

if TYPE_CHECKING:
    from x07py.effects.state import Frame

_PLAIN = {"builtins.str", "builtins.int", "builtins.float", "builtins.dict", "builtins.list", "builtins.tuple"}
_TALLY = "<order>"
"""The attribute under which a tally of a set keeps that its equal counts have no order."""


class Showing(Parts):
    """Looks at the arguments that the project's own code gives to such functions."""

    def written(self, frame: Frame, line: int, name: str, args: Arguments, kwargs: Named) -> None:
        """Note what a function of a library makes visible of its arguments; only the project's code counts."""
        rule = _WRITERS.get(name)
        if rule is None or not frame.module.own:
            return
        kind, *given = rule.split()
        if kind == "text":
            for value in [*args, *kwargs.values()]:
                self.shown(frame, line, value)
        elif kind == "order":
            for value in [*args, *kwargs.values()]:
                self._in_order(frame, line, name, value, sets=True)
        elif kind == "keys":
            keyword, absent, sets = given
            known = self.truth(kwargs[keyword]) if keyword in kwargs else absent == "sorted"
            sorts = known is not False or "*" in kwargs
            for value in args[:1]:
                self._in_order(
                    frame, line, name, value, sets=sets == "always" or (sets == "too" and not sorts), maps=not sorts
                )
            self._by_default(frame, line, args[:1], kwargs.get("default", NOTHING))

    def _in_order(self, frame: Frame, line: int, name: str, value: Value, *, sets: bool, maps: bool = True) -> None:
        for atom in inside_of(value):
            is_map = atom[0] == "map"
            if is_unordered(frozenset({atom})) and (maps if is_map else sets or atom[1] in {"list", "gen"}):
                self.comes_out(frame, line, f"a set, written by {name}")
                return

    def _by_default(self, frame: Frame, line: int, args: Arguments, default: Value) -> None:
        """Hand what a writer does not know to the function that it was given for that."""
        if not default or default <= LOOSE:
            return
        for value in args:
            for atom in inside_of(value):
                unknown = atom[:2] in {("seq", "set"), ("seq", "frozenset")} or atom == ("obj", "builtins.set")
                if unknown or (atom[0] == "inst" and not self._is_plain(atom)):
                    self.escape(frame, line, self.call_atoms(frame, line, default, [frozenset({atom})], {}))

    def _is_plain(self, atom: Atom) -> bool:
        return any(one[0] == "prim" and one[1] in _PLAIN for one in self.classes[atom[1]].order)

    def by_locale(self, frame: Frame, line: int, form: Value) -> None:
        """Note a format that groups digits as the locale of the process does."""
        if frame.module.own and any(one.endswith("n") for one in constants(form) or () if isinstance(one, str)):
            self.end(frame, line, "environment", "format by n", "depends on the locale of the process; use , or _")

    def _formatted(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        """Return what ``format`` gives."""
        self.by_locale(frame, line, args[1] if len(args) > 1 else NOTHING)
        for value in args[:1]:
            self.shown(frame, line, value)
            self.magic(frame, line, value, "__format__", args[1:2])
        return obj("builtins.str")

    def _signature(self, frame: Frame, line: int, args: Arguments, kwargs: Named) -> Value:
        """Return a signature, whose text shows defaults."""
        found = UNKNOWN
        for atom in atoms(args[0]) if args else ():
            if atom[0] == "fn":
                for default in self.function(atom).defaults.values():
                    value = self.quietly(frame, default)
                    if any(map(self.has_address, inside_of(value))):
                        found = join(found, IDENTITY)
        return found

    # tallies

    def tallied(self, frame: Frame, line: int, name: str, this: Atom | None, args: Arguments) -> Value | None:
        """Follow what a `Counter` counts: equal counts stay in the order in which they came.

        Returns:
            what a method that shows that order gives; None for any other call.
        """
        if this is None or this[0] != "inst" or not name.startswith("collections.Counter."):
            return None
        method = name.rpartition(".")[2]
        if method in {"__init__", "update", "subtract"}:
            if any(map(is_unordered, args)):
                self.set_attribute(frozenset({this}), _TALLY, UNKNOWN)
        elif method == "most_common" and self.is_tally(this):
            self.comes_out(frame, line, "equal counts of a set")
            return seq("list", UNKNOWN)
        return None

    def is_tally(self, this: Atom) -> bool:
        """Tell whether an object counts what came from a set."""
        return (this, _TALLY) in self.attributes


_WRITERS = {
    "string.Template.substitute": "text", "string.Template.safe_substitute": "text", "string.Formatter.format": "text",
    "string.Formatter.vformat": "text", "builtins.str.format_map": "text", "pprint.saferepr": "text",
    "pprint.pformat": "keys sort_dicts sorted always", "pprint.pprint": "keys sort_dicts sorted always",
    "pprint.pp": "keys sort_dicts unsorted always",
    "json.dumps": "keys sort_keys unsorted never", "json.dump": "keys sort_keys unsorted never",
    "orjson.orjson.dumps": "keys option unsorted never", "ujson.dumps": "keys sort_keys unsorted never",
    "simplejson.dumps": "keys sort_keys unsorted never", "msgpack.packb": "keys sort_keys unsorted never",
    "msgspec._core.json_encode": "keys order unsorted too", "msgspec._core.msgpack_encode": "keys order unsorted too",
    "rapidjson.dumps": "keys sort_keys unsorted never", "rapidjson.dump": "keys sort_keys unsorted never",
    "yaml.dump": "keys sort_keys sorted too", "yaml.safe_dump": "keys sort_keys sorted too",
    "yaml.dump_all": "keys sort_keys sorted too", "yaml.safe_dump_all": "keys sort_keys sorted too",
    "_pickle.dumps": "order", "_pickle.dump": "order", "marshal.dumps": "order",
    "urllib.parse.urlencode": "order", "shlex.join": "order", "csv.DictWriter": "order",
    "_csv.Writer.writerow": "order", "_collections.deque": "order", "collections.OrderedDict": "order",
    "array.array": "order", "graphlib.TopologicalSorter": "order", "graphlib.TopologicalSorter.add": "order",
    "tomlkit.dumps": "order", "tomli_w.dumps": "order",
}  # fmt: skip
"""How a function writes its arguments.

``text``: as `str` shows them. ``order``: sets and dicts of no known order as they come. ``keys NAME STATE SETS``: dicts
in their order unless the keyword says to sort (STATE: what it does without it), and sets ``too``, ``always`` or
``never``. A ``default`` is called with what cannot be written.
"""
