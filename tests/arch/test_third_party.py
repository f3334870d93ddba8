"""Somebody else's project at first sight: green after `init`, then a rule that bites in plain words."""

from __future__ import annotations

import json
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.arch.trees import run
from tests.support.project import x07
from x07py.arch.project import MANIFEST_PATH

PACKAGES = {
    "httpx": ("httpx._config", "E_ARCH_CALL_ENVIRONMENT"),
    "starlette": ("starlette.requests", "E_ARCH_OS_IMPORT"),
    "faststream": ("faststream.message", "E_ARCH_CALL_RANDOMNESS"),
}
"""For each package a module that is given a solve world, and what is found then."""


def take(name: str, root: Path) -> Path:
    """Copy an installed package, as its authors released it, into the source folder of a project."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, root / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def make_pure(root: Path, package: str, module: str) -> None:
    path = root / MANIFEST_PATH
    document = json.loads(path.read_text())
    whole = next(node for node in document["nodes"] if node["id"] == package)
    names = {"/".join(one.relative_to(root / "src").parts) for one in (root / "src" / package).rglob("*.py")}
    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names}
    others = sorted(name for name in modules if name != package and name.count(".") == 1 and name != module)
    top = f"src/{package}/__init__.py"
    whole["match"] = {"module_prefixes": others, "path_globs": [top]}
    core = {**whole, "id": "core", "world": "solve-pure", "match": {"module_prefixes": [module], "path_globs": []}}
    document["nodes"].append(core)
    document["checks"]["world_of_imported_v1"] = {"enabled": False}
    path.write_text(json.dumps(document))
    (root / "arch/manifest.lock.json").unlink()


@pytest.mark.parametrize("package", PACKAGES)
def test_green_at_first_and_plain_when_a_rule_is_broken(package: str, tmp_path: Path) -> None:
    root = take(package, tmp_path)
    assert x07("arch", "init", cwd=root).returncode == 0
    first = x07("arch", "check", cwd=root)
    assert (first.returncode, first.stderr) == (0, "")
    module, code = PACKAGES[package]
    make_pure(root, package, module)
    done = x07("arch", "check", cwd=root)
    assert done.returncode == 2
    assert f"error[{code}]" in done.stdout
    assert f"--> src/{module.replace('.', '/')}" in done.stdout
    assert "help: " in done.stdout
    assert x07("arch", "check", cwd=root).stdout == done.stdout


def test_the_order_of_files_on_disk_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = take("httpx", tmp_path)
    assert x07("arch", "init", cwd=root).returncode == 0
    make_pure(root, "httpx", "httpx._urls")
    expected = run(root).findings
    assert expected
    scan = os.scandir

    class Backwards:
        """The entries of a folder in another order."""

        def __init__(self, path: Path) -> None:
            with scan(path) as entries:
                self._entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[object]:
            return list(self._entries)

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert run(root).findings == expected
