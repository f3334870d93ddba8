"""`x07 arch init` on layouts that people have: the right roots and nodes, nothing hidden, and green right after."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.arch.trees import codes, run
from x07py.arch.init import first_manifest
from x07py.arch.project import MANIFEST_PATH, project_folder
from x07py.contracts.roots import find_layout


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def manifest_of(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / MANIFEST_PATH).read_text())
    return document


SETTINGS = {
    "setuptools, find": ("pyproject.toml", '[tool.setuptools.packages.find]\nwhere = ["code"]\n'),
    "setuptools, package-dir": ("pyproject.toml", '[tool.setuptools.package-dir]\n"" = "code"\n'),
    "setup.cfg": ("setup.cfg", "[options]\npackage_dir =\n    = code\npackages = find:\n"),
    "setup.cfg, where": ("setup.cfg", "[options.packages.find]\nwhere = code\n"),
    "setup.py": ("setup.py", "from setuptools import setup\nsetup(package_dir={'': 'code'})\n"),
    "hatch, packages": ("pyproject.toml", '[tool.hatch.build.targets.wheel]\npackages = ["code/shop"]\n'),
    "hatch, sources": ("pyproject.toml", '[tool.hatch.build.targets.wheel]\nsources = ["code"]\n'),
    "poetry": ("pyproject.toml", '[tool.poetry]\npackages = [{ include = "shop", from = "code" }]\n'),
    "pdm": ("pyproject.toml", '[tool.pdm.build]\npackage-dir = "code"\n'),
    "uv": ("pyproject.toml", '[tool.uv.build-backend]\nmodule-root = "code"\n'),
    "maturin": ("pyproject.toml", '[tool.maturin]\npython-source = "code"\n'),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_roots_of_build_settings(case: str, tmp_path: Path) -> None:
    name, text = SETTINGS[case]
    lay(tmp_path, {name: text, "code/shop/__init__.py": "", "code/shop/a.py": "import shop\n"})
    assert find_layout(tmp_path).roots == ("code",)


@pytest.mark.parametrize("text", ["[", '[tool.setuptools.packages.find]\nwhere = ["../up", 3, "none"]\n', "tool = 3\n"])
def test_settings_that_name_nothing_give_the_layout_by_its_looks(text: str, tmp_path: Path) -> None:
    lay(tmp_path, {"pyproject.toml": text, "lib/shop/__init__.py": ""})
    assert find_layout(tmp_path).roots == ("lib",)


def test_a_workspace_is_one_node_a_member_and_names_that_stand_twice_are_each_its_own(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n',
            "packages/api/pyproject.toml": "[project]\nname = 'api'\n",
            "packages/api/api/__init__.py": "",
            "packages/api/api/b.py": "from core import a\nimport google.auth\n",
            "packages/api/tests/conftest.py": "",
            "packages/api/tests/test_b.py": "from tests import conftest\nimport api.b\n",
            "packages/core/src/core/__init__.py": "",
            "packages/core/src/core/a.py": "import api.b\n",
            "packages/flat/google/cloud/x.py": "from google.cloud import y\n",
            "packages/flat/tests/conftest.py": "",
            "tools/release.py": "import core\n",
        },
    )
    first = first_manifest(tmp_path)
    assert first.roots == ("", "packages/api", "packages/core/src", "packages/flat")
    report = run(tmp_path)
    assert (codes(report), report.modules, report.nodes) == ([], 9, 4)
    assert report.checked is not None
    graph = report.checked[1]
    assert set(graph.inside["packages.api.tests.test_b"]) == {"packages.api.tests.conftest", "api.b"}
    assert set(graph.node_edges()) == {
        ("packages.api", "packages.core"),
        ("packages.core", "packages.api"),
        ("tools", "packages.core"),
    }
    assert manifest_of(tmp_path)["externals"]["allowed_import_prefixes"] == ["google.auth", "google.cloud.y"]


def test_nothing_is_left_out_in_silence(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    lay(
        tmp_path,
        {
            ".gitignore": "build/\n",
            ".github/scripts/release.py": "import (",
            "build/lib/shop/a.py": "",
            "env/pyvenv.cfg": "",
            "env/bin/x.py": "",
            "shop/__init__.py": "",
            "shop/a.py": "URL = 'amqp://bob:hunter2@mq.shop.internal'\n",
            "shop/broken.py": "import (",
            "shop/dist/target/gen/tmp/c.py": "from ...... import beyond\n",
            "shop/migrations/0001_first.py": "import shop.newer\n",
            "shop/newer.py": "x = f'{y['z']}'\nimport shop.a\n",
            "run-all.py": "import shop\n",
        },
    )
    first = first_manifest(tmp_path)
    assert (first.nodes, first.excluded, first.exceptions) == (1, ("build/**", "shop/broken.py"), 2)
    report = run(tmp_path)
    assert (codes(report), report.exit_code, report.modules, report.excepted) == ([], 0, 5, 2)
    assert report.unread is not None
    assert report.unread.document() == {
        "excluded": {"build/**": 1, "shop/broken.py": 1},
        "environments": ["env"],
        "unnamed_files": 1,
        "closed_folders": [],
    }
    said = report.summary()
    assert "2 excepted" in said
    for part in ("2 excluded by scan.exclude (build, shop/broken.py)", "(env)", "(run-all.py)"):
        assert part in said
    (tmp_path / "shop/a.py").write_text("")
    assert codes(run(tmp_path)) == ["E_ARCH_EXCEPTION_UNUSED"]


def test_the_project_is_found_from_a_folder_of_it_and_not_beyond_its_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay(tmp_path, {MANIFEST_PATH: "{}", "shop/arch/x.py": "", "other/.git/x": "", "other/in/x": ""})
    monkeypatch.chdir(tmp_path / "shop/arch")
    assert project_folder(None, MANIFEST_PATH) == Path("../..")
    monkeypatch.chdir(tmp_path / "other/in")
    assert project_folder(None, MANIFEST_PATH) == Path()
