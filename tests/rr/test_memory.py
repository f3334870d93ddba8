"""What looking into a large recording takes beside the file: bytes an entry, counted and not timed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterable
from functools import partial

from tests.rr.test_comparison import publish
from x07py.rr import Cassette
from x07py.rr.alignment import pairs_of
from x07py.rr.view import page

FEW, MANY = 400, 2000


def recorded(size: int, *, changed: bool = False) -> Cassette:
    """Return publishes to many keys, of which every 97th may say something else."""
    numbers = (-n if changed and n % 97 == 0 else n for n in range(size))
    return Cassette.from_entries([publish(b"k%d" % (n % 100), b"%d" % number) for n, number in enumerate(numbers)])


def peak(made: Callable[[], Iterable[object]]) -> int:
    """Return the most bytes that were held while all of it was asked for."""
    tracemalloc.start()
    try:
        for _ in made():
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def growth(made: Callable[[int], Callable[[], Iterable[object]]]) -> float:
    """Return the bytes that each further entry takes, beside the recordings themselves."""
    few, many = (peak(made(size)) for size in (FEW, MANY))
    return (many - few) / (MANY - FEW)


def test_two_recordings_are_aligned_in_little_memory() -> None:
    def aligned(size: int) -> Callable[[], Iterable[object]]:
        return partial(pairs_of, recorded(size), recorded(size, changed=True))

    assert growth(aligned) < 200


def test_a_page_is_never_whole_in_memory() -> None:
    def written(size: int) -> Callable[[], Iterable[object]]:
        return partial(page, "orders", recorded(size))

    assert growth(written) < 100
