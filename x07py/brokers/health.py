"""Does a broker answer at an address? One request in the broker's own protocol; an open port alone says little."""

from __future__ import annotations

import socket
import struct

from x07py.brokers.kinds import ADDED

_TIMEOUT_S = 2.0
_METADATA = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", 0)
"""Kafka's Metadata request, version 1, correlation id 7, no client id, no topics."""


def answers(kind: str, host: str, port: int) -> bool:
    """Tell whether a broker of a kind answers at ``host:port``, within two seconds if it is Kafka or RabbitMQ."""
    if kind in ADDED:
        return ADDED[kind].answers(host, port)
    try:
        with socket.create_connection((host, port), timeout=_TIMEOUT_S) as link:
            return _kafka_answers(link) if kind == "kafka" else _amqp_answers(link)
    except (OSError, struct.error):
        return False


def _kafka_answers(link: socket.socket) -> bool:
    """Ask for the metadata; a broker that has not finished starting knows of no broker, not even of itself."""
    link.sendall(struct.pack(">i", len(_METADATA)) + _METADATA)
    (size,) = struct.unpack(">i", _exactly(link, 4))
    if not 12 <= size <= 65536:
        return False
    correlation: int
    brokers: int
    correlation, brokers = struct.unpack_from(">ii", _exactly(link, size))
    return correlation == 7 and brokers > 0


def _amqp_answers(link: socket.socket) -> bool:
    """Send the protocol header; an AMQP 0-9-1 broker answers with the method connection.start on channel 0."""
    link.sendall(b"AMQP\0\0\x09\x01")
    head = _exactly(link, 11)
    return head[:3] == b"\x01\0\0" and head[7:] == b"\0\x0a\0\x0a"


def _exactly(link: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = link.recv(count - len(data))
        if not piece:
            raise ConnectionResetError
        data += piece
    return data
