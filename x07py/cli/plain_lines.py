"""A reading of command lines that are plainly right; Typer reads all others, and says what is wrong."""

from __future__ import annotations

import re
from enum import Enum
from functools import partial
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_origin

from x07py.cli.commands import Commands, parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_NUMBERS = {int: re.compile(r"-?[0-9]{1,18}"), float: re.compile(r"[0-9]{1,15}(\.[0-9]{1,15})?")}
_SETTINGS = {"help", "metavar", "autocompletion", "show_default", "min", "max"}
"""What of a declaration is known here."""


class _Parameter(NamedTuple):
    name: str
    kind: Any
    many: bool
    needed: bool
    settings: dict[str, Any]

    def value(self, text: str) -> Any:
        """Return the value that a text means, or None if it may be wrong."""
        if not text or self.kind is bool:
            return None
        if self.kind in _NUMBERS:
            if not _NUMBERS[self.kind].fullmatch(text):
                return None
            number = self.kind(text)
            least, most = self.settings.get("min"), self.settings.get("max")
            return None if (least is not None and number < least) or (most is not None and number > most) else number
        if issubclass(self.kind, Enum):
            return next((one for one in self.kind if one.value == text), None)
        return self.kind(text)


def read(app: Commands, words: Sequence[str]) -> Callable[[], object] | None:
    """Return the call that a command line asks for, or None where Typer is to read it.

    Args:
        app: the commands.
        words: the words after the name of `app`.
    """
    found: Callable[..., object] | Commands | None = app
    left = list(words)
    while isinstance(found, Commands):
        if not found.interspersed:
            return None
        only = found.only()
        if only is None and not left:
            return None
        found = only or found.find(left.pop(0))
    if found is None:
        return None
    values = _values(found, left)
    return None if values is None else partial(found, **values)


def _values(function: Callable[..., object], words: list[str]) -> dict[str, Any] | None:
    options: dict[str, tuple[_Parameter, bool]] = {}
    arguments: list[_Parameter] = []
    for one, names in _known(function):
        if one is None:
            return None
        options |= {name: (one, not name.startswith("--no-")) for name in names}
        if not names:
            arguments.append(one)
    rest: list[str] = []
    found: dict[str, Any] = {}
    left = iter(words)
    for word in left:
        if word == "--":
            rest += left
        elif word == "-" or not word.startswith("-"):
            rest.append(word)
        elif not _take(word, left, options, found):
            return None
    if any(one.needed and one.name not in found for one, _ in options.values()):
        return None
    return found if _place(arguments, rest, found) else None


def _take(word: str, left: Iterator[str], options: dict[str, tuple[_Parameter, bool]], found: dict[str, Any]) -> bool:
    """Take an option and its value; False if they may be wrong."""
    name, equals, text = word.partition("=")
    if name not in options or (equals and not name.startswith("--")):
        return False
    one, on = options[name]
    if one.kind is bool:
        found[one.name] = on
        return not equals
    if not equals:
        text = next(left, "")
        if text.startswith("-"):
            return False
    value = one.value(text)
    if one.many:
        found.setdefault(one.name, []).append(value)
    elif one.name in found:
        return False
    else:
        found[one.name] = value
    return value is not None


def _place(arguments: list[_Parameter], words: list[str], found: dict[str, Any]) -> bool:
    """Give the arguments their words; False if there are too few or too many, or one may be wrong."""
    left = list(words)
    for one in arguments:
        if one.many:
            values = [one.value(text) for text in left]
            left = []
            if None in values or (one.needed and not values):
                return False
            if values:
                found[one.name] = values
        elif left:
            found[one.name] = one.value(left.pop(0))
            if found[one.name] is None:
                return False
        elif one.needed:
            return False
    return not left


def _known(function: Callable[..., object]) -> Iterator[tuple[_Parameter | None, list[str]]]:
    """Yield the parameters of a command with the names of its options; None for one that only Typer knows."""
    code: Any = getattr(function, "__code__")  # noqa: B009 (mypy knows none of a callable)
    usual: tuple[object, ...] = getattr(function, "__defaults__", None) or ()
    first = code.co_argcount - len(usual)
    for number, (name, (hint, said)) in enumerate(parameters(function).items()):
        kinds = [one for one in get_args(hint) if one is not NoneType] if NoneType in get_args(hint) else [hint]
        many = get_origin(kinds[0]) is list
        kind = get_args(kinds[0])[0] if many else kinds[0]
        plain = len(kinds) == 1 and isinstance(kind, type) and (kind in {str, Path, bool, *_NUMBERS} or _named(kind))
        written = any("/" in one for one in said.names) or not said.settings.keys() <= _SETTINGS
        if not plain or written or code.co_kwonlyargcount or (kind is bool and (many or said.positional)):
            yield None, []
            continue
        long = f"--{name.replace('_', '-')}"
        names = list(said.names) or ([long, f"--no-{long[2:]}"] if kind is bool else [long])
        yield _Parameter(name, kind, many, number < first, said.settings), [] if said.positional else names


def _named(kind: type) -> bool:
    return issubclass(kind, Enum)
