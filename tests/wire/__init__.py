"""Tests of the stand-in brokers."""
