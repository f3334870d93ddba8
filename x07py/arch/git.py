"""What git says: what has changed since a commit, and what it ignores."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from x07py.errors import ArchError
from x07py.printing import counted

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Change:
    """What git says: files below the root that differ from a commit, those that git does not know yet among them.

    Args:
        ref: what was asked for.
        base: the commit that files are compared with.
        paths: paths below the root.
        modules: how many modules are touched or depend on one that is.
    """

    ref: str
    base: str
    paths: frozenset[str]
    modules: int = 0

    def document(self) -> dict[str, Any]:
        """Return the change as the report states it."""
        return {"ref": self.ref, "base": self.base, "files": len(self.paths), "modules": self.modules}

    def __str__(self) -> str:
        return (
            f"{counted(len(self.paths), 'file')} changed since {self.base[:12]} ({self.ref}), "
            f"{counted(self.modules, 'module')} checked"
        )


def changed_since(root: Path, ref: str) -> Change:
    """Return what differs from where the work on HEAD left `ref`; time is that of ``git diff`` and ``git ls-files``.

    Raises:
        ArchError: ``E_ARCH_CHANGED`` if git is missing, this is no repository, or it does not know `ref`.
    """
    _git(root, "rev-parse", "--show-toplevel", hint="run this in a git repository, or without --changed")
    hint = "`git branch -a` lists branches; with no commit yet, check without --changed"
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", ref=ref, hint=hint)
    hint = "a shallow clone lacks older commits: git fetch --unshallow"
    base = os.fsdecode(_git(root, "merge-base", commit.decode().strip(), "HEAD", ref=ref, hint=hint)).strip()
    names = _git(root, "diff", "--name-only", "--no-renames", "--no-ext-diff", "--relative", "-z", base)
    names += _git(root, "ls-files", "--others", "--exclude-standard", "-z")
    return Change(ref, base, frozenset(os.fsdecode(names).split("\0")) - {""})


_NO_PROGRAMS = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false")
"""A folder of a checkout can look like the inside of a repository, with settings that name programs for git to run."""


def _git(root: Path, *args: str, ref: str | None = None, hint: str = "see what git says") -> bytes:
    """Return what git answers; no program that settings of the repository name is started."""
    try:
        done = subprocess.run(
            ["git", *_NO_PROGRAMS, *args],
            cwd=root,
            capture_output=True,
            check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except FileNotFoundError:
        hint = "install git, or check without --changed"
        raise ArchError("E_ARCH_CHANGED", "git is not installed", where=str(root), hint=hint) from None
    if done.returncode:
        said = os.fsdecode(done.stderr).strip().partition("\n")[0]
        what = f"git finds nothing to compare with for {ref!r}" if ref else "git cannot tell what changed"
        raise ArchError("E_ARCH_CHANGED", f"{what}: {said}" if said else what, where=str(root.resolve()), hint=hint)
    return done.stdout


def ignored_folders(root: Path) -> list[str]:
    """Return the folders below the root that git ignores, each with ``/`` at its end; none without a repository."""
    try:
        names = _git(root, "ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z")
    except ArchError:
        return []
    return [one for one in os.fsdecode(names).split("\0") if one.endswith("/")]


def is_ignored(root: Path, path: str) -> bool:
    """Tell whether git ignores a path below the root; without a repository nothing is."""
    try:
        _git(root, "check-ignore", "--quiet", "--", path)
    except ArchError:
        return False
    return True
