"""Topic names with parameters (``orders.{region}.created``), and the largest value of each topic of a catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PARAMETER = re.compile(r"\{([^{}]+)\}")
_SEPARATORS = "./"


class TopicPattern:
    """Which names a topic with parameters stands for.

    A parameter with values stands for one of them. One without stands for any text that is not empty and that holds no
    separator (``.`` or ``/``) of the name's fixed text, so ``light.{id}.on`` takes ``light.7.on`` and not
    ``light.7.8.on``. Matching takes time in proportion to the name's length for each part of the pattern.

    Args:
        name: the topic as the catalogue writes it.
        parameters: for each parameter the values that it may have, none for any.
    """

    def __init__(self, name: str, parameters: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self._parts: list[str | Sequence[str] | None] = []
        fixed, end = "", 0
        for found in _PARAMETER.finditer(name):
            if found.group(1) in parameters:
                self._parts += [name[end : found.start()], parameters[found.group(1)] or None]
                fixed, end = fixed + name[end : found.start()], found.end()
        self._parts.append(name[end:])
        self._stops = {one for one in _SEPARATORS if one in fixed + name[end:]}

    def matches(self, topic: str) -> bool:
        """Tell whether a name of a topic is one that this pattern stands for."""
        places = {0}
        for part in self._parts:
            if part is None:
                places = self._over_any(topic, places)
            else:
                texts = (part,) if isinstance(part, str) else part
                places = {place + len(text) for place in places for text in texts if topic.startswith(text, place)}
        return len(topic) in places

    def _over_any(self, topic: str, places: set[int]) -> set[int]:
        """Return where a parameter may end that begins at one of `places`."""
        ends: set[int] = set()
        begun = False
        for place in range(len(topic)):
            begun = (begun or place in places) and topic[place] not in self._stops
            if begun:
                ends.add(place + 1)
        return ends


class TopicLimits(Mapping[str, int]):
    """The most bytes that a value may have, by topic; a name that no row has is looked for among the patterns.

    Args:
        fixed: by name.
        patterns: by pattern; where several match, the first counts.
    """

    def __init__(self, fixed: Mapping[str, int], patterns: Sequence[tuple[TopicPattern, int]] = ()) -> None:
        self._fixed = fixed
        self._patterns = patterns

    def __getitem__(self, topic: str) -> int:
        if topic in self._fixed:
            return self._fixed[topic]
        for pattern, limit in self._patterns:
            if pattern.matches(topic):
                return limit
        raise KeyError(topic)

    def __iter__(self) -> Iterator[str]:
        yield from self._fixed
        yield from (pattern.name for pattern, _ in self._patterns)

    def __len__(self) -> int:
        return len(self._fixed) + len(self._patterns)
