"""What looking into a large recording takes beside the file: bytes an entry, counted and not timed."""

from __future__ import annotations

import io
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from functools import partial

from tests.rr.test_comparison import publish
from x07py.cli.output import print_json_rows
from x07py.rr import Cassette
from x07py.rr.alignment import pairs_of
from x07py.rr.comparison import changes_between
from x07py.rr.view import page

FEW, MANY = 400, 2000


class _Nowhere(io.StringIO):
    """Forgets what is written."""

    def write(self, text: str) -> int:
        return len(text)


def recorded(size: int, *, changed: int = 0) -> Cassette:
    """Return publishes to many keys, of which every one in `changed` says something else."""
    numbers = (-n - 1 if changed and n % changed == 0 else n for n in range(size))
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
        return partial(pairs_of, recorded(size), recorded(size, changed=97))

    assert growth(aligned) < 200


def test_a_page_is_never_whole_in_memory() -> None:
    def written(size: int) -> Callable[[], Iterable[object]]:
        return partial(page, "orders", recorded(size))

    assert growth(written) < 100


def test_changes_are_never_all_in_memory() -> None:
    def changes(size: int) -> Callable[[], Iterable[object]]:
        return partial(changes_between, recorded(size), recorded(size, changed=1), Counter())

    assert growth(changes) < 200


def test_rows_of_json_are_printed_as_they_come() -> None:
    def printed(size: int) -> Callable[[], Iterable[object]]:
        def write() -> Iterable[object]:
            rows = ({"number": number, "text": "x" * 500} for number in range(size))
            with redirect_stdout(_Nowhere()):
                print_json_rows("rows", rows, before={"a": 1}, after=dict)
            return ()

        return write

    assert growth(printed) < 100
