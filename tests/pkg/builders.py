"""Makes packages in folders and publishes them into an index folder, through the same code as the commands."""

from __future__ import annotations

import gc
import io
import json
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from x07py.cli.entry import main
from x07py.pkg.publish import publish


class Packages:
    """A folder of packages and an index beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.index = folder / "index"

    @property
    def url(self) -> str:
        """The index as a file URL."""
        return self.index.as_uri() + "/"

    def make(self, name: str, version: str, *requires: str, modules: str | None = None, **meta: Any) -> Path:
        """Write a package with one module, which returns its version; return its folder."""
        folder = self.folder / "packages" / f"{name}-{version}"
        module = modules or name.replace("-", "_")
        (folder / "modules").mkdir(parents=True, exist_ok=True)
        (folder / "modules" / f"{module}.py").write_text(f'VERSION = "{version}"\n', encoding="utf-8")
        manifest = {
            "schema_version": "x07.package@0.1.0",
            "name": name,
            "version": version,
            "description": f"package {name}",
            "docs": "none",
            "license": "Apache-2.0",
            "module_root": "modules",
            "modules": [module],
            "meta": {
                "worlds_allowed": ["run-os", "run-os-sandboxed", "solve-pure"],
                "requires_packages": list(requires),
                **meta,
            },
        }
        (folder / "x07-package.json").write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    def publish(self, name: str, version: str, *requires: str, key: Path | None = None, **meta: Any) -> dict[str, Any]:
        """Publish a package that `make` writes; return its index entry."""
        return publish(self.make(name, version, *requires, **meta), self.index, key)


def pkg(project: Path, *args: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
    """Run an ``x07 pkg`` command line in this process, which saves half a second each, and check its exit code.

    The guide, the example, killed and concurrent commands and `login` run as processes of their own.
    """
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
