"""Whatever a peer sends: the connection ends, one error says why, and the next connection is served."""

from __future__ import annotations

import socket
import struct
from pathlib import Path

import pytest

from tests.wire.kafka.serving import record_by_driver, served


def request(key: int, version: int, body: bytes = b"", client: bytes = b"test") -> bytes:
    """Return a request's frame."""
    head = struct.pack(">hhih", key, version, 7, len(client)) + client
    return struct.pack(">i", len(head + body)) + head + body


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "this is not Kafka's protocol"),
        (struct.pack(">i", 2**30) + b"x", "1073741824 bytes"),
        (struct.pack(">i", -5) + b"x", "-5 bytes"),
        (struct.pack(">i", 6) + b"x" * 6, "less than a header"),
        (request(18, 0)[:12] + struct.pack(">h", 30000) + b"x" * 4, "longer than the request"),
        (request(1, 17), "Fetch in version 17; versions 4 to 11"),
        (request(76, 1), "request 76 of Kafka's protocol"),
        (request(22, 2, b"\xff\xff\xff\xff\x0f"), "tagged fields"),
        (request(3, 1, b"\0\0\0\5\0"), "malformed MetadataRequest"),
        (request(3, 1, struct.pack(">i", 2**31 - 1)), "malformed MetadataRequest"),
        (request(22, 0, struct.pack(">hi", -1, 5) + b"rest"), "4 bytes behind its end"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_foreign_bytes_end_the_connection_with_one_line(tmp_path: Path, data: bytes, words: str) -> None:
    record_by_driver(tmp_path, "orders", 1)
    with served(tmp_path) as stand_in:
        with socket.create_connection(stand_in.address, timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        (error,) = stand_in.errors
        assert words in error.message
        assert error.code == 9650
        assert "\n" not in str(error)
        with socket.create_connection(stand_in.address, timeout=10) as connection:
            connection.sendall(request(18, 0))
            size, correlation, code = struct.unpack(">iih", connection.recv(10, socket.MSG_WAITALL))
            assert (size > 50, correlation, code) == (True, 7, 0)


@pytest.mark.parametrize("data", [struct.pack(">i", 100) + b"x" * 20, b"\0\0", request(3, 1, b"\0\0\0\5")[:-2]])
def test_a_client_that_ends_within_a_frame_ends_its_connection_alone(tmp_path: Path, data: bytes) -> None:
    """One that is killed does so, and its cassette is none the worse."""
    record_by_driver(tmp_path, "orders", 1)
    with served(tmp_path) as stand_in:
        with socket.create_connection(stand_in.address, timeout=10) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        assert stand_in.errors == []


def test_a_newer_client_is_told_the_versions_in_the_oldest_form(tmp_path: Path) -> None:
    record_by_driver(tmp_path, "orders", 1)
    with served(tmp_path) as stand_in, socket.create_connection(stand_in.address, timeout=10) as connection:
        connection.sendall(request(18, 9, b"whatever comes there"))
        size = struct.unpack(">i", connection.recv(4, socket.MSG_WAITALL))[0]
        answer = connection.recv(size, socket.MSG_WAITALL)
    correlation, code, count = struct.unpack_from(">ihi", answer)
    assert (correlation, code) == (7, 35)
    assert len(answer) == 10 + 6 * count
