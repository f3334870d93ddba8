"""Distributions as installers leave them: files, metadata and a record in a folder, made in a millisecond."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib import invalidate_caches
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import pytest


def install(
    site: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    requires: Sequence[str] = (),
) -> Path:
    """Write a distribution into `site`, as a wheel's installer does; return its dist-info folder."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    groups = "".join(
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in rows.items())
        for group, rows in (entry_points or {}).items()
    )
    whole = {
        **files,
        f"{info.name}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info.name}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info.name}/INSTALLER": "tests\n",
        **({f"{info.name}/entry_points.txt": groups} if groups else {}),
    }
    rows = []
    for path, text in whole.items():
        target = site / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(text.encode())}\n")
    (info / "RECORD").write_text("".join([*rows, f"{info.name}/RECORD,,\n"]), encoding="utf-8")
    return info


def package(name: str, version: str, **more: Any) -> str:
    """Return the text of an x07 package's document: one module called like it, for all worlds, unless said else."""
    document = {
        "schema_version": "x07.package@1.0.0",
        "name": name,
        "version": version,
        "description": f"package {name}",
        "modules": [name.replace("-", "_")],
        "worlds_allowed": ["run-os", "run-os-sandboxed", "solve-pure", "solve-rr"],
        **more,
    }
    return json.dumps(document, indent=2)


def package_files(name: str, version: str, **more: Any) -> dict[str, str]:
    """Return the files of a distribution with one package: its version in a module, and its document."""
    module = name.replace("-", "_")
    return {
        f"{module}/__init__.py": f'VERSION = "{version}"\n',
        f"{module}/x07-package.json": package(name, version, **more),
    }


def install_package(site: Path, name: str, version: str, requires: Sequence[str] = (), **more: Any) -> Path:
    """Install a distribution with one package; return its dist-info folder."""
    module = name.replace("-", "_")
    points = {"x07.packages": {name: module}}
    info = install(site, name, version, package_files(name, version, **more), points, requires)
    invalidate_caches()
    return info


def wheel(folder: Path, name: str, version: str, requires: Sequence[str] = (), **more: Any) -> Path:
    """Build the wheel of a distribution with one package into `folder`; return its file."""
    module = name.replace("-", "_")
    with TemporaryDirectory() as place:
        files = package_files(name, version, **more)
        install(Path(place), name, version, files, {"x07.packages": {name: module}}, requires)
        target = folder / f"{module}-{version}-py3-none-any.whl"
        with ZipFile(target, "w") as archive:
            for path in sorted(Path(place).rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(place))
    return target


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of installed distributions, at the end of the path of this process and of those it starts."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.setenv("PYTHONPATH", str(folder))
    before = set(sys.modules)
    yield folder
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
