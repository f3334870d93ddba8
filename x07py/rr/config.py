"""``X7RC``: the run-time configuration of a record/replay session, as the reference's runtime takes it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from x07py.errors import CassetteError

_LAYOUT = struct.Struct("<4sHHBBHQIIIII")
_PATH_HINT = "use a relative path with / between its parts, without '.', '..' or parts that start with .x07_"


class Mode(IntEnum):
    """What a session does; the values are those of ``X7RC``."""

    OFF = 0
    RECORD = 1
    REPLAY = 2
    RECORD_MISSING = 3
    REWRITE = 4

    @property
    def contract_name(self) -> str:
        """The name in contract files, for example ``record_missing_v1``."""
        return "off" if self is Mode.OFF else f"{self.name.lower()}_v1"

    @property
    def replays(self) -> bool:
        """Whether recorded answers are given."""
        return self in (Mode.REPLAY, Mode.RECORD_MISSING)

    @property
    def records(self) -> bool:
        """Whether new entries are written."""
        return self in (Mode.RECORD, Mode.RECORD_MISSING, Mode.REWRITE)

    @classmethod
    def parse(cls, name: str) -> Mode:
        """Return the mode called `name`: off, record, replay, record_missing or rewrite, with or without ``_v1``.

        Raises:
            CassetteError: 2000 for any other name.
        """
        try:
            return cls[name.removesuffix("_v1").upper()]
        except KeyError:
            raise CassetteError(
                2000, f"no mode is called {name!r}", hint="modes: off, record, replay, record_missing, rewrite"
            ) from None


class Match(IntEnum):
    """How an operation finds its entry: by its names, or as the next one of the file."""

    LOOKUP = 0
    TRANSCRIPT = 1


@dataclass(frozen=True, slots=True)
class Config:
    """One session's configuration; sizes in bytes, 0 means none at all."""

    mode: Mode
    match: Match
    cassette: str
    max_cassette_bytes: int
    max_entries: int
    max_req_bytes: int
    max_resp_bytes: int
    max_key_bytes: int

    def __post_init__(self) -> None:
        check_name(self.cassette)

    def encode(self) -> bytes:
        """Return the ``X7RC`` bytes."""
        path = self.cassette.encode("utf-8", "surrogateescape")
        budgets = (self.max_entries, self.max_req_bytes, self.max_resp_bytes, self.max_key_bytes)
        head = _LAYOUT.pack(b"X7RC", 1, 0, self.mode, self.match, 0, self.max_cassette_bytes, *budgets, len(path))
        return head + path

    @classmethod
    def decode(cls, data: bytes) -> Config:
        """Return the configuration that `data` holds.

        Raises:
            CassetteError: 2000 for a malformed one or an unsafe path, 2001 for another version.
        """
        if len(data) < _LAYOUT.size or not data.startswith(b"X7RC"):
            raise CassetteError(2000, "not an X7RC configuration", hint="the first four bytes must be X7RC")
        _, version, _, mode, match, _, *budgets, size = _LAYOUT.unpack_from(data)
        if version != 1:
            raise CassetteError(2001, f"X7RC version {version} is not supported", hint="write version 1")
        if mode > Mode.REWRITE or match > Match.TRANSCRIPT or len(data) - _LAYOUT.size != size:
            raise CassetteError(
                2000,
                "X7RC mode, match mode or path length is out of range",
                hint="modes are 0 to 4, match modes 0 and 1",
            )
        path = data[_LAYOUT.size :].decode("utf-8", "surrogateescape")
        return cls(Mode(mode), Match(match), path, *budgets)


def check_name(name: str) -> str:
    """Return `name` if it is safe as a cassette's path below ``.x07_rr``.

    Raises:
        CassetteError: 2000 if it is empty, absolute, or has an empty, ``.``, ``..`` or ``.x07_`` part, ``\\`` or NUL.
    """
    parts = name.split("/")
    unsafe = any(part in ("", ".", "..") or part.startswith(".x07_") for part in parts)
    if unsafe or "\\" in name or "\0" in name:
        raise CassetteError(2000, f"cassette path {name!r} is not safe", hint=_PATH_HINT)
    return name
