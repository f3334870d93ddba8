"""Tests of the stand-in for Kafka."""
