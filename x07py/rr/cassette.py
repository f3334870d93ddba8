"""`Cassette`: what a cassette file holds, for people and tools that look into it."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import overload

from x07py.errors import CassetteError
from x07py.rr.cassette_files import read_cassette
from x07py.rr.entry import UNLIMITED, Entry
from x07py.rr.index import Index

_U32 = struct.Struct("<I")


class Cassette:
    """A loaded cassette. Memory is the file plus about 60 bytes an entry; entries are decoded on demand."""

    def __init__(self, index: Index) -> None:
        self._index = index

    @classmethod
    def load(cls, source: str | Path | bytes) -> Cassette:
        """Return the cassette in a file or in bytes; every entry is checked against the rules of the format.

        Raises:
            CassetteError: 2002 if the file cannot be read, 2008 for an invalid entry, 2014 for a cut-off frame.
        """
        data = source if isinstance(source, bytes) else read_cassette(Path(source))
        return cls(Index(data, max_entries=2**64, limits=UNLIMITED))

    @classmethod
    def from_entries(cls, entries: Iterable[Entry]) -> Cassette:
        """Return a cassette that holds `entries`."""
        payloads = [entry.encode() for entry in entries]
        return cls.load(b"".join(_U32.pack(len(payload)) + payload for payload in payloads))

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries in file order, as a lazy sequence."""
        return _Entries(self._index)

    def __len__(self) -> int:
        return len(self._index)

    def check(self) -> None:
        """Read the error of each entry, which is otherwise read when somebody asks for it.

        Raises:
            CassetteError: 2008 if one is no number.
        """
        for number in self._index.errors:
            self._index.err(number)

    def to_bytes(self) -> bytes:
        """Return the file's bytes."""
        return bytes(self._index.buf)


class _Entries(Sequence[Entry]):
    def __init__(self, index: Index) -> None:
        self._index = index

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[Entry]:
        return map(self._index.entry, range(len(self._index)))

    @overload
    def __getitem__(self, number: int) -> Entry: ...
    @overload
    def __getitem__(self, number: slice) -> list[Entry]: ...
    def __getitem__(self, number: int | slice) -> Entry | list[Entry]:
        if isinstance(number, slice):
            return [self[one] for one in range(*number.indices(len(self)))]
        if not -len(self) <= number < len(self):
            raise IndexError(f"the cassette has {len(self)} entries")
        return self._index.entry(number % len(self))


def whole_prefix(data: bytes) -> tuple[int, int, CassetteError | None]:
    """Return how many bytes and entries of `data` are whole, and the error that ends them, if any."""
    try:
        loaded = Cassette.load(data)
        loaded.check()
    except CassetteError:
        return _before_damage(data)
    return len(data), len(loaded), None


def _before_damage(data: bytes) -> tuple[int, int, CassetteError | None]:
    """Return what `whole_prefix` does, by reading entry after entry up to the first that is damaged."""
    size, entries = 0, 0
    while size < len(data):
        if len(data) - size < 4 or _U32.unpack_from(data, size)[0] > len(data) - size - 4:
            return size, entries, CassetteError(2014, "the last frame is cut off", where=f"byte {size}")
        end = size + 4 + _U32.unpack_from(data, size)[0]
        try:
            Entry.decode(data[size + 4 : end])
        except CassetteError as error:
            return size, entries, error
        size, entries = end, entries + 1
    return size, entries, None
