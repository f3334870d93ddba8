"""Naming what comes to a cassette's port and is no client of a broker, and what stands behind one and is no broker in
clear."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from x07py.wire.http.greeting import METHODS
from x07py.wire.stand_in import Address

if TYPE_CHECKING:
    from x07py.wire.stand_in import Connection

_TLS = (b"\x16\x03",)
_KINDS = (
    (_TLS, "over TLS"),
    ((b"CONNECT ",), "as to an HTTP proxy"),
    (METHODS, "over HTTP, with a request that is none of a schema registry"),
    ((b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"), "with a header of the PROXY protocol in front"),
    ((b"SSH-",), "over SSH"),
)
_SHOWN = 8
_HANDSHAKE_S = 5.0


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


def what_to_do_over_tls(first: bytes, address: Address, cassette: str) -> str:
    """Return the commands that put a program on a cassette whose own TLS is not seen through.

    Args:
        first: what it began with; the host that it names there is the one that the broker's certificate is for.
        address: where it went.
        cassette: the cassette's name.
    """
    named = Address(server_name(first) or address.host, address.port)
    here = f"--listen 127.0.0.1:{address.port + 10_000 if address.port < 50_000 else address.port - 10_000}"
    return (
        f"a broker behind TLS is recorded with `x07 rr record {cassette} {here} --upstream tls://{named}` and replayed "
        f"with `x07 rr serve {cassette} {here}`; set the program to that address in clear (PLAINTEXT, amqp://). "
        f"What is no broker may be reached with --passthrough {address}"
    )


def server_name(first: bytes) -> str | None:
    """Return the host that a client's greeting of TLS names, or None (RFC 6066, section 3)."""
    found: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _, name, __: found.append(name)
    greeting, answers = ssl.MemoryBIO(), ssl.MemoryBIO()
    greeting.write(first)
    with contextlib.suppress(ssl.SSLError):
        context.wrap_bio(greeting, answers, server_side=True).do_handshake()
    return found[0] if found else None


def takes_tls(broker: Connection) -> bool:
    """Tell whether a broker at a connection in clear speaks TLS; the connection is of no use afterwards."""
    if not isinstance(broker, socket.socket) or isinstance(broker, ssl.SSLSocket):
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    broker.settimeout(_HANDSHAKE_S)
    try:
        context.wrap_socket(broker).close()
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")
    except OSError:
        return False
    return True
