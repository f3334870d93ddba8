"""The error for what is no HTTP/1.1."""

from __future__ import annotations

from x07py.errors import ProtocolError


def http_error(message: str) -> ProtocolError:
    """Return error 9653.

    Args:
        message: what was sent, in one line.
    """
    return ProtocolError(9653, message, hint="the connection was closed; the cassette keeps what it held")
