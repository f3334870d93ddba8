"""Durable idempotence: what came of each message, in a database, so that none is handled again when it comes again.

A pump records the results of a message under its id, in one transaction of the database, before it publishes them and
acknowledges the message. When the message comes again, after a crash or a rebalance, the recorded results are published
and the handler is not called. The database sees each id once; the sink may see the same results again.
"""

from __future__ import annotations

import struct
import time
from contextlib import closing
from typing import TYPE_CHECKING, Protocol

from x07py.errors import NotInstalledError
from x07py.msg import Envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Any

_LENGTH = struct.Struct("<I")
_MOST_ASKED = 500


class Store(Protocol):
    """Where results are kept. The methods wait, and are called in a thread, one at a time."""

    def find(self, ids: Sequence[str]) -> Mapping[str, Sequence[Envelope]]:
        """Return the results of those ids that are recorded."""
        ...

    def record(self, results: Mapping[str, Sequence[Envelope]]) -> None:
        """Record results by id, all or none, durable on return; what is recorded under an id already stays."""
        ...


class SqliteStore:
    """Results in a file of SQLite, in its table ``x07_results``.

    Args:
        path: the file; it is made if it is not there.
    """

    def __init__(self, path: Path | str) -> None:
        import sqlite3

        self._connect: Callable[[], Any] = lambda: sqlite3.connect(path, timeout=30.0)
        with closing(self._connect()) as connection, connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS x07_results (id TEXT PRIMARY KEY, results BLOB NOT NULL, at REAL NOT NULL)"
            )

    def find(self, ids: Sequence[str]) -> dict[str, list[Envelope]]:
        """Return the results of those ids that are recorded."""
        found: dict[str, list[Envelope]] = {}
        with closing(self._connect()) as connection:
            for first in range(0, len(ids), _MOST_ASKED):
                asked = ids[first : first + _MOST_ASKED]
                marks = ",".join("?" * len(asked))
                query = f"SELECT id, results FROM x07_results WHERE id IN ({marks})"  # noqa: S608  (marks alone)
                found.update((name, unpack(data)) for name, data in connection.execute(query, asked))
        return found

    def record(self, results: Mapping[str, Sequence[Envelope]]) -> None:
        """Record results by id, all or none."""
        rows = [(name, pack(envelopes), time.time()) for name, envelopes in results.items()]
        with closing(self._connect()) as connection, connection:
            connection.execute("PRAGMA synchronous=FULL")
            connection.executemany("INSERT INTO x07_results VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)


class PostgresStore:
    """Results in PostgreSQL, in the table ``x07_results``; needs ``psycopg``.

    Args:
        address: connection string, as ``postgresql://user@host/database``.

    Raises:
        DriverError: 9625 without psycopg.
    """

    def __init__(self, address: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise NotInstalledError(
                9625, "the store needs the distribution 'psycopg'", hint="pip install 'psycopg[binary]'"
            ) from None
        self._connect: Callable[[], Any] = lambda: psycopg.connect(address)
        with self._connect() as connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS x07_results "
                "(id TEXT PRIMARY KEY, results BYTEA NOT NULL, at TIMESTAMPTZ NOT NULL DEFAULT now())"
            )

    def find(self, ids: Sequence[str]) -> dict[str, list[Envelope]]:
        """Return the results of those ids that are recorded."""
        with self._connect() as connection:
            query = "SELECT id, results FROM x07_results WHERE id = ANY(%s)"
            return {name: unpack(data) for name, data in connection.execute(query, [list(ids)])}

    def record(self, results: Mapping[str, Sequence[Envelope]]) -> None:
        """Record results by id, all or none."""
        rows = [(name, pack(envelopes)) for name, envelopes in results.items()]
        with self._connect() as connection, connection.cursor() as cursor:
            cursor.executemany("INSERT INTO x07_results (id, results) VALUES (%s, %s) ON CONFLICT DO NOTHING", rows)


def pack(envelopes: Sequence[Envelope]) -> bytes:
    """Return envelopes as the bytes that `unpack` reads."""
    encoded = [envelope.encode() for envelope in envelopes]
    return b"".join(_LENGTH.pack(len(one)) + one for one in encoded)


def unpack(data: bytes) -> list[Envelope]:
    """Return the envelopes that `pack` was given.

    Raises:
        EnvelopeError: 9504 to 9509 for other bytes.
    """
    envelopes: list[Envelope] = []
    place = 0
    while place < len(data):
        [length] = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        envelopes.append(Envelope.decode(data[place : place + length]))
        place += length
    return envelopes
