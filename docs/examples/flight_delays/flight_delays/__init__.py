"""Departure delays at New York's airports, joined with the weather: a small service on real data."""
