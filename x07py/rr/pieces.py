"""A secret that stands in pieces: in fields of one message, or in messages that follow each other.

A value is in pieces if its beginning ends a field, and other fields behind it are the rest, each of four bytes at least
and no more than `WITHIN` bytes after the one before. Where a field begins and ends shows in the bytes: by a character
that is in no name, or by a length. Pieces with nothing but marks between them are found by leaving these marks out of
both. A value of letters alone, or of digits, is not looked for: two words, or a year, would stop a recording by chance.
"""

from __future__ import annotations

LEAST = 8
WITHIN = 1024
LEAST_PIECE = 4
_MOST_STARTS = 64
_MARKS = b" \t\r\n\"'`,;:[](){}<>|\\"
_WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")


def without_marks(data: bytes) -> bytes:
    """Return `data` without spaces, line ends, quotes, commas and brackets."""
    return data.translate(None, _MARKS)


def can_be_cut(secret: bytes) -> bool:
    """Tell whether a value is looked for in pieces."""
    return len(secret) >= LEAST and not secret.isalpha() and not secret.isdigit()


def is_in_pieces(secret: bytes, data: bytes) -> bool:
    """Tell whether `secret`, for which `can_be_cut` holds, stands in `data` cut into two pieces or more."""
    at = -1
    for _ in range(_MOST_STARTS):
        at = data.find(secret[:LEAST_PIECE], at + 1)
        if at < 0:
            return False
        found = _common(secret, data, at)
        if found < len(secret) and _ends(data, at + found) and _goes_on(secret[found:], data, at + found):
            return True
    return False


def _goes_on(rest: bytes, data: bytes, start: int) -> bool:
    """Tell whether what is left of a secret begins fields behind `start`."""
    while rest:
        if len(rest) < LEAST_PIECE:
            return False
        head = rest[:LEAST_PIECE]
        at = data.find(head, start, start + WITHIN)
        while at > 0 and data[at - 1] in _WORD:
            at = data.find(head, at + 1, start + WITHIN)
        if at < 0:
            return False
        found = _common(rest, data, at)
        if not _ends(data, at + found):
            return False
        rest, start = rest[found:], at + found
    return True


def _common(secret: bytes, data: bytes, at: int) -> int:
    """Return how many bytes of `secret` stand at a place."""
    for number, byte in enumerate(data[at : at + len(secret)]):
        if byte != secret[number]:
            return number
    return min(len(secret), len(data) - at)


def _ends(data: bytes, at: int) -> bool:
    """Tell whether a field ends at a place: at a mark, at the end, or at a length in two bytes or four."""
    behind = data[at : at + 4]
    return not behind or behind[0] not in _WORD or 0 in behind[1:3]
