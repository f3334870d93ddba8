"""Why a cassette refuses what a program did."""

from __future__ import annotations

from x07py.errors import CassetteError


def replaced(name: str, package: str) -> CassetteError:
    """Return the error for a program whose sockets are no longer Python's."""
    return CassetteError(
        "X07_CASSETTE_CONNECTION",
        f"{package} has sockets of its own in the place of Python's, by which connections come to the cassette",
        where=name,
        hint="`x07 rr exec` takes the connections of such a program from the kernel",
    )


def nothing(name: str, what: str, hint: str = "") -> CassetteError:
    """Return the error for a cassette that nothing was recorded on, or nothing used of; with what helps, if known."""
    return CassetteError(
        "X07_CASSETTE_EMPTY",
        what,
        where=name,
        hint=hint or "make the program's clients inside the block; allow_empty=True if it is meant to use no broker",
    )
