"""Runs ``x07 pkg`` command lines in this process."""

from __future__ import annotations

import gc
import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest

from x07py.cli.main import main


def pkg(project: Path, *args: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """Run an ``x07 pkg`` command line in this process, which saves half a second each, and check its exit code."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with (
        chdir(project),
        patch.dict(os.environ, {"COLUMNS": "100", **env}),
        patch.object(sys, "argv", ["x07", "pkg", *args]),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    gc.enable()  # the command turned it off for the short life of a process
    done = subprocess.CompletedProcess(args, int(str(ended.value.code)), _text(out), _text(err))
    assert done.returncode == code, (args, done.stdout, done.stderr)
    assert "X07_INTERNAL" not in done.stderr
    return done


def _text(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


def tree_state(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder` with its content, without x07's own guard files."""
    own = {".x07/guard", ".x07/.gitignore"}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if name not in own}
