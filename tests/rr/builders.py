"""Entries, cassettes and sessions for tests."""

from __future__ import annotations

import struct
from pathlib import Path

from x07py.rr import Config, Entry, Match, Mode, Session

OP = "std.msg.kafka.publish_env_v1"


def entry(number: int = 0, **changes: object) -> Entry:
    """Return an entry that differs from others by its number."""
    fields = {"kind": "rr", "op": OP, "key": "k", "req": b"req%d" % number, "resp": b"resp%d" % number}
    return Entry(**{**fields, **changes})  # type: ignore[arg-type]


def framed(*entries: Entry) -> bytes:
    """Return the bytes of a cassette that holds `entries`."""
    return b"".join(struct.pack("<I", len(data)) + data for data in (one.encode() for one in entries))


def config(mode: Mode, **changes: object) -> Config:
    """Return a configuration with wide limits."""
    fields = {
        "match": Match.LOOKUP,
        "cassette": "c.x07rr.bin",
        "max_cassette_bytes": 10**9,
        "max_entries": 10**6,
        "max_req_bytes": 10**6,
        "max_resp_bytes": 10**6,
        "max_key_bytes": 1024,
    }
    return Config(mode=mode, **{**fields, **changes})  # type: ignore[arg-type]


def opened(root: Path, mode: Mode, **changes: object) -> Session:
    """Return a session that is not entered yet; entries may stay unused."""
    return Session(config(mode, **changes), root, allow_unused=True)


def stored(root: Path, *entries: Entry) -> Path:
    """Write a cassette below `root` and return its path."""
    path = root / ".x07_rr" / "c.x07rr.bin"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(framed(*entries))
    return path
