"""The golden data of the reference toolchain, which is not part of this repository.

Looked for in the folder that ``X07_GOLDEN_DIR`` names, else in ``../shared/golden`` beside the repository. Tests that
need it are skipped where it is absent, and pytest's summary names the folder.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("X07_GOLDEN_DIR") or Path(__file__).parents[3] / "shared" / "golden")

needs_golden = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"GOLDEN DATA ABSENT: {FOLDER.name} not found")


def read(name: str) -> bytes:
    """Return the bytes of one golden file."""
    return (FOLDER / name).read_bytes()
