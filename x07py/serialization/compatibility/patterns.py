"""Whether the pattern of a JSON Schema is found in a name or a value, while schemas are compared."""

from __future__ import annotations

from x07py.serialization.patterns import PatternError, compile_pattern


class UnshownError(Exception):
    """What cannot be shown, with the place in the document."""


def fits(pattern: str, name: str) -> bool:
    """Tell whether a pattern is found in the name of a property, or in a text.

    Raises:
        UnshownError: the pattern is none that is searched for, or takes too long on the text.
    """
    try:
        return compile_pattern(pattern).found_in(name)
    except PatternError as error:
        raise UnshownError(f"names and values are not compared with the pattern {pattern[:60]!r}: {error}") from None
