"""Small file systems for tests: a disk that is soon full, or that cannot be written."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_tmpfs(folder: Path, *, kilobytes: int, read_only: bool = False) -> Iterator[Path]:
    """Mount a tmpfs of `kilobytes` at `folder` for the block; needs the right to mount."""
    folder.mkdir()
    options = f"size={kilobytes}k" + (",ro" if read_only else "")
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
