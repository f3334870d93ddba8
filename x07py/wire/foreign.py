"""Naming what comes to a cassette's port and is no client of a broker, by the bytes that it begins with."""

from __future__ import annotations

from x07py.wire.http.greeting import METHODS

_TLS = (b"\x16\x03",)
_KINDS = (
    (_TLS, "over TLS"),
    ((b"CONNECT ",), "as to an HTTP proxy"),
    (METHODS, "over HTTP, with a request that is none of a schema registry"),
    ((b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"), "with a header of the PROXY protocol in front"),
    ((b"SSH-",), "over SSH"),
)
_SHOWN = 8


def is_tls(first: bytes) -> bool:
    """Tell whether a connection that begins with some bytes speaks TLS."""
    return first.startswith(_TLS)


def what_came(first: bytes) -> str:
    """Return how a client speaks that begins with some bytes; of what is not known, the first few are shown."""
    known = next((name for prefixes, name in _KINDS if first.startswith(prefixes)), None)
    return known or f"with bytes that no client of a broker begins with: {first[:_SHOWN].hex(' ')}"


def what_to_do(first: bytes, upstream: str) -> str:
    """Return what helps where such a client came to a port of a cassette.

    Args:
        first: what it began with.
        upstream: the broker behind the port, empty in a replay.
    """
    if not is_tls(first):
        return "let only clients of Kafka, RabbitMQ or a schema registry come to this port"
    behind = f"; the recording itself connects over TLS with --upstream tls://{upstream}" if upstream else ""
    return f"let the client connect to this port in clear (PLAINTEXT, amqp://){behind}"
