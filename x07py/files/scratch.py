"""A folder for what lives no longer than a command."""

from __future__ import annotations

import os
from pathlib import Path


def scratch_folder(prefix: str) -> Path:
    """Make an empty folder of this user alone, where temporary files lie.

    `tempfile` would take a third of Python's own start to import; it is asked where the usual place does not serve.

    Args:
        prefix: how its name begins.

    Raises:
        OSError: there is no place for one.
    """
    usual = os.path.abspath(os.environ.get("TMPDIR") or "/tmp")  # noqa: PTH100, S108 (a name that nobody can guess)
    folder = Path(usual, f"{prefix}{os.urandom(8).hex()}")
    try:
        folder.mkdir(mode=0o700)
    except OSError:
        import tempfile

        return Path(tempfile.mkdtemp(prefix=prefix))
    return folder
