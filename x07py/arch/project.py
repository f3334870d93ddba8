"""Where the project is: from a folder of it, upwards."""

from __future__ import annotations

import os
from pathlib import Path

from x07py.errors import ArchError

MANIFEST_PATH = "arch/manifest.x07arch.json"
_OUTERMOST = ".git"


def project_folder(given: Path | None, manifest: str) -> Path:
    """Return the folder that paths are relative to.

    Args:
        given: the folder that was asked for; None looks for the manifest from the working directory upwards, as far as
            the repository goes.
        manifest: path of the manifest below the folder.

    Returns:
        The folder, relative to the working directory where it was searched for; without a manifest, that itself.

    Raises:
        ArchError: ``E_ARCH_ROOT`` if what was given is no folder.
    """
    if given is not None:
        if not given.is_dir():
            raise ArchError(
                "E_ARCH_ROOT", "the root is not a folder", where=str(given), hint="give a folder to --repo-root"
            )
        return given
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / manifest).is_file():
            return Path(os.path.relpath(folder))
        if (folder / _OUTERMOST).exists():
            break
    return Path()
