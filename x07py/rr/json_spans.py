"""Values inside of JSON text, replaced where they stand: what is not replaced keeps its bytes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from x07py.files import load_json

if TYPE_CHECKING:
    from collections.abc import Callable

Path = tuple[str | int, ...]
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[{}\[\],:]|[^\s{}\[\],:"]++', re.DOTALL)


class _Container:
    """A map or list that is open: which key or index comes now."""

    __slots__ = ("chosen", "is_map", "now")

    def __init__(self, *, is_map: bool) -> None:
        self.is_map = is_map
        self.now: str | int | None = None if is_map else 0
        self.chosen = False


def replace_values(text: str, choose: Callable[[Path], bool], replace: Callable[[str], str | None]) -> str:
    """Return JSON `text` with some of its values replaced.

    The text need not be whole or correct: several documents, or one that was cut off, are read as far as they go.

    Args:
        text: JSON.
        choose: tells by the keys and indices that lead to a value whether it is replaced, with all that is in it.
        replace: gives the text to stand in place of a leaf, or None to keep it. Leaves that are not chosen are given
            as well if they are strings that may hold JSON themselves.
    """
    parts: list[str] = []
    done, inside = 0, 0
    stack: list[_Container] = []
    for found in _TOKEN.finditer(text):
        word = found.group()
        top = stack[-1] if stack else None
        if word in ("{", "["):
            chosen = bool(inside) or choose(_path(stack))
            stack.append(_Container(is_map=word == "{"))
            stack[-1].chosen = chosen
            inside += chosen
        elif word in ("}", "]"):
            if stack:
                inside -= stack.pop().chosen
        elif word == ",":
            if top is not None:
                top.now = None if top.is_map else int(top.now or 0) + 1
        elif word != ":":
            if top is not None and top.is_map and top.now is None:
                top.now = _text_of(word)
                continue
            new = None
            if inside or choose(_path(stack)):
                new = replace(word)
            elif word[:2] in ('"{', '"['):
                new = _nested(word, choose, replace)
            if new is not None:
                parts += (text[done : found.start()], new)
                done = found.end()
    return "".join((*parts, text[done:])) if parts else text


def _nested(word: str, choose: Callable[[Path], bool], replace: Callable[[str], str | None]) -> str | None:
    """Return a string that holds JSON with that JSON's values replaced, or None where nothing is."""
    inner = _text_of(word)
    new = replace_values(inner, lambda path: bool(path) and choose(path[-1:]), replace)
    return None if new == inner else json.dumps(new, ensure_ascii=False)


def _path(stack: list[_Container]) -> Path:
    return tuple([level.now for level in stack if level.now is not None])


def _text_of(word: str) -> str:
    try:
        text = load_json(word, strict=False)
    except ValueError:
        return word.strip('"')
    return text if isinstance(text, str) else word
