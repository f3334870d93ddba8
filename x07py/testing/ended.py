"""How a program on a cassette ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from x07py.errors import X07Error


class Ended(NamedTuple):
    """How a program ended.

    Args:
        code: its exit code, negative for a signal.
        error: what was wrong with the cassette, if anything.
        summary: how the cassette was used; empty where nothing is known of that.
    """

    code: int
    error: X07Error | None
    summary: str

    def without_news(self) -> Ended:
        """Return the same, but that a program which failed before it used the cassette has its own exit code alone."""
        failed_first = self.code != 0 and self.error is not None and self.error.code == "X07_CASSETTE_EMPTY"
        return self._replace(error=None) if failed_first else self
