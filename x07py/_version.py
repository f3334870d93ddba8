"""The one place that states the version; the build reads it, and ``x07 --version`` prints it."""

__version__ = "0.2.0"
