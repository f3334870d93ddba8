"""Where a Python that ``x07 rr exec`` starts finds its cassette, and what it is told."""

from __future__ import annotations

from pathlib import Path

INJECT = str(Path(__file__).parent / "inject")
"""The folder by which a Python that is started finds its cassette."""
ORDER = "X07_RR_EXEC"
"""The variable that says which cassette, and how it is used."""
