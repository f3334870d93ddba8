"""For tests, and for programs that were not written for x07py: drop-in cassettes and the pytest plugin."""

from x07py.testing.cassette import use_cassette

__all__ = ["use_cassette"]
