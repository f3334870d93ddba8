"""For tests, and for programs that were not written for x07py: drop-in cassettes and the pytest plugin."""
