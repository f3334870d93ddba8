"""What ends a connection: the other side did not speak the protocol as this stand-in knows it."""

from __future__ import annotations

from x07py.errors import ProtocolError


def wire_error(
    message: str, *, hint: str = "the connection was closed; the cassette keeps what it held"
) -> ProtocolError:
    """Return error 9650.

    Args:
        message: what was sent, in one line.
        hint: what to do about it.
    """
    return ProtocolError(9650, message, hint=hint)
